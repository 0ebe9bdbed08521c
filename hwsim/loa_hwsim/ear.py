"""Hears what a sound card puts out, by following the WAV file that the agent's sink writes.

The file is the wire from the card to the amplifier. It may not be there yet, be begun anew, or
stand still; only what is added while we listen has sounded.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import numpy as np

from loa_hwsim.noise import Samples
from loa_hwsim.wave_file import HEAD_LIMIT, RATE, WaveHead, read_head
from loa_protocol.errors import MessageError

_SAMPLE_BYTES: Final = 2
_AT_ONCE: Final = RATE * _SAMPLE_BYTES  # bytes; older sound has rung out
_NOTHING: Final[Samples] = np.zeros(0, dtype=np.float32)


class Ear:
    """Follows one growing file; each call costs one ``stat`` and one read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None
        self._identity = (0, 0)
        self._head: WaveHead | None = None
        self._at = 0
        self.is_deaf = False  # the file is not 16-bit mono at 48 kHz
        self._open(from_end=True)

    def listen(self) -> Samples:
        """Return the samples added since the last call, at most the last second of them."""
        if self._is_replaced():
            self.close()
            self._open(from_end=False)
        if self._fd is None or (self._head is None and not self._read_head(from_end=False)):
            return _NOTHING
        size = os.fstat(self._fd).st_size
        self._at = max(self._at, size - size % _SAMPLE_BYTES - _AT_ONCE)
        data = os.pread(self._fd, _AT_ONCE, self._at)
        data = data[: len(data) // _SAMPLE_BYTES * _SAMPLE_BYTES]
        self._at += len(data)
        return np.frombuffer(data, "<i2").astype(np.float32) * np.float32(1 / 32768)

    def close(self) -> None:
        """Stop following."""
        if self._fd is not None:
            os.close(self._fd)
        self._fd = self._head = None
        self._at = 0
        self.is_deaf = False

    def _is_replaced(self) -> bool:
        """Tell whether the name leads to another file than before, or the file was cut short."""
        try:
            found = self._path.stat()
        except OSError:
            return False  # gone for now; what is open may still be written
        if self._fd is None:
            return True
        return (found.st_dev, found.st_ino) != self._identity or found.st_size < self._at

    def _open(self, *, from_end: bool) -> None:
        try:
            self._fd = os.open(self._path, os.O_RDONLY)
        except OSError:
            return
        found = os.fstat(self._fd)
        self._identity = (found.st_dev, found.st_ino)
        self._read_head(from_end=from_end)

    def _read_head(self, *, from_end: bool) -> bool:
        assert self._fd is not None
        if self.is_deaf:
            return False
        try:
            head = read_head(os.pread(self._fd, HEAD_LIMIT, 0))
        except MessageError:
            self.is_deaf = True
            return False
        if head is None:
            return False
        self.is_deaf = not head.is_ours
        if self.is_deaf:
            return False
        self._head = head
        size = os.fstat(self._fd).st_size
        self._at = max(head.start, size - (size - head.start) % 2) if from_end else head.start
        return True
