"""Files that are either the old ones or the new ones, whenever the power goes.

Rename without fsync was measured to bring back versions thousands of steps old after a power cut;
write, fsync, rename, fsync of the folder never did.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from loa_endpoint.core.remedy import store_error

NEW_SUFFIX = ".new"  # a leftover of a power cut: never read, replaced by the next write


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace *path* by *data* as a whole; when this returns, it is on the disk.

    Raises:
        StoreError: it could not be written; *path* is as it was.
    """
    new = path.with_name(path.name + NEW_SUFFIX)
    with storing(path):
        try:
            _write_synced(new, data, mode)
            new.replace(path)
        except OSError:
            new.unlink(missing_ok=True)  # do not keep half a file on a full disk
            raise
        sync_folder(path.parent)


def read_whole(path: Path, *, limit: int) -> bytes | None:
    """Return the content of *path*, None where there is no such file.

    Args:
        path: The file.
        limit: More bytes than this are no file of ours.

    Raises:
        StoreError: it is there and cannot be read, or is longer than *limit*.
    """
    with storing(path):
        try:
            with path.open("rb") as file:
                data = file.read(limit + 1)
        except FileNotFoundError:
            return None
        if len(data) > limit:
            raise OSError(0, f"longer than {limit} bytes; remove it, it is fetched again")
        return data


def remove(path: Path) -> None:
    """Remove *path*, durably; nothing happens where it is not there.

    Raises:
        StoreError: it is there and cannot be removed.
    """
    with storing(path):
        if path.exists():
            path.unlink()
            sync_folder(path.parent)


def make_folder(path: Path, *, mode: int = 0o755) -> None:
    """Make the folder *path* and those above it, durably.

    Raises:
        StoreError: it could not be made.
    """
    with storing(path):
        if path.is_dir():
            return
        make_folder(path.parent)
        path.mkdir(mode=mode, exist_ok=True)
        sync_folder(path.parent)  # the name of a folder lives in the folder above


def sync_folder(folder: Path) -> None:
    """Bring the names in *folder* to the disk; raises OSError."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


@contextlib.contextmanager
def storing(where: Path) -> Iterator[None]:
    """Turn an OSError into a StoreError that names *where* and the remedy."""
    try:
        yield
    except OSError as error:
        raise store_error(where, error) from error


def _write_synced(path: Path, data: bytes, mode: int) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        os.fchmod(file, mode)  # whatever the umask, and a leftover's mode
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
        os.fsync(file)
    finally:
        os.close(file)
