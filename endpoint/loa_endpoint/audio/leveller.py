"""How much louder or softer the line-in has to be to stand beside the files: found while it runs.

A file is measured before it is signed; what comes off the air is whatever the transmitter sends.
Its loudness is measured over some seconds of programme, and a gain is led slowly after it. Silence
and hiss say nothing about the programme: then the gain stays where it is. One spectrum serves for
this and for the level that the agent is told. Pure.
"""

from __future__ import annotations

from collections import deque
from math import log10
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loa_sound.blocks import RATE, Samples
from loa_sound.meters import SPECTRUM_HZ, BandLevel, BandMeter

MOST_DB: Final = 12.0
"""Further from the target it is not the programme that is wrong, but the level of the line."""
MEMORY: Final = 100
"""Pieces of 100 ms of programme whose mean counts: longer than a sentence."""
FEWEST: Final = 20
"""With 2 s of programme a first opinion is allowed."""
QUIETEST_LUFS: Final = -50.0
RELATIVE_LU: Final = 10.0
"""Pieces so far under the mean are pauses (EBU R128's relative gate)."""
HISS: Final = 0.6
"""Flatness from which on it is noise (as `noise_flatness_permille`)."""
UNHEARD_DB: Final = 0.3
"""Step for each piece of 100 ms while nobody hears it: the whole range in 4 s."""
HEARD_DB: Final = 0.05
"""And while it is heard: half a decibel a second, which nobody notices."""

_OFFSET: Final = -0.691
"""ITU-R BS.1770-4: by it a sine of 997 Hz at 0 dBFS measures -3.01 LUFS."""
_QUIETEST: Final = 10 ** ((QUIETEST_LUFS - _OFFSET) / 10)


class Leveller:
    """Follow one programme.

    Attributes:
        gain_db: What brings it to the target, as far as it is known by now.
    """

    def __init__(self) -> None:
        self.gain_db = 0.0
        self._pieces: deque[float] = deque(maxlen=MEMORY)  # mean squares of programme, K-weighted
        self._meter = BandMeter()
        frequencies = np.arange(0, RATE // 2 + 1, SPECTRUM_HZ, dtype=np.float64)
        self._weights = (_k_weights(frequencies) * self._meter.scale).astype(np.float32)

    @property
    def loudness_lufs(self) -> float | None:
        """The programme's loudness over the last seconds of it; None while too little is known."""
        if len(self._pieces) < FEWEST:
            return None
        mean = sum(self._pieces) / len(self._pieces)
        gate = mean * 10 ** (-RELATIVE_LU / 10)
        loud = [each for each in self._pieces if each >= gate]
        return _OFFSET + 10 * log10(sum(loud) / len(loud))

    def feed(self, samples: Samples, target_lufs: float, *, is_heard: bool) -> list[BandLevel]:
        """Take what arrived, before any gain, and move towards *target_lufs*.

        Returns:
            The level of each 100 ms that *samples* complete.
        """
        spectra = self._meter.spectra(samples)
        levels = self._meter.levels(spectra)
        for square, level in zip((spectra @ self._weights).tolist(), levels, strict=True):
            if square < _QUIETEST or level.flatness >= HISS:
                continue
            self._pieces.append(square)
            if (loudness := self.loudness_lufs) is not None:
                wanted = min(MOST_DB, max(-MOST_DB, target_lufs - loudness))
                step = HEARD_DB if is_heard else UNHEARD_DB
                self.gain_db += min(step, max(-step, wanted - self.gain_db))
        return levels


def _k_weights(frequencies: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the power gain of BS.1770's two filters, by the coefficients printed there."""
    z = np.exp(-2j * np.pi * frequencies / RATE)
    shelf = (1.53512485958697 - 2.69169618940638 * z + 1.19839281085285 * z**2) / (
        1 - 1.69065929318241 * z + 0.73248077421585 * z**2
    )
    high_pass = (1 - 2 * z + z**2) / (1 - 1.99004745483398 * z + 0.99007225036621 * z**2)
    weights: NDArray[np.float64] = np.abs(shelf * high_pass) ** 2
    return weights
