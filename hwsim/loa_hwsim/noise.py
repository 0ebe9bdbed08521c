"""How an FM receiver hisses: the curve from carrier level to noise, and the noise itself.

The curve is a simple stand-in for a discriminator, not a measurement of one receiver. It keeps
what matters to a monitor: a strong carrier is quiet, noise grows as the level falls, and without a
carrier the receiver hisses loudly over the whole audio band, so that silence detection alone never
notices.

=========  ==========  ===================
level      noise       programme
=========  ==========  ===================
≥ 55 dBµV  -70 dBFS    whole
40 dBµV    -60 dBFS    whole
26 dBµV    -40 dBFS    whole
20 dBµV    -24 dBFS    whole
≤ 14 dBµV  -15 dBFS    half its amplitude
≤ 8 dBµV   -15 dBFS    gone
=========  ==========  ===================
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

BAND_HZ: Final = 15_000  # an FM receiver's audio ends here
_RATE: Final = 48_000
_LEVELS_DBUV: Final = (14.0, 20.0, 26.0, 40.0, 55.0)
_NOISE_DBFS: Final = (-15.0, -24.0, -40.0, -60.0, -70.0)
_FADE_DBUV: Final = (8.0, 20.0)
_TAPS: Final = 95
_TABLE: Final = 5 * _RATE  # five seconds, read at random places


def noise_dbfs(level_dbuv: float) -> float:
    """Return the RMS of the noise at the audio output for a carrier of *level_dbuv*."""
    return float(np.interp(level_dbuv, _LEVELS_DBUV, _NOISE_DBFS))


def programme_gain(level_dbuv: float) -> float:
    """Return what is left of the programme's amplitude at *level_dbuv*, from 0 to 1."""
    return float(np.interp(level_dbuv, _FADE_DBUV, (0.0, 1.0)))


def to_amplitude(dbfs: float) -> float:
    """Return the amplitude of *dbfs*, 1.0 at full scale."""
    return float(10.0 ** (dbfs / 20))


class Noise:
    """Seeded white noise up to 15 kHz, cheap enough for every block of every receiver."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        white = self._random.standard_normal(_TABLE + _TAPS - 1)
        band = np.convolve(white, _low_pass(), mode="valid")
        self._table = (band / np.sqrt(np.mean(band**2))).astype(np.float32)

    def samples(self, count: int, dbfs: float) -> Samples:
        """Return *count* samples with an RMS of *dbfs*."""
        start = int(self._random.integers(0, _TABLE - count))
        loud: Samples = self._table[start : start + count] * np.float32(to_amplitude(dbfs))
        return loud


def _low_pass() -> NDArray[np.float64]:
    """Return a windowed-sinc low-pass filter at ``BAND_HZ``."""
    n = np.arange(_TAPS) - (_TAPS - 1) / 2
    cut = 2 * BAND_HZ / _RATE
    taps: NDArray[np.float64] = cut * np.sinc(cut * n) * np.hamming(_TAPS)
    return taps
