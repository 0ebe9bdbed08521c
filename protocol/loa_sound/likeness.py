"""Is it our sound that a microphone hears? By the shape of its bands over time, not by its waves.

The amplitude of eight bands, 25 times a second, of what was written and of what was heard: their
correlation, at every delay up to two seconds, does not care for gain, for the horn's resonances, or
for steady noise, and hardly for the echo of a village. Measured with a horn's filter and an echo,
0.73 s late: 0.6 to 0.9 for speech and music down to 3 dB *below* pink noise; another programme
reaches 0.38 at most. Only these amplitudes are kept, no sound: nobody can listen to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loa_sound.blocks import RATE, Samples
from loa_sound.meters import FLOOR_DBFS, Chunker, to_db

FRAME: Final = RATE // 25
FRAME_MS: Final = 40
EDGES_HZ: Final = (300, 450, 650, 900, 1_250, 1_700, 2_300, 3_100, 4_200)
"""What a horn of 12 inches passes, in bands of a third of an octave to half of one."""
WINDOW: Final = 100
"""Frames compared at once: 4 s hold enough syllables to tell two speakers apart."""
LAGS: Final = 50
"""Frames of delay that are tried: 2 s, for sink, air, capture and their buffers."""
MATCH: Final = 0.5
"""From this correlation on it is our sound."""
SWING_DB: Final = 3.0
"""A sound whose bands swing less than this about their mean has no shape to be known by."""

Bands = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike the last four seconds are.

    Attributes:
        score: Correlation at the best delay, -1 to 1; None where what was written has no shape (a
            steady tone, silence), so that nothing can be said.
        lag_ms: The best delay.
        heard_dbfs: RMS of what was heard in 300-4200 Hz.
    """

    score: float | None
    lag_ms: int
    heard_dbfs: float

    @property
    def is_match(self) -> bool:
        """Whether what was written was heard."""
        return self.score is not None and self.score >= MATCH


class BandTrace:
    """The band amplitudes of a sound over its last few seconds; the sound itself is dropped."""

    def __init__(self, frames: int) -> None:
        """Keep the last *frames* of 40 ms."""
        self._chunks = Chunker(FRAME)
        self._window = np.hanning(FRAME + 1)[:FRAME].astype(np.float32)
        edges = [round(hz * FRAME / RATE) for hz in EDGES_HZ]
        self._first, self._last = edges[0], edges[-1]
        self._edges = 2 * (np.array(edges[:-1]) - edges[0])
        self._scale = np.float32(2 / (FRAME * float(np.square(self._window).sum())))
        self._kept: Bands = np.zeros((frames, len(EDGES_HZ) - 1), dtype=np.float32)
        self.frames = 0
        """Frames taken so far."""

    def feed(self, sound: Samples) -> None:
        """Take the next samples, any number of them."""
        frames = self._chunks.whole(sound)
        if len(frames):
            new = self._measure(frames)
            self.frames += len(new)
            self._kept = np.concatenate((self._kept, new))[-len(self._kept) :]

    def clear(self) -> None:
        """Forget everything."""
        self._kept.fill(0)
        self.frames = 0

    def last(self, frames: int) -> Bands:
        """Return the newest *frames*, oldest first."""
        return self._kept[len(self._kept) - frames :]

    def _measure(self, frames: Samples) -> Bands:
        rows = frames.reshape(-1, FRAME) * self._window
        parts = np.fft.rfft(rows)[:, self._first : self._last].view(np.float32)  # real, imaginary
        np.square(parts, out=parts)
        power = np.add.reduceat(parts, self._edges, axis=1)
        amplitudes: Bands = np.sqrt(power * self._scale)
        return amplitudes


def compare(written: Bands, heard: Bands) -> Likeness:
    """Compare what was heard with what was written up to two seconds before.

    Args:
        written: `WINDOW` + `LAGS` frames, the newest with the newest of *heard*.
        heard: `WINDOW` frames.
    """
    level = to_db(float(np.sqrt(np.square(heard).sum(axis=1).mean())))
    if not _has_shape(written):
        return Likeness(None, 0, level)
    centred = heard - heard.mean(axis=0)
    power = _powers(written.astype(np.float64)) * np.square(centred).sum(axis=0)
    scores = (_matches(written, centred) / np.sqrt(power + 1e-12)).mean(axis=1)
    best = int(np.argmax(scores))
    return Likeness(float(scores[best]), best * FRAME_MS, max(FLOOR_DBFS, level))


def _powers(written: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return, by lag and band, how much the `WINDOW` frames vary that are so late."""
    both = np.concatenate((written, np.square(written)), axis=1)
    sums = np.zeros((len(both) + 1, both.shape[1]))
    np.cumsum(both, axis=0, out=sums[1:])
    within = (sums[WINDOW:] - sums[:-WINDOW])[::-1]
    bands = written.shape[1]
    powers: NDArray[np.float64] = within[:, bands:] - np.square(within[:, :bands]) / WINDOW
    return np.maximum(powers, 0.0)


def _matches(written: Bands, centred: Bands) -> Bands:
    """Return, by lag and band, the products with what was written so much earlier."""
    columns = np.ascontiguousarray(written.T)
    late = np.lib.stride_tricks.sliding_window_view(columns, WINDOW, axis=1)  # band, lag, time
    products: Bands = np.matmul(late, np.ascontiguousarray(centred.T)[:, :, None])[:, ::-1, 0].T
    return products


def _has_shape(bands: Bands) -> bool:
    """Tell whether loudness or timbre move enough to be known again."""
    loudness = np.sqrt(np.square(bands).sum(axis=1))
    mean = float(loudness.mean())
    if mean < 1e-4:  # -80 dBFS
        return False
    spread = float(np.sqrt(np.square(bands - bands.mean(axis=0)).sum(axis=1).mean()))
    return spread / mean > 1 - 10 ** (-SWING_DB / 20)
