"""The content tree: static files that any web server can serve and nobody needs to trust.

A thin shell over :class:`loa_manager.content_index.ContentIndex`. Every file is written beside its
place, synced and renamed, so that a crash leaves the old file or the new one; what an index, head
or proof names is on disk before they name it. Several processes may write: a lock orders them.

Nothing is judged in here but what a mistake could cost dearly: an unsealed draft is refused, and
positions only rise.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from loa_manager.content_index import ContentIndex, HeadFacts
from loa_manager.durable import locked, storing, sync_folder
from loa_manager.orders.standing import OrderList
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import MessageError, StoreError
from loa_protocol.objects.authority import Root
from loa_protocol.objects.online import Leaf
from loa_protocol.scope import is_scope
from loa_protocol.trust import Refusal, TrustError

PROOF: Final = "_"  # a scope's folder may hold other scopes' folders beside; no id is called so
_CHUNK: Final = 1 << 20
_STATE: Final = {
    "settings": Kind.SETTINGS,
    "assignment": Kind.ASSIGNMENT,
    "standing": Kind.STANDING_PROGRAMME,
}
_NEW: Final = ".new-"
_LEFT_OVER_S: Final = 86_400  # no write takes a day
_MODE: Final = 0o644  # a web server under another user may read it


class ContentTree:
    """The tree under one folder; made when it is first written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def index(self) -> ContentIndex:
        """Read the index; an empty one where the tree is new.

        Raises:
            MessageError: index.json is damaged; the text names the file.
            StoreError: it cannot be read.
        """
        file = self.path / "index.json"
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            return ContentIndex()
        except OSError as error:
            raise StoreError(str(file), error.strerror or str(error)) from None
        try:
            return ContentIndex.from_json(data)
        except MessageError as error:
            raise MessageError(f"{file}: {error}") from None

    def leaves(self) -> list[Leaf]:
        """Return the newest playlist of each scope, in the order of the head's tree."""
        return self.index().leaves

    def head_facts(self) -> HeadFacts:
        """Return what the next head has to say.

        Raises:
            StoreError: the tree has no root yet.
        """
        facts = self.index().head_facts()
        if facts is None:
            raise StoreError(str(self.path), "the content tree has no root yet")
        return facts

    def put_object(self, data: bytes) -> bytes:
        """Store the bundle *data* and return the digest of its payload.

        Raises:
            FormatError: *data* is no bundle.
            TrustError: it carries no seal: a draft has no path into the tree.
        """
        bundle = Bundle.from_bytes(data)
        if not bundle.seals:
            raise TrustError(Refusal.THRESHOLD, "an unsigned draft has no place in the tree")
        write_durably(self.path / "objects" / bundle.digest.hex(), data)
        return bundle.digest

    def object(self, digest: bytes) -> bytes:
        """Return the bundle whose payload has *digest*; raise StoreError when it is not there."""
        file = self.path / "objects" / digest.hex()
        try:
            return file.read_bytes()
        except OSError as error:
            raise StoreError(str(file), error.strerror or str(error)) from None

    def media_path(self, sha256: bytes) -> Path:
        """Return where media of that hash stand, whether they do or not."""
        return self.path / "media" / sha256.hex()

    def put_media(self, path: Path, on_bytes: Callable[[int], None] | None = None) -> bytes:
        """Copy the file *path* into the tree and return its SHA-256, taken while copying.

        Args:
            path: The media file.
            on_bytes: Told how many bytes each step copied, for a progress bar.

        Raises:
            StoreError: *path* cannot be read or the tree not written.
        """
        return store_by_hash(path, self.path / "media", on_bytes)

    def put_root(self, data: bytes) -> bytes:
        """Store the root *data* under its digest and its version, and name it as the newest.

        Raises:
            FormatError: *data* is no root.
            TrustError: it carries no seal, or its version does not rise.
        """
        bundle = Bundle.from_bytes(data)
        root = Root.from_bytes(bundle.payload)
        digest = self.put_object(data)
        write_durably(self.path / "root" / str(root.version), data)
        self.set_root(root.scope, root.version, digest)
        return digest

    def set_root(self, scope: str, version: int, digest: bytes) -> None:
        """Name the newest root; raise TrustError when *version* does not rise."""
        leaf = Leaf(scope=scope, epoch=0, serial=version, digest=digest)
        self._change(lambda index: index.with_root(leaf), digest)

    def set_playlist(self, scope: str, epoch: int, serial: int, digest: bytes) -> None:
        """Name the newest playlist of *scope*, which must be in the tree already.

        Raises:
            TrustError: ROLLBACK or EQUIVOCATION: the position does not rise.
            StoreError: the object is not in the tree.
        """
        leaf = Leaf(scope=scope, epoch=epoch, serial=serial, digest=digest)
        self._change(lambda index: index.with_playlist(leaf), digest)

    def set_policy(self, scope: str, epoch: int, serial: int, digest: bytes) -> None:
        """Name the newest policy of *scope*; raises as :meth:`set_playlist`."""
        leaf = Leaf(scope=scope, epoch=epoch, serial=serial, digest=digest)
        self._change(lambda index: index.with_policy(leaf), digest)

    def set_deny_list(self, scope: str, epoch: int, serial: int, digest: bytes) -> None:
        """Name the newest deny list of *scope*; raises as :meth:`set_playlist`."""
        leaf = Leaf(scope=scope, epoch=epoch, serial=serial, digest=digest)
        self._change(lambda index: index.with_deny_list(leaf), digest)

    def change_orders(self, change: Callable[[OrderList], OrderList]) -> None:
        """Change the list of what stands; what a row names must be in the tree already.

        The document that the next head names is on disk before the index says so.

        Raises:
            StoreError: an object is not in the tree, or it cannot be written.
            ConfigError: the list is full.
        """
        with self._locked():
            index = self.index()
            orders = change(index.orders)
            if orders == index.orders:
                return
            for digest in orders.digests - index.orders.digests:
                self._check_present(digest)
            if (document := orders.document()) is not None:
                name = Bundle.from_bytes(document).digest.hex()
                write_durably(self.path / "objects" / name, document)
            write_durably(self.path / "bulletins", orders.offers())
            write_durably(self.path / "index.json", index.with_orders(orders).to_json())

    def put_state(self, scope: str, name: str, data: bytes) -> None:
        """Store the settings, assignment or standing programme of *scope* as state/<scope>/<name>.

        What no head names: each carries its own seals and serial. The index notes that there is
        another one, so that the server can tell the boards whose it is.
        """
        if name not in _STATE or not is_scope(scope):
            raise ValueError(f"no state file {name!r} of {scope!r}")
        bundle = Bundle.from_bytes(data)
        if bundle.kind != _STATE[name] or not bundle.seals:
            raise ValueError(f"not a signed {name}")
        with self._locked():
            write_durably(self.path / "state" / scope / name, data)
            index = self.index().with_state(scope, name, bundle.digest)
            write_durably(self.path / "index.json", index.to_json())

    def write_proofs(self) -> None:
        """Write the inclusion path of every scope's playlist under the tree of the index now."""
        for inclusion in self.index().inclusions():
            folder = self.path / "proof" / inclusion.leaf.scope
            if folder.is_file():  # of a tree of before, in which scopes could not lie in each other
                folder.unlink()
            write_durably(folder / PROOF, inclusion.to_bytes())

    def write_head(self, bundle: bytes) -> None:
        """Replace the head."""
        write_durably(self.path / "head", bundle)

    def renew_head(self, sign: Callable[[HeadFacts], bytes]) -> bytes:
        """Sign a head over the index of this moment, with proofs that belong to it.

        No publisher changes the index in between. The proofs are written first: a reader that
        meets the old head with new proofs asks again; the other way round it would do the same.

        Args:
            sign: Turns the facts into the sealed bundle of a head.

        Returns:
            The bundle that was written.
        """
        with self._locked():
            bundle = sign(self.head_facts())
            self.write_proofs()
            self.write_head(bundle)
        return bundle

    def sweep(self, now: datetime) -> int:
        """Remove what interrupted writes left behind over a day ago; return how many files."""
        found = 0
        with storing(self.path):
            for path in self.path.rglob(f"{_NEW}*"):
                if path.is_file() and now.timestamp() - path.stat().st_mtime > _LEFT_OVER_S:
                    path.unlink(missing_ok=True)
                    found += 1
        return found

    def _change(self, change: Callable[[ContentIndex], ContentIndex], digest: bytes) -> None:
        with self._locked():
            self._check_present(digest)
            write_durably(self.path / "index.json", change(self.index()).to_json())

    def _check_present(self, digest: bytes) -> None:
        if not (self.path / "objects" / digest.hex()).is_file():
            raise StoreError(str(self.path), f"object {digest.hex()} is not in the tree")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with storing(self.path):
            _make_folder(self.path)
        with locked(self.path / ".lock"):
            yield


def write_durably(path: Path, data: bytes) -> None:
    """Replace *path* by *data* as a whole: write beside, sync, rename, sync the folder.

    Raises:
        StoreError: the disk is full or the place not writable; *path* is as it was.
    """
    with storing(path), _beside(path) as (file, place):
        _write_all(file, data)
        place(path)


def store_by_hash(
    source: Path, folder: Path, on_bytes: Callable[[int], None] | None = None
) -> bytes:
    """Copy *source* into *folder* under the SHA-256 of the bytes copied, and return that hash.

    Raises:
        StoreError: *source* cannot be read or *folder* not written.
    """
    digest = hashlib.sha256()
    with storing(folder), source.open("rb") as stream, _beside(folder / "new") as (file, place):
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            _write_all(file, chunk)
            if on_bytes is not None:
                on_bytes(len(chunk))
        place(folder / digest.hexdigest())
    return digest.digest()


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[tuple[int, Callable[[Path], None]]]:
    """Give a new file in *path*'s folder and the function that puts it in its place."""
    _make_folder(path.parent)
    file, name = tempfile.mkstemp(prefix=_NEW, dir=path.parent)

    def place(target: Path) -> None:
        os.fchmod(file, _MODE)
        os.fsync(file)
        Path(name).rename(target)
        sync_folder(target.parent)

    try:
        yield file, place
    finally:
        os.close(file)
        Path(name).unlink(missing_ok=True)  # only there when it was not placed


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)  # a new folder's name lives in its parent
