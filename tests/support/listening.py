"""Which place of a sound is it that one hears: by correlation, without asking who played it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loa_lab.village.heard import RATE, Recording
from loa_sound.decoder import decode

Floats = NDArray[np.float32]
SURE = 0.8  # of 1: the same sound, at any level, with noise of half its power


def read_sound(path: Path) -> Floats:
    """Return all of a media file as it decodes."""
    return np.concatenate(list(decode(path)))


def place_of(part: Floats, sound: Floats) -> tuple[float, float]:
    """Return where *part* occurs in *sound*, in ms, and how alike it is there, 0 to 1."""
    size = 1 << (len(part) + len(sound)).bit_length()
    spectrum = np.fft.rfft(sound, size) * np.conj(np.fft.rfft(part, size))
    matches = np.fft.irfft(spectrum, size)[: len(sound) - len(part) + 1]
    energy = np.concatenate(([0.0], np.cumsum(np.square(sound, dtype=np.float64))))
    power = energy[len(part) :] - energy[: -len(part)]
    alike = matches / np.sqrt(np.maximum(power, 1e-9) * max(float(part @ part), 1e-9))
    best = int(np.argmax(alike))
    return best * 1000 / RATE, float(alike[best])


def position_ms(heard: Recording, at_ms: int, sound: Floats, *, length_ms: int = 400) -> float:
    """Return which position of *sound* was heard at unix *at_ms*.

    Raises:
        AssertionError: something else was heard, or nothing.
    """
    part = heard.part(at_ms, at_ms + length_ms).astype(np.float32)
    place, alike = place_of(part, sound)
    assert alike > SURE, f"at {at_ms}: something else ({alike:.2f} alike)"
    return place
