"""An order on its way from desk to desk: a file with as many seals as it has got so far.

A file ``NAME.order`` is the order's bundle; media that it names and does not carry lie in a folder
``media`` beside it. The same form carries alerts, grants, commands, bulletins and the standing
programme.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loa_manager.content_tree import write_durably
from loa_manager.home import read_bytes
from loa_protocol import cbor
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import FormatError, MessageError, StoreError
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.bulletin import Bulletin
from loa_protocol.objects.command import Command
from loa_protocol.objects.live import Grant
from loa_protocol.objects.playlist import Media
from loa_protocol.objects.standing import StandingProgramme
from loa_protocol.trust import Refusal, TrustError

Body = Alert | Grant | Command | Bulletin | StandingProgramme
SUFFIX: Final = ".order"
MODELS: Final[dict[Kind, type[Body]]] = {
    Kind.ALERT: Alert,
    Kind.GRANT: Grant,
    Kind.COMMAND: Command,
    Kind.BULLETIN: Bulletin,
    Kind.STANDING_PROGRAMME: StandingProgramme,
}
PUSHED: Final = frozenset({Kind.ALERT, Kind.GRANT, Kind.COMMAND})
"""What boards are told of at once; the rest waits until somebody fetches it."""


@dataclass(frozen=True, slots=True)
class Paper:
    """An order and what it says; unjudged."""

    data: bytes
    bundle: Bundle
    kind: Kind
    body: Body
    path: Path | None = None

    @property
    def id(self) -> bytes:
        """The event's id; for a standing programme, which is none, the first half of its digest."""
        if isinstance(self.body, StandingProgramme):
            return self.bundle.digest[:16]
        return self.body.id

    @property
    def media(self) -> tuple[Media, ...]:
        """The media that somebody has to fetch before it can be played."""
        match self.body:
            case Alert(media=Media() as media, sound=None):
                return (media,)
            case Bulletin(media=media):
                return (media,)
            case StandingProgramme(media=several):
                return several
            case _:
                return ()


def open_paper(data: bytes, path: Path | None = None) -> Paper:
    """Read the bundle *data* without judging it.

    Raises:
        FormatError: it is none of the kinds that travel as orders.
    """
    bundle = Bundle.from_bytes(data)
    known = {int(kind): kind for kind in MODELS}
    kind = known.get(bundle.kind)
    if kind is None or bundle.version != 1:
        raise MessageError(f"kind {bundle.kind}, version {bundle.version}: no order")
    return Paper(data, bundle, kind, MODELS[kind].from_bytes(bundle.payload), path)


def read_paper(path: Path) -> Paper:
    """Read the order file at *path* without judging it.

    Raises:
        StoreError: it cannot be read.
        FormatError: it is no order; the text names the file.
    """
    size = path.stat().st_size if path.is_file() else 0
    if size > cbor.MAX_BYTES:
        raise FormatError(f"{path}: {size} bytes are more than the {cbor.MAX_BYTES} allowed")
    try:
        return open_paper(read_bytes(path), path)
    except FormatError as error:
        raise type(error)(f"{path}: {error}") from None


def write_paper(path: Path, data: bytes) -> Paper:
    """Write the order *data* to *path*; raises StoreError when it cannot be."""
    paper = open_paper(data, path)
    write_durably(path, data)
    return paper


def media_beside(paper: Paper) -> dict[bytes, Path]:
    """Return the media files that lie beside the order file, by hash; each was hashed.

    Raises:
        TrustError: MEDIA_HASH: a file is not the one that was signed.
        StoreError: a file cannot be read.
    """
    found = {}
    for media in paper.media if paper.path is not None else ():
        file = paper.path.parent / "media" / media.sha256.hex() if paper.path else Path()
        if not file.is_file():
            continue
        if _hash(file) != media.sha256:
            raise TrustError(Refusal.MEDIA_HASH, str(file))
        found[media.sha256] = file
    return found


def _hash(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError as error:
        raise StoreError(str(file), error.strerror or str(error)) from None
