"""Recalled files into one that can be played: each in its place, and silence in between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from loa_sound.blocks import BLOCK, RATE, Samples
from loa_sound.decoder import decode
from loa_sound.meters import Chunker
from loa_sound.transcode import encode_opus

BIT_RATE: Final = 24_000
"""Twice that of the black box, so that joining takes nothing more away."""
_CHUNK: Final = 10 * RATE


def join(files: Iterable[tuple[int, Path]], since_ms: int, until_ms: int, target: Path) -> None:
    """Write what *files* hold from unix *since_ms* to *until_ms* as one Ogg/Opus file.

    Second *n* of it is what was heard *n* seconds after *since_ms*.

    Args:
        files: When each began, unix ms, and where it is; in the order of time.
        since_ms: The first instant.
        until_ms: The last one.
        target: The file to write; as before where something is wrong.

    Raises:
        SoundError: a file is no sound.
        OSError: *target* cannot be written.
    """
    encode_opus(_blocks(files, since_ms, until_ms), target, BIT_RATE)


def _blocks(files: Iterable[tuple[int, Path]], since_ms: int, until_ms: int) -> Iterator[Samples]:
    blocks = Chunker(BLOCK)
    for part in _timeline(files, since_ms, (until_ms - since_ms) * RATE // 1000):
        for block in blocks.feed(part):
            yield block.copy()
    if len(rest := blocks.rest()):
        yield rest


def _timeline(files: Iterable[tuple[int, Path]], since_ms: int, length: int) -> Iterator[Samples]:
    """Yield *length* samples: files where they belong, silence between them."""
    at = 0
    for start_ms, path in files:
        place = (start_ms - since_ms) * RATE // 1000
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
        yield np.zeros(min(count, _CHUNK), dtype=np.float32)
        count -= _CHUNK
