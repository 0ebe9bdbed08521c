"""How the sound is shaped for the loudspeaker that it comes out of; flat sound needs nothing here.

A village horn gives nothing below 250 Hz but distortion, stands in wind and traffic, and is heard
far away: what is soft is lost. For it the sound is made denser, not louder: a high-pass, and a
compressor that turns about the loudness to which everything is levelled. Nothing here delays the
sound, so its alignment stays what it is.
"""

from __future__ import annotations

from math import cos, exp, log10, pi, sin
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from loa_sound.blocks import RATE, Samples

HIGH_PASS_HZ: Final = 250
_QUALITIES: Final = (0.5412, 1.3066)
"""Of the two halves of a Butterworth filter of the fourth order: 24 dB an octave."""
_TAPS: Final = 1024
"""After 21 ms the filter's answer has died away by more than 100 dB."""
_SIZE: Final = 2048
_PIECE: Final = _SIZE - _TAPS + 1
"""Samples filtered by one transform."""

PIVOT_DB: Final = -20.0
"""RMS that keeps its level: the syllables of speech that is levelled to -23 LUFS."""
RATIO: Final = 3.0
MOST_DB: Final = 10.0
"""What is soft is raised by so much at most: 15 dB below the pivot and further."""
FLOOR_DB: Final = -50.0
"""Where it is softer than this for longer than a pause, what would be raised is noise: the softer,
the less it is raised, and not at all `_FADE_DB` below."""
_FADE_DB: Final = 15.0
_PAUSE_S: Final = 0.4
_WINDOW: Final = RATE // 100
"""The level is the RMS of 10 ms."""
_RISE_DB: Final = 30.0 / RATE
"""The gain comes up by 30 dB a second, so that a pause between two words is no swelling."""


class Shape(Protocol):
    """Something that changes sound in its place."""

    def process(self, out: Samples) -> None:
        """Change *out*, the samples that follow those of the last call."""


class Horn:
    """The profile of a horn loudspeaker."""

    def __init__(self) -> None:
        self._filter = _HighPass()
        self._compressor = _Compressor()

    def process(self, out: Samples) -> None:
        """Filter and compress *out*."""
        self._filter.process(out)
        self._compressor.process(out)


class _HighPass:
    """A fourth-order Butterworth filter, as the convolution with its own answer to one sample.

    A recursive filter would take a Python step for every sample; scipy has it and weighs 113 MB.
    """

    def __init__(self) -> None:
        self._spectrum = np.fft.rfft(_answer(), _SIZE).astype(np.complex64)
        self._window = np.zeros(_SIZE, dtype=np.float32)
        self._quiet = _TAPS  # samples of silence that went in last

    def process(self, out: Samples) -> None:
        for at in range(0, len(out), _PIECE):
            self._filter(out[at : at + _PIECE])

    def _filter(self, piece: Samples) -> None:
        """Filter at most `_PIECE` samples; of silence after silence nothing is to be worked out."""
        self._quiet = 0 if piece.any() else self._quiet + len(piece)
        if self._quiet >= _TAPS + len(piece):
            return
        window, end = self._window, _TAPS - 1 + len(piece)
        window[_TAPS - 1 : end] = piece
        window[end:] = 0
        filtered = np.fft.irfft(np.fft.rfft(window) * self._spectrum, _SIZE)
        piece[:] = filtered[_TAPS - 1 : end]
        window[: _TAPS - 1] = window[len(piece) : end].copy()


class _Compressor:
    """Raise what is soft and lower what is loud, about the pivot."""

    def __init__(self) -> None:
        self._squares = np.zeros(_WINDOW, dtype=np.float64)  # of the samples before
        self._gain_db = self._most_db = 0.0
        self._slow_power = 0.0

    def process(self, out: Samples) -> None:
        if not out.any() and not self._squares.any():
            self._gain_db = self._most_db = self._slow_power = 0.0
            return
        squares = np.concatenate((self._squares, np.square(out, dtype=np.float64)))
        self._squares = squares[-_WINDOW:]
        sums = np.cumsum(squares)
        power = (sums[_WINDOW:] - sums[:-_WINDOW]) / _WINDOW
        level_db = 10 * np.log10(np.maximum(power, 1e-12))
        wanted = np.minimum((PIVOT_DB - level_db) * (1 - 1 / RATIO), self._follow_floor(power))
        steps = _RISE_DB * np.arange(1, len(out) + 1)
        held = np.minimum.accumulate(wanted - steps)
        gain = np.minimum(held, self._gain_db) + steps
        self._gain_db = float(gain[-1])
        np.multiply(out, 10 ** (gain / 20), out=out, casting="same_kind")

    def _follow_floor(self, power: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return by how much the samples may be raised at most."""
        before, share = self._most_db, 1 - exp(-len(power) / (_PAUSE_S * RATE))
        self._slow_power += (float(power.mean()) - self._slow_power) * share
        above_db = 10 * log10(max(self._slow_power, 1e-12)) - FLOOR_DB
        self._most_db = MOST_DB * min(1.0, max(0.0, 1 + above_db / _FADE_DB))
        return np.linspace(before, self._most_db, len(power))


def _answer() -> NDArray[np.float64]:
    """Return what the filter gives for one sample of 1.0, worked out step by step once."""
    signal = np.zeros(_TAPS)
    signal[0] = 1.0
    for quality in _QUALITIES:
        signal = _pass_once(signal, quality)
    return signal


def _pass_once(signal: NDArray[np.float64], quality: float) -> NDArray[np.float64]:
    """Filter by a high-pass of the second order (R. Bristow-Johnson, Audio EQ Cookbook)."""
    omega = 2 * pi * HIGH_PASS_HZ / RATE
    alpha, cosine = sin(omega) / (2 * quality), cos(omega)
    b0, b1, b2 = ((1 + cosine) / 2, -(1 + cosine), (1 + cosine) / 2)
    a0, a1, a2 = 1 + alpha, -2 * cosine, 1 - alpha
    out = np.zeros_like(signal)
    x1 = x2 = y1 = y2 = 0.0
    for number, x in enumerate(signal.tolist()):
        y = (b0 * x + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2) / a0
        x1, x2, y1, y2 = x, x1, y, y1
        out[number] = y
    return out
