"""What only a file's own channels show, before they are mixed: clipping, DC, antiphase."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

FULL_SCALE: Final = 0.99995
"""A sample from here on is at full scale: one and a half steps of 16 bits below 1."""
CLIPPED_RUN: Final = 4
"""So many in a row are a flat top. A clean tone at full scale has fewer above 60 Hz at 48 kHz."""
_WORST_LOSS_DB: Final = 99.0
_EIGHT_BITS: Final = 0.99

_LOUDEST: Final = 8.0  # as the resampler's: beyond it a float file holds nonsense

_Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """What was found in the channels of a file.

    Attributes:
        clipped_ms: Where flat tops begin, oldest first, one for each tenth of a second.
        clipped_runs: How many flat tops there are.
        dc: The largest mean of a channel, of 1.
        mono_loss_db: Power that the mix of left and right loses against the two: 0 where they are
            equal, 3 where they have nothing to do with each other, 99 where one undoes the other.
    """

    clipped_ms: tuple[int, ...]
    clipped_runs: int
    dc: float
    mono_loss_db: float


class ChannelMeter:
    """Takes the frames of a file as they are decoded, at its own rate, in its own channels."""

    def __init__(self) -> None:
        self._at = 0  # samples of each channel
        self._rate = 1
        self._runs: list[int] = []  # per channel, how long the run at the end of a frame is
        self._places: dict[int, int] = {}  # tenth of a second -> ms of its first flat top
        self._count = 0
        self._sums: NDArray[np.float64] = np.zeros(0)
        self._each, self._mixed = 0.0, 0.0  # power of left and right, and of their mix

    def feed(self, frame: av.AudioFrame) -> None:
        """Take the next frame. What changes its channels midway is looked at from then on."""
        rows, peak = _to_rows(frame)
        if len(rows) != len(self._runs):
            self._runs, self._sums = [0] * len(rows), np.zeros(len(rows), dtype=np.float64)
        self._rate = frame.sample_rate or self._rate
        top = _EIGHT_BITS if frame.format.name.startswith("u8") else FULL_SCALE
        if peak >= top:
            for channel, row in enumerate(rows):
                self._find_runs(channel, row, top)
        else:
            self._runs = [0] * len(rows)
        self._sums += rows.sum(axis=1)
        if len(rows) > 1:
            left, right = rows[0], rows[1]
            both = float(np.dot(left, left) + np.dot(right, right))
            self._each += both / 2
            self._mixed += max(0.0, both + 2 * float(np.dot(left, right))) / 4
        self._at += rows.shape[1]

    def finish(self) -> ChannelFacts:
        """Return what was found."""
        dc = float(np.abs(self._sums).max() / self._at) if self._at and len(self._sums) else 0.0
        places = tuple(sorted(self._places.values()))
        return ChannelFacts(places, self._count, dc, self._loss_db())

    def _loss_db(self) -> float:
        if self._each < 1e-9:
            return 0.0
        share = self._mixed / self._each
        return _WORST_LOSS_DB if share < 1e-6 else max(0.0, -10 * log10(share))

    def _find_runs(self, channel: int, row: _Rows, top: float) -> None:
        """Note each flat top that begins or goes on in *row*."""
        sides = np.where(np.abs(row) >= top, np.sign(row), 0).astype(np.int8)
        borders = np.flatnonzero(np.diff(sides)) + 1
        starts = np.concatenate(([0], borders))
        ends = np.concatenate((borders, [len(row)]))
        carried = self._runs[channel]
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            if not sides[start]:
                continue
            before = carried if start == 0 else 0
            length = before + end - start
            if length >= CLIPPED_RUN > before:
                self._count += 1
                at_ms = (self._at + start) * 1000 // self._rate
                self._places[at_ms // 100] = min(at_ms, self._places.get(at_ms // 100, at_ms))
        last = int(ends[-1] - starts[-1])
        going_on = last + (carried if last == len(row) else 0)
        self._runs[channel] = going_on if sides[-1] else 0


def _to_rows(frame: av.AudioFrame) -> tuple[_Rows, float]:
    """Return the samples of *frame*, a row a channel, full scale at 1, and the largest of them."""
    data: NDArray[np.generic] = frame.to_ndarray()
    kind = data.dtype
    rows = data.astype(np.float32)
    if not frame.format.is_planar:
        rows = np.ascontiguousarray(rows.reshape(-1, frame.layout.nb_channels).T)
    if kind == np.uint8:
        rows -= 128
        rows /= 128
    elif np.issubdtype(kind, np.integer):
        rows /= -float(np.iinfo(str(kind)).min)
    if not rows.size:
        return rows, 0.0
    peak = float(max(rows.max(), -rows.min()))
    if not peak <= _LOUDEST:  # true for not-a-number too
        rows = np.clip(np.nan_to_num(rows, nan=0.0), -_LOUDEST, _LOUDEST)
        peak = float(max(rows.max(), -rows.min()))
    return rows, peak
