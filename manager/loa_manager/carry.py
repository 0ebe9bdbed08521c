"""Content trees on memory sticks: what the boards of a place need, in the same static layout.

What to carry is worked out from the head and the proofs under it, so that they agree; the tree may
change meanwhile, and is then looked at again. Nothing on the stick is trusted by anybody, so
nothing here is secret and nothing is judged. What the deny list names stays behind, since every
board would refuse it; but not an order that the head lists: a board that finds one missing takes it
for withheld, and then takes nothing that comes after it.

Sticks have file systems of their own habits: no modes are set, and a folder that cannot be synced
is none the worse.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from loa_manager.content_tree import PROOF, ContentTree
from loa_manager.durable import storing, sync_folder
from loa_manager.orders.standing import parse_standing
from loa_protocol import heads
from loa_protocol.envelope import Bundle, Kind, open_seal
from loa_protocol.errors import StoreError
from loa_protocol.language import translator
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.authority import Certificate
from loa_protocol.objects.online import Head, Inclusion
from loa_protocol.objects.placement import DenyList
from loa_protocol.objects.playlist import Media, Playlist
from loa_protocol.objects.standing import StandingProgramme
from loa_protocol.scope import is_inside
from loa_protocol.trust import TrustError

_ = translator("loa_manager")

FOLDER: Final = "loa"
NEW: Final = ".new-"
_TRIES: Final = 5
_NO_OBJECT: Final = bytes(32)
_STATES: Final = ("settings", "assignment", "standing")
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Load:
    """What is carried: small files by path, media by hash, the head last of all."""

    scope: str
    head: bytes
    head_time: int  # unix seconds
    files: dict[str, bytes]
    media: tuple[Media, ...]
    missing: tuple[bytes, ...]  # media that the tree has not, either
    denied: Mapping[str, bytes]  # files left behind, and the hash of what is in them
    denied_orders: tuple[bytes, ...]  # carried all the same, for the head lists them

    @property
    def size(self) -> int:
        """How many bytes it is."""
        small = sum(len(data) for data in self.files.values()) + len(self.head)
        return small + sum(each.size for each in self.media)


@dataclass(frozen=True, slots=True)
class Carried:
    """What writing came to."""

    folder: Path
    written: int  # files
    there: int  # files that were on the stick already
    bytes: int  # written


def gather(tree: ContentTree, scope: str) -> Load:
    """Return what the boards in *scope* need of *tree*.

    Raises:
        StoreError: there is no head, a named object is missing, or the tree changes all the time.
        FormatError: a file of the tree is damaged.
    """
    for _attempt in range(_TRIES):
        if not (tree.path / "head").is_file():
            fault = _("no head; is this the province's home, and did loa serve ever run on it?")
            raise StoreError(str(tree.path), fault)
        head = _read(tree.path / "head")
        load = _gathered(tree, scope, head)
        if load is not None and _read(tree.path / "head") == head:
            return load
    raise StoreError(str(tree.path), _("head and proofs do not agree; start loa serve once"))


def write_load(
    load: Load, tree: ContentTree, to: Path, on_bytes: Callable[[int], None] = lambda _: None
) -> Carried:
    """Write *load* into the folder ``loa`` below *to*; what is there already is not written again.

    Args:
        load: What to carry.
        tree: Where its media are.
        to: The stick, an existing folder.
        on_bytes: Told of each step, for a progress bar.

    Raises:
        StoreError: no room, a stick that cannot be written, or media that are damaged here.
    """
    folder = to / FOLDER
    with storing(folder):
        folder.mkdir(exist_ok=True)
        for path in (*folder.rglob(f"{NEW}*"), *(folder / name for name in load.denied)):
            path.unlink(missing_ok=True)  # a stick may have it from before it was denied
        todo = [each for each in load.media if not _has(folder / _name(each), each, on_bytes)]
        small = {name: data for name, data in load.files.items() if not _holds(folder / name, data)}
        is_new = not _holds(folder / "head", load.head)
        needed = sum(each.size for each in todo) + sum(len(data) for data in small.values())
        _check_room(folder, needed)
        for media in todo:
            _copy(tree.media_path(media.sha256), folder / _name(media), media.sha256, on_bytes)
        for name, data in small.items():
            _place(folder / name, [data])
        if is_new:  # last: it names what is there by now
            _place(folder / "head", [load.head])
    written = len(todo) + len(small) + is_new
    total = len(load.media) + len(load.files) + 1
    return Carried(folder, written, total - written, needed + len(load.head) * is_new)


# --- what to carry


def _gathered(tree: ContentTree, scope: str, data: bytes) -> Load | None:
    """Return the load under the head *data*; None where a proof does not belong to it."""
    head = Head.from_bytes(Bundle.from_bytes(data).payload)
    picked = _Picked(tree, _denied(tree, head), dict(_roots(tree)))
    picked.take({head.deny_list} | {m.digest for m in head.policies if _near(m.scope, scope)})
    for place, proof in _proofs(tree, scope):
        inclusion = Inclusion.from_bytes(proof)
        if not _is_proven(inclusion, head, place):
            return None
        if picked.take_if_allowed(f"objects/{inclusion.leaf.digest.hex()}"):
            picked.files[f"proof/{place}/{PROOF}"] = proof
        else:
            picked.denied[f"proof/{place}/{PROOF}"] = inclusion.leaf.digest
    orders: frozenset[bytes] = frozenset()
    if head.standing_orders != _NO_OBJECT:
        picked.take({head.standing_orders})
        listed = parse_standing(tree.object(head.standing_orders))
        orders = frozenset(row.digest for row in listed.orders if _near(row.scope, scope))
        picked.take(orders)
        for row in listed.signers:
            if _near(row.scope, scope):
                picked.take_if_allowed(f"objects/{row.digest.hex()}")
    for name in _states(tree, scope):
        picked.take_if_allowed(name)
    here = {hash_: m for hash_, m in picked.media.items() if tree.media_path(hash_).is_file()}
    return Load(
        scope,
        data,
        head.time,
        picked.files,
        tuple(here[hash_] for hash_ in sorted(here)),
        tuple(sorted(picked.media.keys() - here.keys())),
        picked.denied,
        tuple(sorted(digest for digest in orders if picked.is_denied(tree.object(digest)))),
    )


@dataclass
class _Picked:
    """What has been picked from *tree* so far, and what was not because it is *refused*."""

    tree: ContentTree
    refused: frozenset[bytes]  # key ids and hashes
    files: dict[str, bytes]
    media: dict[bytes, Media] = field(default_factory=dict)
    denied: dict[str, bytes] = field(default_factory=dict)

    def take(self, digests: Iterable[bytes]) -> None:
        """Take objects whatever the deny list says, but no sound that nobody will play."""
        for digest in sorted(set(digests) - {_NO_OBJECT}):
            self._add(f"objects/{digest.hex()}", self.tree.object(digest))

    def take_if_allowed(self, name: str) -> bool:
        """Take the file *name* of the tree unless it is denied, and tell whether it was taken."""
        data = _read(self.tree.path / name)
        if self.is_denied(data):
            self.denied[name] = Bundle.from_bytes(data).digest
            return False
        self._add(name, data)
        return True

    def is_denied(self, data: bytes) -> bool:
        """Tell whether every board refuses the bundle *data*: it, or a key under it, is denied."""
        if not self.refused:
            return False
        bundle = Bundle.from_bytes(data)
        chain = [Bundle.from_bytes(each) for each in bundle.certificates]
        keys = {Certificate.from_bytes(each.payload).key.kid for each in chain}
        if bundle.kind == Kind.CERTIFICATE:
            keys.add(Certificate.from_bytes(bundle.payload).key.kid)
        keys |= {open_seal(seal).kid for seal in bundle.seals}
        named = {bundle.digest, *(each.digest for each in chain), *keys}
        if bundle.kind == Kind.ALERT:  # of a playlist's many sounds the rest may play
            named |= _media_of(bundle).keys()
        return bool(named & self.refused)

    def _add(self, name: str, data: bytes) -> None:
        self.files[name] = data
        is_refused = self.is_denied(data)
        for digest, media in _media_of(Bundle.from_bytes(data)).items():
            if digest in self.refused:
                self.denied[f"media/{digest.hex()}"] = digest
            elif not is_refused:
                self.media[digest] = media


def _denied(tree: ContentTree, head: Head) -> frozenset[bytes]:
    """Return the key ids and hashes that the deny list of *head* names."""
    if head.deny_list == _NO_OBJECT:
        return frozenset()
    entries = DenyList.from_bytes(Bundle.from_bytes(tree.object(head.deny_list)).payload).entries
    return frozenset(entry.value for entry in entries)


def _near(place: str, scope: str) -> bool:
    """Tell whether what is said for *place* concerns boards in *scope*."""
    return is_inside(place, scope) or is_inside(scope, place)


def _roots(tree: ContentTree) -> Iterator[tuple[str, bytes]]:
    for path in sorted((tree.path / "root").glob("[1-9]*")):
        yield f"root/{path.name}", _read(path)


def _proofs(tree: ContentTree, scope: str) -> Iterator[tuple[str, bytes]]:
    folder = tree.path / "proof"
    for path in sorted(folder.rglob(PROOF)):
        place = path.parent.relative_to(folder).as_posix()
        if _near(place, scope):
            yield place, _read(path)


def _is_proven(inclusion: Inclusion, head: Head, place: str) -> bool:
    try:
        return heads.is_proven(inclusion, head, place)
    except TrustError:
        return False


def _states(tree: ContentTree, scope: str) -> Iterator[str]:
    folder = tree.path / "state"
    for name in _STATES:
        for path in sorted(folder.rglob(name)):
            if path.is_file() and _near(path.parent.relative_to(folder).as_posix(), scope):
                yield f"state/{path.relative_to(folder).as_posix()}"


def _media_of(bundle: Bundle) -> dict[bytes, Media]:
    found: tuple[Media, ...] = ()
    if bundle.kind == Kind.PLAYLIST:
        found = Playlist.from_bytes(bundle.payload).media
    elif bundle.kind == Kind.STANDING_PROGRAMME:
        found = StandingProgramme.from_bytes(bundle.payload).media
    elif bundle.kind == Kind.ALERT:
        alert = Alert.from_bytes(bundle.payload)
        found = () if alert.media is None or alert.sound is not None else (alert.media,)
    return {media.sha256: media for media in found}


def _read(path: Path) -> bytes:
    with storing(path):
        return path.read_bytes()


# --- onto the stick


def _name(media: Media) -> str:
    return f"media/{media.sha256.hex()}"


def _has(path: Path, media: Media, on_bytes: Callable[[int], None]) -> bool:
    """Tell whether the file is there, whole; reading is quicker than writing."""
    if not path.is_file() or path.is_symlink() or path.stat().st_size != media.size:
        return False
    with path.open("rb") as file:
        is_whole = hashlib.file_digest(file, "sha256").digest() == media.sha256
    if is_whole:
        on_bytes(media.size)
    return is_whole


def _holds(path: Path, data: bytes) -> bool:
    if not path.is_file() or path.is_symlink() or path.stat().st_size != len(data):
        return False
    return path.read_bytes() == data


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        text = _("{needed} MB are needed and {free} MB are free; remove something or carry less")
        mega = {"needed": -(-needed // 10**6), "free": free // 10**6}
        raise StoreError(str(folder), text.format(**mega))


def _copy(source: Path, to: Path, digest: bytes, on_bytes: Callable[[int], None]) -> None:
    seen = hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        with source.open("rb") as file:
            while data := file.read(_CHUNK):
                seen.update(data)
                yield data
                on_bytes(len(data))
        if seen.digest() != digest:
            raise StoreError(str(source), _("damaged: it is not what its name says"))

    _place(to, pieces())


def _place(path: Path, pieces: Iterable[bytes]) -> None:
    """Replace *path* as a whole; pulled out meanwhile, a stick has the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{NEW}{path.name}")
    try:
        with new.open("wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)  # only there when it was not placed
    with contextlib.suppress(OSError):  # some file systems cannot
        sync_folder(path.parent)
