"""The line-in: what the tuner, or whatever is plugged in, delivers in real time.

A source of bytes (a FIFO here, PortAudio in `loa_endpoint.audio.portaudio`) is emptied by the audio
loop, without waiting, into a buffer that keeps a block and 60 ms in hand: enough for the jitter of
a writer that wakes every 20 ms. It is emptied once a block while it sounds, and now and then while
its level alone is wanted.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from math import log10
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from loa_endpoint.audio import wide_pipe
from loa_endpoint.audio.leveller import Leveller
from loa_protocol.errors import ConfigError
from loa_sound.blocks import RATE, Samples
from loa_sound.meters import FLOOR_DBFS, BandLevel
from loa_sound.pcm import PcmRest

SPARE: Final = RATE * 60 // 1000
"""Samples in hand beyond one block; with the block, the delay of the line-in."""
EXCESS: Final = RATE // 10
"""So much more is the drift of two clocks, or a writer's burst: it is dropped."""
BLEND: Final = RATE // 200
"""Samples over which a drop is blended, so that it is no click."""
QUIET_AFTER: Final = RATE // 5
"""Nothing for 200 ms: the level is reported as none."""
REPORT: Final = RATE // 10
LOOK_AGAIN: Final = 10
"""Rounds until a capture that is away is looked for again: a second, half of one with a card."""
DEFAULT_LUFS: Final = -23.0
"""Towards it the line-in is measured while nobody has named a target (EBU R128)."""


class Capture(Protocol):
    """Where the samples come from: raw signed 16-bit little-endian, mono, 48 kHz."""

    def take(self) -> bytes:
        """Return what has arrived since the last call, without waiting.

        Raises:
            OSError: The device is gone.
        """

    def close(self) -> None:
        """Give the device back."""


class FifoCapture:
    """A FIFO that somebody writes sound into, at the rate at which it is heard.

    Opened for writing too, so that a writer may come and go without an end of file.
    """

    def __init__(self, path: Path) -> None:
        """Open *path*, making the FIFO if nothing is there.

        Raises:
            ConfigError: It is not a FIFO, or may not be opened.
        """
        self._path = path
        self._quiet = 0
        try:
            if not path.exists():
                os.mkfifo(path, 0o600)
            if not stat.S_ISFIFO(path.stat().st_mode):
                raise ConfigError("line-in", [f"{path} is not a FIFO"])
            self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            wide_pipe.widen(self._fd)
        except OSError as error:
            raise ConfigError("line-in", [f"{path}: {error.strerror}"]) from error

    def take(self) -> bytes:
        """Return what the FIFO holds.

        Raises:
            OSError: Nothing has come for a while, and another file is there by now.
        """
        try:
            data = os.read(self._fd, wide_pipe.BYTES)
        except BlockingIOError:
            data = b""
        self._quiet = 0 if data else self._quiet + 1
        if self._quiet == LOOK_AGAIN:
            self._quiet = 0
            if not self._is_in_place():
                raise OSError(errno.ENODEV, f"{self._path} was replaced")
        return data

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._fd))
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Close the FIFO; the file stays."""
        os.close(self._fd)


class PatientCapture:
    """A capture that may not be there yet, or any more: it is looked for again, now and then.

    A cluster whose tuner is unplugged still plays its cached media.
    """

    def __init__(self, open_it: Callable[[], Capture]) -> None:
        """Open by *open_it*, at the first `take`."""
        self._open = open_it
        self._capture: Capture | None = None
        self._takes_to_wait = 0
        self._told = False

    def take(self) -> bytes:
        """Return what has arrived; nothing while the capture is away.

        Raises:
            OSError: It is away; raised once, until something has arrived again.
        """
        if self._takes_to_wait > 0:
            self._takes_to_wait -= 1
            return b""
        try:
            if self._capture is None:
                self._capture = self._open()
            data = self._capture.take()
        except (ConfigError, OSError) as error:
            self.close()
            self._takes_to_wait = LOOK_AGAIN
            if self._told:
                return b""
            self._told = True
            raise OSError(errno.ENODEV, str(error)) from error
        if data:
            self._told = False
        return data

    def close(self) -> None:
        """Give the device back."""
        if self._capture is not None:
            self._capture.close()
            self._capture = None


class LineIn:
    """A `loa_endpoint.audio.voice.Sound` out of a capture, and its level meter.

    It is silent where nothing arrives, and has no end.
    """

    live = True
    finish: int | None = None
    failure = ""

    def __init__(self, capture: Capture, block: int) -> None:
        """Take *capture*; *block* is how many samples the audio loop renders at once."""
        self.name = "line_in"
        self.gain = 1.0
        self.target_lufs: float | None = None
        self._leveller = Leveller()
        self._level_db = 0.0  # what the samples read last were raised by
        self._capture = capture
        self._target = block + SPARE
        self._held: Samples = np.zeros(0, dtype=np.float32)
        self._rest = PcmRest()
        self._levels: list[BandLevel] = []
        self._flowing = False
        self._was_read = False
        self._silent_for = 0

    def is_ready(self, _position: int, /) -> bool:
        """Tell that it can start: a line-in always can."""
        return True

    def aim(self, _position: int, /) -> None:
        """Do nothing: there is no position to go to."""

    def pump(self, samples: int) -> None:
        """Take in what has arrived; *samples* of the timeline have passed since the last call.

        Raises:
            OSError: The device is gone; it may be pumped on, and is silent until it is back.
        """
        self._silent_for += samples
        arrived = self._rest.samples(self._capture.take())
        if len(arrived):
            self._silent_for = 0
            self._arrived(arrived)
        elif self._silent_for >= QUIET_AFTER:
            self._silent_for -= REPORT
            self._levels.append(BandLevel(FLOOR_DBFS, 0.0))
        self._trim()

    def take_level(self) -> BandLevel | None:
        """Return the level since the last call; None where nothing was measured since."""
        levels, self._levels = self._levels, []
        return _joined(levels) if levels else None

    def read(self, _position: int, out: Samples, /) -> int:
        """Fill *out* with the next samples that arrived, or with silence until enough are there."""
        self._was_read = True
        if not self._flowing and len(self._held) < self._target:
            out.fill(0)
            return len(out)
        starts = not self._flowing
        # It stops while there is still enough to fade with, not when the last sample is gone.
        self._flowing = len(self._held) >= len(out) + BLEND
        count = min(len(out), len(self._held))
        out[:count] = self._held[:count]
        self._held = self._held[count:] if self._flowing else self._held[:0]
        if starts:
            _ramp(out[:count], up=True)
        if not self._flowing:
            _ramp(out[:count], up=False)
            out[count:] = 0
        if self.target_lufs is not None:
            self._raise(out)
        return len(out)

    def _arrived(self, samples: Samples) -> None:
        target = DEFAULT_LUFS if self.target_lufs is None else self.target_lufs
        self._levels += self._leveller.feed(samples, target, is_heard=self._was_read)
        self._held = np.concatenate((self._held, samples)) if len(self._held) else samples

    def _raise(self, out: Samples) -> None:
        """Bring *out* nearer to the target, from the gain before to the present one."""
        before, self._level_db = self._level_db, self._leveller.gain_db
        if before == self._level_db:
            np.multiply(out, 10 ** (before / 20), out=out)
        else:
            ratios = 10 ** (np.linspace(before, self._level_db, len(out)) / 20)
            np.multiply(out, ratios, out=out, casting="same_kind")
        np.clip(out, -1.0, 1.0, out=out)  # else it would undo the policy's volume cap

    def close(self) -> None:
        """Give the device back."""
        self._capture.close()

    def _trim(self) -> None:
        """Keep the delay what it is: drop the oldest where too much is in hand."""
        excess = len(self._held) - self._target
        if excess <= 0:
            pass
        elif not self._was_read:
            self._held = self._held[excess:].copy()
        elif excess > EXCESS:
            old, new = self._held[:BLEND], self._held[excess:].copy()
            up = np.linspace(0, 1, BLEND, dtype=np.float32)
            new[:BLEND] = old * (1 - up) + new[:BLEND] * up
            self._held = new
        self._was_read = False


def _joined(levels: Sequence[BandLevel]) -> BandLevel:
    """Return what all *levels* together are: a burst of 100 ms pieces is one piece of news."""
    if len(levels) == 1:
        return levels[0]
    square = sum(10 ** (each.rms_dbfs / 10) for each in levels) / len(levels)
    flatness = sum(each.flatness for each in levels) / len(levels)
    return BandLevel(max(FLOOR_DBFS, 10 * log10(square)), flatness)


def _ramp(samples: Samples, *, up: bool) -> None:
    """Fade the first or the last 5 ms of *samples*, where the line-in begins or runs dry."""
    length = min(BLEND, len(samples))
    if length:
        slope = np.linspace(0, 1, length, dtype=np.float32)
        part = samples[:length] if up else samples[-length:]
        np.multiply(part, slope if up else slope[::-1], out=part)
