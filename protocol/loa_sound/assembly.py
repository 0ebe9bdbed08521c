"""Recordings one behind the other, as one announcer would say them: equally loud, no clicks. Pure.

Loudness is EBU R128's, of each piece repeated until it can be measured: words are shorter than its
0.4 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Final

import numpy as np

from loa_sound.blocks import RATE, Samples
from loa_sound.meters import LoudnessMeter

TARGET_LUFS: Final = -20.0
PEAK: Final = 10 ** (-1 / 20)  # -1 dBFS
_FADE: Final = RATE * 3 // 1000
_MEASURED: Final = 2 * RATE


def assemble(pieces: Sequence[tuple[Samples, int]]) -> Samples:
    """Return the sound of *pieces*: samples, and the ms of silence behind each but the last.

    All come to the same loudness: `TARGET_LUFS`, or less where one's peaks would be clipped.

    Raises:
        ValueError: one is silent, or there is none.
    """
    if not pieces:
        raise ValueError("nothing to say")
    loudness = [loudness_of(samples) for samples, _pause_ms in pieces]
    rooms = [
        level - 20 * float(np.log10(np.abs(samples).max() / PEAK))
        for level, (samples, _pause_ms) in zip(loudness, pieces, strict=True)
    ]
    target = min(TARGET_LUFS, *rooms)
    parts = [
        (_softened(samples * np.float32(10 ** ((target - level) / 20))), _silence(pause_ms))
        for level, (samples, pause_ms) in zip(loudness, pieces, strict=True)
    ]
    return np.concatenate(list(chain.from_iterable(parts))[:-1])


def loudness_of(samples: Samples) -> float:
    """Return the loudness of *samples*, however few, in LUFS.

    Raises:
        ValueError: nothing in them is loud enough to be measured.
    """
    meter = LoudnessMeter()
    for _round in range(max(1, -(-_MEASURED // max(1, len(samples))))):
        meter.feed(samples)
    found = meter.finish().integrated_lufs
    if found is None:
        raise ValueError("too soft to be measured")
    return found


def _softened(samples: Samples) -> Samples:
    """Let *samples* begin and end at nothing, within 3 ms."""
    edge = min(_FADE, len(samples) // 2)
    ramp = np.linspace(0, 1, edge, dtype=np.float32)
    samples[:edge] *= ramp
    samples[len(samples) - edge :] *= ramp[::-1]
    return samples


def _silence(ms: int) -> Samples:
    return np.zeros(RATE * ms // 1000, dtype=np.float32)
