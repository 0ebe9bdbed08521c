"""Recalled files into one that can be played: each in its place, and silence in between."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from loa_sound.splice import splice
from loa_sound.transcode import encode_opus

BIT_RATE: Final = 24_000
"""Twice that of the black box, so that joining takes nothing more away."""


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
    places = ((start_ms - since_ms, path) for start_ms, path in files)
    encode_opus(splice(places, until_ms - since_ms), target, BIT_RATE)
