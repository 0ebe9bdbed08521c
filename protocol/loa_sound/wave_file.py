"""Sound into a WAV file of 16 bits, mono, 48 kHz."""

from __future__ import annotations

import wave
from collections.abc import Iterable
from pathlib import Path

from loa_protocol.errors import StoreError
from loa_sound.blocks import RATE, Samples
from loa_sound.pcm import to_pcm


def write_wav(path: Path, blocks: Iterable[Samples]) -> int:
    """Write *blocks* to *path*, whole or not at all, and return how many samples there were.

    Raises:
        StoreError: the place is not writable.
    """
    partial = path.with_name(path.name + ".part")
    count = 0
    try:
        with wave.open(str(partial), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            for block in blocks:
                file.writeframes(to_pcm(block))
                count += len(block)
        partial.replace(path)
    except OSError as error:
        raise StoreError(str(path), error.strerror or str(error)) from error
    finally:
        partial.unlink(missing_ok=True)
    return count
