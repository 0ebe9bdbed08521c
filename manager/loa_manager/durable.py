"""What every writer of files in a home needs: named refusals of the disk, and names that last."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from loa_protocol.errors import StoreError


@contextlib.contextmanager
def storing(where: Path) -> Iterator[None]:
    """Turn what the system says against a file into a StoreError that names it, or *where*."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            str(error.filename or where), error.strerror or type(error).__name__
        ) from error


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep everybody else, in any process, out while the body runs; *path* is the lock's file.

    It ends with the process that holds it, however that ends. Not to be taken twice by one.

    Raises:
        StoreError: the file cannot be opened.
    """
    with storing(path):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def sync_folder(folder: Path) -> None:
    """Bring the names in *folder* to the disk: a rename lasts only then.

    Raises:
        OSError: the file system cannot, or the disk is gone.
    """
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
