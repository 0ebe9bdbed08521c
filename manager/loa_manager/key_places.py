"""Where the files of one key go when it is followed by another: ``next/`` before, ``old/`` after.

Moves are renames in one file system, one file at a time; each function may be called again after a
crash and goes on where it was. Nothing is ever deleted.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

from loa_manager.home import make_private_folder
from loa_manager.keyring import KEY, TOKEN, has_key
from loa_protocol.errors import StoreError

NEXT, OLD = "next", "old"
REQUEST: Final = ".request"
_SUFFIXES: Final = (".cert", ".pem", REQUEST, KEY, TOKEN)


def archive_key(path: Path, now: datetime) -> None:
    """Move the files of the key *path* (without suffix) into ``old/<when>-<name>.*``.

    The key goes last: as long as it is there, there is something to put aside.

    Raises:
        StoreError: a file cannot be moved.
    """
    if not has_key(path):
        return
    folder = path.parent / OLD
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    for suffix in _SUFFIXES:
        source = path.with_name(f"{path.name}{suffix}")
        if source.exists():
            make_private_folder(folder)
            _move(source, folder / f"{stamp}-{path.name}{suffix}")


def promote_key(path: Path) -> None:
    """Move the files of ``next/<name>`` to *path*.

    The request goes last: by it an interrupted installation finds back here.

    Raises:
        StoreError: a file cannot be moved.
    """
    for suffix in sorted(_SUFFIXES, key=lambda each: each == REQUEST):
        source = path.parent / NEXT / f"{path.name}{suffix}"
        if source.exists():
            _move(source, path.with_name(f"{path.name}{suffix}"))


def _move(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        raise StoreError(str(target), error.strerror or str(error)) from None
