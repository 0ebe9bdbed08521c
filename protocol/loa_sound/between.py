"""What a wave reaches between its samples, worked out only where it can matter.

A bank of taps interpolates at a quarter, a half and three quarters of the way from each sample to
the next. No such value passes the largest sample within reach times the sum of the taps' sizes, so
stretches that stay low enough are left out, and nothing is missed by it. What is left is one
product of two matrices: each row is a stretch of the sound, each column the taps at one place.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from loa_sound.blocks import Samples

STEP: Final = 32
"""Samples in a row: with more, more products are zeros; with less, more sound is copied."""
PLACES: Final = (0.25, 0.5, 0.75)


def kaiser_taps(count: int, beta: float) -> NDArray[np.float32]:
    """Return one row of *count* taps for each of `PLACES`: a sinc under a Kaiser window.

    The place lies behind the sample that tap ``count // 2 - 1`` is multiplied with.
    """
    distance = np.arange(count) - (count // 2 - 1) - np.array(PLACES)[:, None]
    window = np.i0(beta * np.sqrt(np.maximum(0.0, 1 - np.square(2 * distance / count))))
    taps = np.sinc(distance) * window
    found: NDArray[np.float32] = (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)
    return found


class Between:
    """The largest values between samples."""

    def __init__(self, taps: NDArray[np.float32]) -> None:
        """Interpolate by *taps*, a row for each place, at most `STEP` + 1 in a row."""
        self._places, self.taps = taps.shape
        self._width = STEP + self.taps - 1
        if self._width > 2 * STEP:
            raise ValueError(f"{self.taps} taps reach beyond the next row")
        self._bank = np.zeros((self._width, self._places * STEP), dtype=np.float32)
        for place, row in enumerate(taps):
            for at in range(STEP):
                self._bank[at : at + self.taps, place * STEP + at] = row
        self.most = float(np.abs(taps).sum(axis=1).max())
        """No value between samples is larger than the largest sample times this."""

    def look(self, sound: Samples, above: float) -> tuple[NDArray[np.intp], Samples]:
        """Work out what may pass *above*.

        Args:
            sound: The last `taps` - 1 samples from before, and a multiple of `STEP` new ones.
            above: What stays below it need not be found.

        Returns:
            Which steps of `STEP` samples were looked at, and for each of their samples the largest
            value, without its sign, between the one ``taps // 2 - 1`` later and the next.
        """
        tops = np.maximum.reduceat(np.abs(sound), np.arange(0, len(sound), STEP))
        steps = (len(sound) - self.taps + 1) // STEP
        if len(tops) == steps:  # a single tap reaches into no further step
            tops = np.append(tops, np.float32(0))
        near = np.maximum(tops[:steps], tops[1 : steps + 1])
        chosen = np.flatnonzero(near * self.most > above)
        rows = np.lib.stride_tricks.as_strided(
            sound, (steps, self._width), (STEP * sound.itemsize, sound.itemsize), writeable=False
        )
        values = rows[chosen] @ self._bank
        found = np.abs(values, out=values).reshape(-1, self._places, STEP).max(axis=1)
        return chosen, found
