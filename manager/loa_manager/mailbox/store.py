"""The mailbox on disk: a folder for each scope, files named by what they hold.

``mailbox/<scope with dots>/<digest>.json`` says who submitted a draft and when, ``.draft`` is the
bundle with the seals it has got so far, ``.rejection`` an approver's sealed no; ``media`` beside
them holds the sound by hash, and ``<hash>.part`` what has arrived of it. Every file but the parts
is replaced as a whole and synced; a part that a crash has torn is found out by its hash and sent
again. No decision is taken here.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from loa_manager.content_tree import ContentTree, store_by_hash, write_durably
from loa_manager.durable import storing
from loa_manager.home import make_private_folder, read_bytes
from loa_manager.mailbox import parts
from loa_protocol.envelope import Bundle
from loa_protocol.errors import MessageError, StoreError
from loa_protocol.objects.playlist import Media, Playlist
from loa_protocol.scope import is_inside


@dataclass(frozen=True, slots=True)
class Notes:
    """What the mailbox notes of a draft beside its bytes; times in ms since 1970."""

    submitted_ms: int
    by: str
    published_ms: int | None = None
    refusal: str | None = None  # the devices' rule, when it was asked last


@dataclass(frozen=True)
class Posted:
    """One draft in the mailbox."""

    path: Path
    data: bytes
    notes: Notes
    rejection: bytes | None

    @cached_property
    def bundle(self) -> Bundle:
        """The draft with its seals."""
        return Bundle.from_bytes(self.data)

    @cached_property
    def playlist(self) -> Playlist:
        """What it says."""
        return Playlist.from_bytes(self.bundle.payload)

    @property
    def digest(self) -> str:
        """The SHA-256 of the playlist, in hex: its name here."""
        return self.path.stem

    @property
    def media(self) -> Path:
        """The folder of its media files."""
        return self.path.parent / "media"


class DraftBox:
    """The files below one folder; one process writes them, with any number of threads."""

    def __init__(self, path: Path, tree: ContentTree) -> None:
        self.path, self._tree = path, tree
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Keep everybody else from changing the mailbox."""
        with self._lock:
            yield

    def free(self) -> int:
        """Return how many bytes the disk still has for us; raises StoreError."""
        place = self.path if self.path.is_dir() else self.path.parent
        with storing(place):
            return shutil.disk_usage(place).free

    def inside(self, scope: str) -> list[Posted]:
        """Return the drafts of *scope* and below, the newest first; raises StoreError."""
        folders = sorted(self.path.iterdir()) if self.path.is_dir() else []
        found = [
            posted
            for folder in folders
            if is_inside(folder.name.replace(".", "/"), scope)
            for path in sorted(folder.glob("*.draft"))
            if (posted := self._read(path)) is not None
        ]
        return sorted(found, key=lambda each: each.notes.submitted_ms, reverse=True)

    def everything(self) -> list[Posted]:
        """Return every draft; raises StoreError."""
        folders = sorted(self.path.iterdir()) if self.path.is_dir() else []
        paths = [path for folder in folders for path in sorted(folder.glob("*.draft"))]
        return [posted for path in paths if (posted := self._read(path)) is not None]

    def find(self, digest: str) -> Posted | None:
        """Return the draft of that *digest* (64 hexadecimal digits); raises StoreError."""
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            return None
        path = next(iter(self.path.glob(f"*/{digest}.draft")), None)
        return None if path is None else self._read(path)

    def put(self, scope: str, data: bytes, notes: Notes) -> Posted:
        """Keep the draft *data* of *scope*; its notes come first, so that none is without.

        Raises:
            StoreError: it cannot be written.
        """
        make_private_folder(self.path)  # whoever serves content/ may pass through the home
        digest = Bundle.from_bytes(data).digest.hex()
        path = self.path / scope.replace("/", ".") / f"{digest}.draft"
        write_durably(path.with_suffix(".json"), _to_json(notes))
        write_durably(path, data)
        return Posted(path, data, notes, None)

    def note(self, posted: Posted, notes: Notes) -> Posted:
        """Replace what is noted of *posted*; raises StoreError."""
        write_durably(posted.path.with_suffix(".json"), _to_json(notes))
        return Posted(posted.path, posted.data, notes, posted.rejection)

    def reject(self, posted: Posted, rejection: bytes) -> Posted:
        """Keep the sealed *rejection* of *posted*; raises StoreError."""
        write_durably(posted.path.with_suffix(".rejection"), rejection)
        return Posted(posted.path, posted.data, posted.notes, rejection)

    def drop(self, posted: Posted) -> None:
        """Remove *posted* and what media nobody else needs; raises StoreError."""
        with storing(posted.path):
            for suffix in (".draft", ".rejection", ".json"):  # the draft first: the rest is nothing
                posted.path.with_suffix(suffix).unlink(missing_ok=True)
        self.drop_media(posted)

    def drop_media(self, posted: Posted) -> None:
        """Remove the media of *posted* that no other draft beside it names; raises StoreError."""
        others = [self._read(path) for path in posted.path.parent.glob("*.draft")]
        needed = {
            media.sha256
            for other in others
            if other is not None and other.digest != posted.digest
            for media in other.playlist.media
        }
        with storing(posted.media):
            for media in posted.playlist.media:
                if media.sha256 not in needed:
                    for name in (media.sha256.hex(), f"{media.sha256.hex()}.part"):
                        (posted.media / name).unlink(missing_ok=True)

    def received(self, posted: Posted, media: Media) -> int:
        """Return how many bytes of *media* are there, in mailbox or content tree."""
        if self.media_path(posted, media) is not None:
            return media.size
        return parts.received(posted.media, media)

    def missing(self, posted: Posted) -> list[tuple[Media, int]]:
        """Return the media of *posted* that are not whole, with how much of each is there."""
        counts = [(media, self.received(posted, media)) for media in posted.playlist.media]
        return [(media, count) for media, count in counts if count < media.size]

    def media_path(self, posted: Posted, media: Media) -> Path | None:
        """Return where the whole file of *media* stands; None while it does not."""
        places = (posted.media / media.sha256.hex(), self._tree.media_path(media.sha256))
        return next((path for path in places if path.is_file()), None)

    def append(self, posted: Posted, media: Media, offset: int, data: bytes) -> int:
        """Add *data* at *offset* to what is there of *media* and return how much there is now.

        Raises:
            OffsetError: *data* does not follow what is there.
            TrustError: MEDIA_HASH: the whole file is not what was signed; it is thrown away.
            StoreError: it cannot be written.
        """
        with self._lock:
            there = self.received(posted, media)
            return parts.append_portion(posted.media, media, offset, data, there)

    def gather(self, posted: Posted) -> None:
        """Bring media that only the content tree has into the draft's own folder.

        Raises:
            StoreError: one is not there, or cannot be copied.
        """
        for media in posted.playlist.media:
            path = self.media_path(posted, media)
            if path is None:
                raise StoreError(media.sha256.hex(), "not there")
            if path.parent != posted.media:
                store_by_hash(path, posted.media)

    def _read(self, path: Path) -> Posted | None:
        """Read one draft; None where it went away meanwhile."""
        try:
            data = path.read_bytes()
            notes = _from_json(path.with_suffix(".json").read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(str(path), error.strerror or str(error)) from None
        rejection = path.with_suffix(".rejection")
        return Posted(path, data, notes, read_bytes(rejection) if rejection.is_file() else None)


def _to_json(notes: Notes) -> bytes:
    return json.dumps(asdict(notes), ensure_ascii=False, sort_keys=True).encode() + b"\n"


def _from_json(data: bytes) -> Notes:
    try:
        return Notes(**json.loads(data))
    except (ValueError, TypeError) as error:
        raise MessageError(f"the notes of a draft are damaged: {error}") from None
