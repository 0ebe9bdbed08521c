"""A folder by which messages get into a simulated modem: one file a message, in hex.

What other programs put there under a name that ends in ``.sms`` is taken and removed; what the
modem's host sends comes out in the folder ``sent`` beside it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Final

from loa_protocol.errors import MessageError, StoreError

SUFFIX: Final = ".sms"
_MAX_BYTES: Final = 1024


def put_message(folder: Path, pdu: bytes) -> None:
    """Leave a message in *folder*, as a whole.

    Raises:
        StoreError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file, name = tempfile.mkstemp(prefix=f"{os.getpid()}-", dir=folder)
        with os.fdopen(file, "w") as stream:
            stream.write(pdu.hex())
        Path(name).rename(name + SUFFIX)
    except OSError as error:
        raise StoreError(str(folder), error.strerror or str(error)) from error


def take_messages(folder: Path) -> list[bytes]:
    """Take out the messages that are there, oldest first; what is none is removed all the same."""
    found = []
    with contextlib.suppress(OSError):
        paths = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime_ns)
        for path in paths:
            text = path.read_bytes()[:_MAX_BYTES].decode("latin-1")
            path.unlink()
            with contextlib.suppress(ValueError):
                found.append(bytes.fromhex(text))
    return found


def read_hex(text: str) -> list[bytes]:
    """Return the PDUs that stand in *text*, one a line.

    Raises:
        MessageError: a line is no hex.
    """
    try:
        return [bytes.fromhex(line) for line in text.split("\n") if line.strip()]
    except ValueError as error:
        raise MessageError(f"not a PDU in hex: {error}") from None
