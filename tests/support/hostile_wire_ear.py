"""What a real horn played, weighed: windows in which people's tones may be heard, and all else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loa_lab.village.heard import RATE, Recording
from support.hostile_oracle import SLACK_MS, Meter

_BLOCK: Final = RATE // 50
_NS: Final = 1_000_000
_LEVEL: Final = 0.15


@dataclass
class Windows:
    """From when to when, unix ms, which tone may be heard; and when none may."""

    tones: list[tuple[int, int, int]] = field(default_factory=list)  # from, to, Hz
    silent: list[tuple[int, int]] = field(default_factory=list)

    def allowed(self, at_ms: int) -> frozenset[int]:
        """Return the tones that may be heard at an instant."""
        if any(begin <= at_ms < end for begin, end in self.silent):
            return frozenset()
        return frozenset(hz for begin, end, hz in self.tones if begin <= at_ms < end)

    def near(self, at_ms: int) -> frozenset[int]:
        """Return the tones that may be heard at an instant or were a fade ago."""
        return self.allowed(at_ms) | self.allowed(at_ms - SLACK_MS) | self.allowed(at_ms + 50)


def weigh(recording: Recording, windows: Windows) -> Meter:
    """Return what a recording holds."""
    meter = Meter(windows, lambda ns: recording.start_ms + ns // _NS)
    samples = recording.samples.astype(np.float32) / np.float32(32_768)
    for at in range(0, len(samples), _BLOCK):
        meter.write(samples[at : at + _BLOCK], at * 1_000_000_000 // RATE)
    meter.write(np.zeros(_BLOCK, np.float32), len(samples) * 1_000_000_000 // RATE)
    return meter


def with_tone(recording: Recording, hz: int, at_ms: int, length_ms: int) -> Recording:
    """Return *recording* as it would be if another tone had been heard over it for a while."""
    samples: NDArray[np.int16] = recording.samples.copy()
    first = (at_ms - recording.start_ms) * RATE // 1000
    count = length_ms * RATE // 1000
    wave = _LEVEL * 32_767 * np.sin(2 * np.pi * hz * np.arange(count) / RATE)
    samples[first : first + count] += wave.astype(np.int16)
    return Recording(samples, recording.start_ms)
