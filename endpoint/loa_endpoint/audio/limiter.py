"""The last gain before the loudspeaker: no peak passes -1 dBTP, and what needs no limiting is left.

Pure. The sound comes out `LOOK_AHEAD` samples later than it goes in; whoever renders goes so much
ahead, and each sample keeps its place on the timeline. Below the ceiling the samples that come out
are those that went in, bit by bit.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from loa_sound.between import PLACES, STEP, Between
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
_BETA: Final = 3.5
"""Of the Kaiser window: FFmpeg's meter reads no more than this one on noise, squares and tones."""
_HOLD: Final = LOOK_AHEAD - _REACH
_RISE: Final = 1.0 / (RELEASE_S * RATE)
_BACK: Final = 2 * _REACH - 1
"""Samples before the present ones that the first peaks depend on."""


def _taps() -> NDArray[np.float32]:
    """Return the taps that interpolate between the two middle ones of as many samples."""
    distance = np.arange(2 * _REACH) - (_REACH - 1) - np.array(PLACES)[:, None]
    window = np.kaiser(4 * _REACH * 16 + 1, _BETA)
    taps = np.sinc(distance) * np.interp(
        distance, np.linspace(-_REACH, _REACH, len(window)), window
    )
    whole: NDArray[np.float32] = (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)
    return whole


_BETWEEN: Final = Between(_taps())
_SAFE: Final = _LIMIT / _BETWEEN.most
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
        peaks = _find_peaks(fresh)
        if self._is_calm and peaks.max() <= _LIMIT:
            return
        gain = self._follow(1.0 - _LIMIT / np.maximum(peaks, _LIMIT, dtype=np.float64))
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


def _find_peaks(fresh: Samples) -> Samples:
    """Return for each sample the peak from it to the next, exact where it may pass the limit.

    The sample behind such a peak is lowered as much, for the gain takes its time to come back. The
    first of *fresh* are the `_BACK` samples before those that are new.
    """
    count = len(fresh) - _BACK
    if rest := -count % STEP:
        fresh = np.concatenate((fresh, np.zeros(rest, dtype=np.float32)))
    peaks = np.abs(fresh[_REACH - 1 : _REACH - 1 + count + rest]).reshape(-1, STEP)
    steps, between = _BETWEEN.look(fresh, _LIMIT)
    peaks[steps] = np.maximum(peaks[steps], between)
    return peaks.reshape(-1)[:count]


def _deepest_within(wanted: NDArray[np.float64], span: int) -> NDArray[np.float64]:
    """Return the largest of every *span* numbers in a row, by doubling."""
    reach = 1
    while 2 * reach <= span:
        wanted = np.maximum(wanted[reach:], wanted[:-reach])
        reach *= 2
    rest = span - reach
    return np.maximum(wanted[rest:], wanted[:-rest]) if rest else wanted
