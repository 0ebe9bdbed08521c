"""Sound that is read as fast as the clock goes: a file, or raw samples from a pipe."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from loa_protocol.errors import ConfigError
from loa_sound.blocks import BLOCK, Samples
from loa_sound.decoder import Decoder
from loa_sound.errors import SoundError
from loa_sound.pcm import PcmRest
from loa_sound.streams.due import Due


class FileSource:
    """A sound file, at the speed at which it sounds."""

    trouble = ""

    def __init__(self, path: Path) -> None:
        """Open *path*; raises ConfigError where it is no sound that Loa plays."""
        try:
            self._decoder = Decoder(path)
        except SoundError as error:
            raise ConfigError(str(path), [str(error)]) from None
        self._due = Due()
        self._held: Samples = np.zeros(0, dtype=np.float32)
        self.is_over = False

    def take(self, now_s: float) -> Samples:
        """Return what is due."""
        due = self._due.count(now_s)
        while len(self._held) < due and not self.is_over:
            chunk = self._decoder.read()
            self.is_over = chunk is None
            if chunk is None:  # a whole block, or its last sounds would wait for ever
                chunk = np.zeros(-len(self._held) % BLOCK, dtype=np.float32)
                due = len(self._held) + len(chunk)
            self._held = np.concatenate((self._held, chunk))
        taken, self._held = self._held[:due], self._held[due:]
        self._due.took(len(taken), due)
        return taken

    def close(self) -> None:
        """Close the file."""
        self._decoder.close()


class PcmSource:
    """Raw signed 16-bit little-endian samples from a pipe, mono at 48 kHz.

    Whoever fills it may be faster than the clock: the pipe makes them wait.
    """

    trouble = ""

    def __init__(self, descriptor: int) -> None:
        """Read from *descriptor*, which is made not to wait."""
        self._fd = descriptor
        os.set_blocking(descriptor, False)
        self._due, self._rest = Due(), PcmRest()
        self.is_over = False

    def take(self, now_s: float) -> Samples:
        """Return what is due, or what of it is there."""
        due = self._due.count(now_s)
        try:
            data = os.read(self._fd, 2 * due) if due > 0 else None
        except BlockingIOError:
            data = None
        self.is_over = data == b""
        samples = self._rest.samples(data or b"")
        self._due.took(len(samples), due)
        return samples

    def close(self) -> None:
        """Leave the pipe as it is: it is not ours."""
