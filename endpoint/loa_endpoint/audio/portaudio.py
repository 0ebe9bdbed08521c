"""A sound card through PyAudio: the only module that imports it, and only when one is asked for.

PortAudio stalls without a word when a USB card is pulled: ``write`` hangs and ``is_active`` stays
true. Nothing here tries to notice; the supervisor does, from samples that stop moving, and kills.
"""

from __future__ import annotations

import errno
import time
from collections import deque
from threading import Thread
from typing import Any, Final

from loa_endpoint.audio.sink import PcmBuffer
from loa_protocol.errors import ConfigError
from loa_sound.blocks import BLOCK, RATE, Samples

FRAMES: Final = 2_400
"""Frames in a device buffer, 50 ms: with less, four busy threads were measured to starve it."""
JUMP_NS: Final = 30_000_000
"""A clock error over 30 ms is a device that stood still, not drift: it is taken as it is."""
SMOOTHING: Final = 32
"""Blocks over which the drift of the card's clock is averaged: 1.6 s."""


def _open(name: str, **kind: bool) -> Any:  # noqa: ANN401 - PyAudio has no types
    """Open the device called *name*, mono, 16 bits, 48 kHz.

    Raises:
        ConfigError: PyAudio is not installed, there is no such device, or it does not open.
    """
    try:
        import pyaudio  # noqa: PLC0415 - an extra; a player with another sink does without
    except ImportError as error:
        raise ConfigError("pyaudio", ["not installed: the extra is called audio"]) from error
    host = pyaudio.PyAudio()
    try:
        return host.open(
            rate=RATE,
            channels=1,
            format=pyaudio.paInt16,
            frames_per_buffer=FRAMES,
            **_device(host, name, is_output="output" in kind),
            **kind,
        )
    except OSError as error:
        raise ConfigError("pyaudio", [f"{name}: {error}"]) from error


def _device(host: Any, name: str, *, is_output: bool) -> dict[str, int]:  # noqa: ANN401 - no types
    """Find a device by its whole name, else by the start of it."""
    which = "maxOutputChannels" if is_output else "maxInputChannels"
    devices = [host.get_device_info_by_index(i) for i in range(host.get_device_count())]
    usable = [device for device in devices if device[which] > 0]
    same = [device for device in usable if device["name"] == name]
    alike = [device for device in usable if device["name"].startswith(name)]
    for device in same + alike:
        key = "output_device_index" if is_output else "input_device_index"
        return {key: int(device["index"])}
    names = ", ".join(device["name"] for device in usable) or "none"
    raise ConfigError("pyaudio", [f"no device {name!r}; there are: {names}"])


class PortAudioSink:
    """A sound card that is written to for as long as the player lives."""

    paces = True
    block = FRAMES

    def __init__(self, name: str, epoch_ns: int, *, is_virtual: bool = False) -> None:
        """Open the device called *name*; sample 0 of the timeline is near *epoch_ns*.

        A *is_virtual* device takes samples faster than they sound, so its clock says nothing.

        Raises:
            ConfigError: It cannot be opened.
        """
        self._stream = _open(name, output=True)
        self._is_virtual = is_virtual
        self._pcm = PcmBuffer()
        self._room = self._stream.get_write_available()
        self._started = False
        self.epoch_ns = epoch_ns
        self.xruns = 0

    def write(self, sample: int, block: Samples) -> None:
        """Hand *block* to the card, waiting for room."""
        # PyAudio says that the card ran dry only by closing the stream; all room free says it too.
        if (
            self._started
            and not self._is_virtual
            and self._stream.get_write_available() >= self._room
        ):
            self.xruns += 1
        self._stream.write(bytes(self._pcm.convert(block)), len(block), False)
        self._started = True
        if not self._is_virtual:
            self._correct(sample + len(block), time.monotonic_ns())

    def _correct(self, written: int, now_ns: int) -> None:
        """Follow the card's clock: what is still in its buffer sounds from now on."""
        queued = max(0, self._room - self._stream.get_write_available())
        error = now_ns - (written - queued) * 1_000_000_000 // RATE - self.epoch_ns
        self.epoch_ns += error if abs(error) > JUMP_NS else error // SMOOTHING

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()


class PortAudioCapture:
    """A sound card's input, opened and read by a thread because both wait, and may hang."""

    def __init__(self, name: str) -> None:
        """Begin to open the device called *name*; `take` tells when it cannot be."""
        self._name = name
        self._blocks: deque[bytes] = deque(maxlen=50)
        self._error = ""
        self._closed = False
        Thread(target=self._work, name=f"capture {name}", daemon=True).start()

    def take(self) -> bytes:
        """Return what was captured since the last call.

        Raises:
            OSError: The device cannot be opened, or is gone.
        """
        if self._error:
            raise OSError(errno.ENODEV, self._error)
        taken = []
        while self._blocks:
            taken.append(self._blocks.popleft())
        return b"".join(taken)

    def close(self) -> None:
        """Let the thread end."""
        self._closed = True

    def _work(self) -> None:
        try:
            stream = _open(self._name, input=True)
            while not self._closed:
                self._blocks.append(stream.read(BLOCK, exception_on_overflow=False))
            stream.close()
        except (ConfigError, OSError) as error:
            self._error = str(error)
