"""Files in their places on one timeline, with silence where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from loa_sound.blocks import BLOCK, RATE, Samples
from loa_sound.decoder import decode
from loa_sound.meters import Chunker

_PART: Final = 10 * RATE


def splice(files: Iterable[tuple[int, Path]], length_ms: int) -> Iterator[Samples]:
    """Yield *length_ms* of sound in blocks of 20 ms, the last maybe shorter.

    Args:
        files: Where on the timeline each begins, in ms, maybe before 0; in that order. Where two
            overlap, the first is heard to its end.
        length_ms: Of the timeline.

    Raises:
        SoundError: a file is no sound.
    """
    blocks = Chunker(BLOCK)
    for part in _timeline(files, length_ms * RATE // 1000):
        for block in blocks.feed(part):
            yield block.copy()
    if len(rest := blocks.rest()):
        yield rest


def _timeline(files: Iterable[tuple[int, Path]], length: int) -> Iterator[Samples]:
    at = 0
    for start_ms, path in files:
        place = start_ms * RATE // 1000
        if place >= length:
            break
        yield from _silence(place - at)
        at = max(at, place)
        for samples in decode(path):
            part = samples[max(0, at - place) : max(0, length - place)]
            place += len(samples)
            at += len(part)
            yield part
    yield from _silence(length - at)


def _silence(count: int) -> Iterator[Samples]:
    while count > 0:
        yield np.zeros(min(count, _PART), dtype=np.float32)
        count -= _PART
