"""The sound of the self-test: three seconds that rise from 300 to 3000 Hz, low, made here."""

from __future__ import annotations

import array
import math
import pathlib
import wave

from loa_endpoint.core.self_test import LENGTH_MS

_RATE = 16_000
_LOW_HZ, _HIGH_HZ = 300.0, 3000.0  # what the line's meter hears
_PEAK = 0.05  # -26 dBFS: to be measured, not to be listened to


def write_test_sound(path: pathlib.Path) -> pathlib.Path:
    """Write the sound to *path* and return it."""
    count = _RATE * LENGTH_MS // 1000
    samples, phase = array.array("h"), 0.0
    for number in range(count):
        phase += 2 * math.pi * (_LOW_HZ + (_HIGH_HZ - _LOW_HZ) * number / count) / _RATE
        samples.append(round(32_767 * _PEAK * math.sin(phase)))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, _RATE, count, "NONE", ""))
        file.writeframes(samples.tobytes())
    return path
