"""Serials of state objects: each newer than every one before, also when the note of them is lost.

A serial is the unix second of signing, or one above the last where that second is taken. So two
machines, a restored backup or a lost note still rise, as long as the clock does.
"""

from __future__ import annotations

import fcntl
import json
import os
from datetime import datetime
from pathlib import Path

from loa_manager.home import make_private_folder, read_bytes, write_private
from loa_protocol.errors import FormatError, StoreError


def next_serial(folder: Path, subject: str, now: datetime) -> int:
    """Return the next serial of *subject* and note it in *folder* before it is used.

    Raises:
        StoreError: the note cannot be read or written.
        FormatError: it is damaged; removing it is safe when the clock is right.
    """
    make_private_folder(folder)
    lock = _lock(folder / ".serials-lock")
    try:
        file = folder / "serials.json"
        noted = _read(file) if file.exists() else {}
        serial = max(int(now.timestamp()), noted.get(subject, 0) + 1)
        write_private(file, json.dumps({**noted, subject: serial}, sort_keys=True).encode())
    finally:
        os.close(lock)
    return serial


def _lock(path: Path) -> int:
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        raise StoreError(str(path), error.strerror or str(error)) from None
    return lock


def _read(file: Path) -> dict[str, int]:
    try:
        value = json.loads(read_bytes(file))
    except ValueError as error:
        raise FormatError(f"{file}: {error}") from None
    if not isinstance(value, dict) or not all(type(each) is int for each in value.values()):
        raise FormatError(f"{file}: expected numbers by subject")
    return value
