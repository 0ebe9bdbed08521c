"""The head of a WAV file, read even while the file is still growing.

Python's own ``wave`` module wants finished lengths and hides where the samples begin; a file that
a sound card is writing has neither. Layout after the Multimedia Programming Interface 1.0 (1991),
chapter RIFF.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from loa_protocol.errors import MessageError

RATE: Final = 48_000
HEAD_LIMIT: Final = 4096  # bytes before the samples; players write 44 to a few hundred
_PCM: Final = 1
_EXTENSIBLE: Final = 0xFFFE


@dataclass(frozen=True, slots=True)
class WaveHead:
    """Form of the samples, where they begin, and how many bytes the file claims to hold."""

    rate: int
    channels: int
    bits: int
    start: int
    claimed: int

    @property
    def is_ours(self) -> bool:
        """Whether these are 16-bit mono samples at 48 kHz, the one form Loa writes."""
        return (self.rate, self.channels, self.bits) == (RATE, 1, 16)


def read_head(data: bytes) -> WaveHead | None:
    """Read the head from the beginning of a file; None while it is still incomplete.

    Raises:
        MessageError: Not a WAV file, not integer PCM, or no samples within ``HEAD_LIMIT``.
    """
    if not b"RIFF".startswith(data[:4]) or not b"WAVE".startswith(data[8:12]):
        raise MessageError("wave file: no RIFF/WAVE head")
    at, form = 12, None
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        if name == b"data":
            if form is None:
                raise MessageError("wave file: samples before their form")
            return WaveHead(*form, start=at + 8, claimed=length)
        if name == b"fmt " and at + 8 + 16 <= len(data):
            form = _read_form(data, at + 8)
        at += 8 + length + length % 2
    if max(at, len(data)) > HEAD_LIMIT:
        raise MessageError(f"wave file: no samples within {HEAD_LIMIT} bytes")
    return None


def _read_form(data: bytes, at: int) -> tuple[int, int, int]:
    code, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", data, at)
    if code not in (_PCM, _EXTENSIBLE):
        raise MessageError(f"wave file: coding {code} is not integer PCM")
    return rate, channels, bits
