"""The outline of a sound: how far it reaches in each 10 ms, and where it begins and ends.

Enough to draw it, to find its pauses and to trim its ends; 24 kB for a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from loa_sound.blocks import RATE, Samples
from loa_sound.meters import GAP_DBFS, Chunker

STEP_MS: Final = 10
STEP: Final = RATE * STEP_MS // 1000
_LIMIT: Final = 10 ** (GAP_DBFS / 20)


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """What a sound looks like from afar.

    Attributes:
        peaks: The largest sample of each 10 ms, without its sign; the last step may be shorter.
        samples: Length of the sound at 48 kHz.
        first: The first sample that reaches `GAP_DBFS`; *samples* where none does.
        last: One behind the last such sample; 0 where there is none.
    """

    peaks: Samples
    samples: int
    first: int
    last: int

    @property
    def is_silent(self) -> bool:
        """Whether nothing in it reaches `GAP_DBFS`."""
        return self.last <= self.first

    def pauses(self, shortest_ms: int) -> list[tuple[int, int]]:
        """Return the silent stretches between first and last sound, as pairs of ms."""
        quiet = self.peaks < _LIMIT
        edges = np.flatnonzero(np.diff(np.concatenate(([0], quiet.view(np.int8), [0]))))
        pairs = [(int(a) * STEP_MS, int(b) * STEP_MS) for a, b in edges.reshape(-1, 2)]
        begin, end = self.first * 1000 // RATE, self.last * 1000 // RATE
        return [(a, b) for a, b in pairs if b - a >= shortest_ms and begin <= a and b <= end]

    def bars(self, count: int) -> Samples:
        """Return the peaks of *count* equal parts of the sound, 0 to 1; fewer where it is short."""
        count = min(count, len(self.peaks))
        if not count:
            return np.zeros(0, dtype=np.float32)
        starts = np.arange(count) * len(self.peaks) // count
        return np.minimum(np.maximum.reduceat(self.peaks, starts), np.float32(1.0))

    def levels(self, count: int) -> bytes:
        """Return *count* equal parts as a byte each: 0 at `GAP_DBFS` and below, 255 at the top."""
        level_db = 20 * np.log10(np.maximum(self.bars(count), 1e-6))
        scaled = np.clip((level_db - GAP_DBFS) / -GAP_DBFS * 255, 0, 255)
        return bytes(scaled.round().astype(np.uint8).data)


class OutlineMeter:
    """Takes a sound block by block and keeps its outline."""

    def __init__(self) -> None:
        self._chunks = Chunker()
        self._peaks: list[Samples] = []
        self._samples, self._first, self._last = 0, -1, 0

    def feed(self, block: Samples) -> None:
        """Take the next samples, any number of them."""
        for chunk in self._chunks.feed(block):
            self._take(chunk)

    def finish(self) -> Outline:
        """Return the outline; the meter is spent afterwards."""
        if len(rest := self._chunks.rest()):
            self._take(rest)
        peaks = np.concatenate(self._peaks) if self._peaks else np.zeros(0, dtype=np.float32)
        first = self._first if self._first >= 0 else self._samples
        return Outline(peaks, self._samples, first, self._last)

    def _take(self, chunk: Samples) -> None:
        level = np.abs(chunk)
        loud = np.flatnonzero(level >= _LIMIT)
        if len(loud):
            if self._first < 0:
                self._first = self._samples + int(loud[0])
            self._last = self._samples + int(loud[-1]) + 1
        self._peaks.append(np.maximum.reduceat(level, np.arange(0, len(level), STEP)))
        self._samples += len(chunk)


def outline_of(samples: Samples) -> Outline:
    """Return the outline of a whole sound in memory."""
    meter = OutlineMeter()
    meter.feed(samples)
    return meter.finish()
