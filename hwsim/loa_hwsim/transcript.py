"""A golden transcript: every byte on a line with its time, one line each, readable both ways.

``1800000000123.4 tuner> 78 0a`` is time in unix milliseconds, line and direction (``>`` from the
host, ``<`` to it), and the bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from loa_protocol.errors import MessageError


class Entry(NamedTuple):
    """Bytes that went over a line; *direction* is a line's name and ``>`` or ``<``."""

    when_ms: float
    direction: str
    data: bytes

    def to_text(self) -> str:
        """Return the transcript's line."""
        return f"{self.when_ms:.1f} {self.direction} {self.data.hex(' ')}"


def parse_entry(text: str) -> Entry:
    """Read one line of a transcript.

    Raises:
        MessageError: Not such a line.
    """
    fields = text.split(maxsplit=2)
    try:
        when, direction, data = fields
        entry = Entry(float(when), direction, bytes.fromhex(data))
    except ValueError:
        raise MessageError(f"transcript: {text[:60]!r} is no entry") from None
    if direction[-1:] not in ("<", ">"):
        raise MessageError(f"transcript: {direction[:20]!r} has no direction")
    return entry


class Transcript:
    """Writes entries to a file, one flushed line each, so that a killed run leaves them."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="ascii", buffering=1)

    def note(self, when_ms: float, direction: str, data: bytes) -> None:
        """Write what went over a line."""
        self._file.write(Entry(when_ms, direction, data).to_text() + "\n")

    def close(self) -> None:
        """Finish the file."""
        self._file.close()
