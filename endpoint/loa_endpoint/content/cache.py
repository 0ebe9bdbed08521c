"""Media by their hash: whole under their name, or not there.

A file grows as ``<sha256>.part``; its bytes are hashed as they come. Only when all have come and
the hash is the signed one is it synced and given its name. A part survives power cuts and is gone
on with; what the disk made of its last bytes shows in the hash. A whole file is hashed again before
it is played: cards flip bits.

All methods wait for the disk; the event loop calls them in a thread.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from loa_endpoint.core.media import Held
from loa_endpoint.core.remedy import store_error

PART: Final = ".part"
_CHUNK: Final = 1 << 18
_NAME_LENGTH: Final = 64


class Cache:
    """The folder of media."""

    def __init__(self, folder: Path) -> None:
        """Make the folder where there is none; raises StoreError."""
        self.folder = folder
        with _storing(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def path_of(self, digest: bytes) -> Path:
        """Return where the file of that hash stands, whether it does or not."""
        return self.folder / digest.hex()

    def held(self) -> dict[bytes, Held]:
        """Return the files that are here, by hash."""
        found: dict[bytes, Held] = {}
        with _storing(self.folder):
            for each in os.scandir(self.folder):
                if (digest := _digest_of(each.name)) is not None and each.is_file():
                    facts = each.stat()
                    found[digest] = Held(facts.st_size, facts.st_mtime)
        return found

    def checked(self, digest: bytes) -> Path | None:
        """Return the file of that hash after hashing it; None where it is not here or damaged.

        A damaged one is dropped, so that it is fetched again.

        Raises:
            StoreError: it cannot be read or dropped.
        """
        path = self.path_of(digest)
        with _storing(path):
            try:
                file = path.open("rb")
            except FileNotFoundError:
                return None
            with file:
                is_sound = hashlib.file_digest(file, "sha256").digest() == digest
            if not is_sound:
                path.unlink()
        return path if is_sound else None

    def part(self, digest: bytes) -> Part:
        """Open the part of a file that is to come; it goes on where it stopped.

        Raises:
            StoreError: it cannot be opened.
        """
        path = self.path_of(digest)
        with _storing(path):
            return Part(path, digest)

    def put(self, digest: bytes, data: bytes) -> None:
        """Keep bytes that came with an order, unless they are here; a part of them goes.

        Args:
            digest: Their SHA-256, which the caller has seen to be theirs.
            data: All of them.

        Raises:
            StoreError: they could not be kept.
        """
        if self.path_of(digest).exists():
            return
        part = self.part(digest)
        try:
            part.restart()
            part.write(data)
            part.finish()
        finally:
            part.close()

    def drop(self, digests: Collection[bytes]) -> None:
        """Drop files and parts of those hashes; raises StoreError."""
        for digest in digests:
            path = self.path_of(digest)
            with _storing(path):
                path.unlink(missing_ok=True)
                path.with_name(path.name + PART).unlink(missing_ok=True)

    def drop_parts(self, *, but: Collection[bytes]) -> None:
        """Drop parts that nothing wants any more; raises StoreError."""
        wanted = {digest.hex() + PART for digest in but}
        with _storing(self.folder):
            for each in self.folder.glob(f"*{PART}"):
                if each.name not in wanted:
                    each.unlink(missing_ok=True)


class Part:
    """A file on its way: a sink for :mod:`loa_endpoint.content.fetch`."""

    def __init__(self, path: Path, digest: bytes) -> None:
        """Use :meth:`Cache.part`."""
        self._path, self._digest = path, digest
        self._lock = threading.Lock()  # whoever gives up a download closes it under its writer
        self._part = path.with_name(path.name + PART)
        self._file = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._hash = hashlib.sha256()
        self.offset = 0
        while data := os.read(self._file, _CHUNK):
            self._hash.update(data)
            self.offset += len(data)

    def write(self, data: bytes) -> None:
        """Append *data*; raises StoreError when it does not fit."""
        with self._lock, _storing(self._part):
            view = memoryview(data)
            while view:
                written = os.write(self._file, view)
                self._hash.update(view[:written])
                self.offset += written
                view = view[written:]

    def restart(self) -> None:
        """Begin at the first byte again; raises StoreError."""
        with self._lock, _storing(self._part):
            os.ftruncate(self._file, 0)
            os.lseek(self._file, 0, os.SEEK_SET)
            self._hash = hashlib.sha256()
            self.offset = 0

    def finish(self) -> bool:
        """Give the file its name when its hash is right, and drop it when not; tell which.

        Raises:
            StoreError: it could not be synced or named.
        """
        with self._lock, _storing(self._path):
            if self._hash.digest() != self._digest:
                self._part.unlink()
                return False
            os.fsync(self._file)
            self._part.rename(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            return True

    def close(self) -> None:
        """Let go of it; what is there stays for the next time."""
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1  # what writes from now on fails


def _digest_of(name: str) -> bytes | None:
    """Return the hash that a file is named by; None for parts and strangers."""
    if len(name) != _NAME_LENGTH or not set(name) <= set("0123456789abcdef"):
        return None
    return bytes.fromhex(name)


@contextlib.contextmanager
def _storing(where: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise store_error(where, error) from error
