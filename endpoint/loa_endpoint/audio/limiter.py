"""The last gain before the loudspeaker: no peak passes -1 dBTP, and what needs no limiting is left.

Pure. The sound comes out `LOOK_AHEAD` samples later than it goes in; whoever renders goes so much
ahead, and each sample keeps its place on the timeline. Below the ceiling the samples that come out
are those that went in, bit by bit.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from loa_sound.blocks import RATE, Samples

CEILING_DBTP: Final = -1.0
"""EBU R128's limit for delivery."""
MARGIN_DB: Final = 0.15
"""What a fourfold oversampled meter may see more than the one here."""
LOOK_AHEAD: Final = 192
"""4 ms: over so long a gain comes down before a peak, too softly to be heard as a click."""
RELEASE_S: Final = 0.5
"""A gain of nothing would be back at 1 after so long; 6 dB take half of it."""

_LIMIT: Final = 10 ** ((CEILING_DBTP - MARGIN_DB) / 20)
_REACH: Final = 10
"""Samples on either side from which a peak between two samples is worked out."""
_HALF: Final = 10
"""numpy convolves up to 11 taps by an inner loop of its own, four times as fast as more."""
_BETA: Final = 3.5
"""Of the Kaiser window: FFmpeg's meter reads no more than this one on noise, squares and tones."""
_HOLD: Final = LOOK_AHEAD - _REACH
_RISE: Final = 1.0 / (RELEASE_S * RATE)
_BACK: Final = 2 * _REACH - 1
"""Samples before the present ones that the first peaks depend on."""


def _between(place: float) -> NDArray[np.float32]:
    """Return the taps that interpolate at *place* (0 to 1) between the two middle samples."""
    distance = np.arange(2 * _REACH) - (_REACH - 1) - place
    window = np.kaiser(4 * _REACH * 16 + 1, _BETA)
    shape = np.interp(distance, np.linspace(-_REACH, _REACH, len(window)), window)
    taps = np.sinc(distance) * shape
    turned: NDArray[np.float32] = (taps / taps.sum())[::-1].astype(np.float32)
    return turned


_PHASES: Final = tuple(_between(place) for place in (0.25, 0.5, 0.75))
_SAFE: Final = _LIMIT / max(float(np.abs(taps).sum()) for taps in _PHASES)
"""Below it no peak between samples can pass the limit, whatever the sound."""


class Limiter:
    """Hold the true peak of a stream of blocks."""

    def __init__(self) -> None:
        self._held: Samples = np.zeros(LOOK_AHEAD, dtype=np.float32)
        self._cut = 0.0  # the newest of the wanted reductions, after its release
        # reductions (1 - gain) not yet passed on: as wanted, and the deepest within the hold
        self._wanted = np.zeros(_HOLD - 1)
        self._deepest = np.zeros(_HOLD - 1)
        self._is_calm = True

    @property
    def is_empty(self) -> bool:
        """Nothing is held back but silence."""
        return not self._held.any()

    @property
    def is_working(self) -> bool:
        """Some of the samples that come next will be lowered."""
        return not self._is_calm

    def soften(self) -> None:
        """Fade out what is held back: it will not come where it belongs."""
        np.multiply(self._held, np.linspace(1, 0, LOOK_AHEAD, dtype=np.float32), out=self._held)

    def process(self, block: Samples) -> None:
        """Put into *block* what comes out while *block* goes in."""
        count = len(block)
        if not count:
            return
        stream = np.concatenate((self._held, block))
        self._held = stream[count:].copy()
        block[:] = stream[:count]
        fresh = stream[LOOK_AHEAD - _BACK :]
        if self._is_calm and max(fresh.max(), -fresh.min()) < _SAFE:
            return
        cuts = _find_cuts(fresh)
        if self._is_calm and not cuts.any():
            return
        gain = self._follow(cuts)
        np.multiply(block, gain, out=block, casting="same_kind")

    def _follow(self, cuts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the gains of what comes out, given the reductions wanted of what went in."""
        count = len(cuts)
        fall = _RISE * np.arange(1, count + 1)
        released = np.maximum(np.maximum.accumulate(cuts + fall), self._cut) - fall
        released[released < 1e-7] = 0.0  # what is left of a sum of rounded numbers
        self._cut = float(released[-1])
        wanted = np.concatenate((self._wanted, released))
        deepest = np.concatenate((self._deepest, _deepest_within(wanted, _HOLD)))
        sums = np.concatenate(([0.0], np.cumsum(deepest)))
        mean = (sums[_HOLD:] - sums[:-_HOLD]) / _HOLD
        mean[mean < 1e-9] = 0.0
        self._wanted, self._deepest = wanted[count:].copy(), deepest[count:].copy()
        self._is_calm = not (self._wanted.any() or self._deepest.any())
        return 1.0 - mean


def _find_cuts(fresh: Samples) -> NDArray[np.float64]:
    """Return by how much each sample has to be lowered, 0 to 1, for the peaks from it to the next.

    The sample behind such a peak is lowered as much, for the gain takes its time to come back. The
    first of *fresh* are the `_BACK` samples before those that are new.
    """
    count = len(fresh) - _BACK
    peaks = np.abs(fresh[_REACH - 1 : _REACH - 1 + count])
    for taps in _PHASES:
        between = np.convolve(fresh[:-_HALF], taps[_HALF:], "valid")
        between += np.convolve(fresh[_HALF:], taps[:_HALF], "valid")
        np.maximum(peaks, np.abs(between, out=between)[:count], out=peaks)
    cuts: NDArray[np.float64] = 1.0 - _LIMIT / np.maximum(peaks, _LIMIT, dtype=np.float64)
    return cuts


def _deepest_within(wanted: NDArray[np.float64], span: int) -> NDArray[np.float64]:
    """Return the largest of every *span* numbers in a row, by doubling."""
    reach = 1
    while 2 * reach <= span:
        wanted = np.maximum(wanted[reach:], wanted[:-reach])
        reach *= 2
    rest = span - reach
    return np.maximum(wanted[rest:], wanted[:-rest]) if rest else wanted
