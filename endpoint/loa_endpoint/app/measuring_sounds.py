"""Sounds to measure by, made here: the self-test's, which rises, and a steady tone."""

from __future__ import annotations

import array
import math
import wave
from pathlib import Path

from loa_endpoint.core.self_test import LENGTH_MS

_RATE = 16_000
_LOW_HZ, _HIGH_HZ = 300.0, 3000.0  # what the line's meter hears
_PEAK = 0.05  # -26 dBFS, 5 V on a line of 100 V: to be measured, not to be listened to


def write_test_sound(path: Path) -> Path:
    """Write three seconds that rise from 300 to 3000 Hz to *path*, and return it."""
    count = _RATE * LENGTH_MS // 1000
    samples, phase = array.array("h"), 0.0
    for number in range(count):
        phase += 2 * math.pi * (_LOW_HZ + (_HIGH_HZ - _LOW_HZ) * number / count) / _RATE
        samples.append(_sample(phase))
    return _write(path, samples.tobytes())


def write_tone(path: Path, hz: int, seconds: int) -> Path:
    """Write so many *seconds* of a steady tone to *path*, and return it."""
    second = array.array("h", (_sample(2 * math.pi * hz * at / _RATE) for at in range(_RATE)))
    return _write(path, second.tobytes() * seconds)


def _sample(phase: float) -> int:
    return round(32_767 * _PEAK * math.sin(phase))


def _write(path: Path, pcm: bytes) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, _RATE, 0, "NONE", ""))
        file.writeframes(pcm)
    return path
