"""A microphone by PortAudio's name of it, or a FIFO that stands for one."""

from __future__ import annotations

import os
import stat
from collections import deque
from pathlib import Path
from threading import Thread
from typing import Any, Final

from loa_protocol.errors import ConfigError, SilentError
from loa_protocol.language import translator
from loa_sound.blocks import BLOCK, RATE, Samples
from loa_sound.pcm import PcmRest

_ = translator("loa_manager")

MOST_HELD: Final = 100  # blocks that nobody took: two seconds
SILENT_S: Final = 3.0  # without a sample: PortAudio says nothing of a card that was pulled
_BYTES: Final = 2 * RATE


class FifoSource:
    """A FIFO of raw sound, mono at 48 kHz; made where nothing is there. Writers come and go."""

    is_over = False
    trouble = ""

    def __init__(self, path: Path) -> None:
        """Open *path*; raises ConfigError where it is not a FIFO."""
        try:
            if not path.exists():
                os.mkfifo(path, 0o600)
            if not stat.S_ISFIFO(path.stat().st_mode):
                raise ConfigError(str(path), [_("not a FIFO")])
            self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise ConfigError(str(path), [error.strerror or str(error)]) from None
        self._rest = PcmRest()

    def take(self, _now_s: float) -> Samples:
        """Return what is in it."""
        try:
            return self._rest.samples(os.read(self._fd, _BYTES))
        except BlockingIOError:
            return self._rest.samples(b"")

    def close(self) -> None:
        """Close it; the file stays."""
        os.close(self._fd)


class MicrophoneSource:
    """A sound card's input, read by a thread because PortAudio waits, and may hang."""

    is_over = False
    trouble = ""

    def __init__(self, name: str) -> None:
        """Open the device called *name*, or whose name begins so; ``default`` for the usual one.

        Raises:
            ConfigError: PyAudio is not installed, there is no such device, or it does not open.
        """
        self._name, self._stream = name, _open(name)
        self._blocks: deque[bytes] = deque(maxlen=MOST_HELD)
        self._rest = PcmRest()
        self._error, self._is_closed, self._heard_s = "", False, 0.0
        Thread(target=self._work, name=f"microphone {name}", daemon=True).start()

    def take(self, now_s: float) -> Samples:
        """Return what was heard; raises SilentError where the device has stopped."""
        taken = []
        while self._blocks:
            taken.append(self._blocks.popleft())
        if taken or not self._heard_s:
            self._heard_s = now_s
        if self._error or now_s - self._heard_s > SILENT_S:
            raise SilentError(self._error or self._name, SILENT_S)
        return self._rest.samples(b"".join(taken))

    def close(self) -> None:
        """Let the thread end; it closes the device."""
        self._is_closed = True

    def _work(self) -> None:
        try:
            while not self._is_closed:
                self._blocks.append(self._stream.read(BLOCK, exception_on_overflow=False))
            self._stream.close()
        except OSError as error:
            self._error = f"{self._name}: {error}"


def _open(name: str) -> Any:  # noqa: ANN401 - PyAudio has no types
    try:
        import pyaudio  # noqa: PLC0415 - an extra; other sources do without
    except ImportError:
        fault = _("not installed; add it with: pip install 'loa-manager[audio]'")
        raise ConfigError("pyaudio", [fault]) from None
    host = pyaudio.PyAudio()
    try:
        return host.open(
            rate=RATE,
            channels=1,
            format=pyaudio.paInt16,
            input=True,
            frames_per_buffer=BLOCK,
            input_device_index=_index(host, name),
        )
    except OSError as error:
        raise ConfigError(name, [str(error)]) from None


def _index(host: Any, name: str) -> int:  # noqa: ANN401 - PyAudio has no types
    devices = [host.get_device_info_by_index(i) for i in range(host.get_device_count())]
    inputs = [device for device in devices if device["maxInputChannels"] > 0]
    same = [device for device in inputs if device["name"] == name]
    for device in same + [each for each in inputs if each["name"].startswith(name)]:
        return int(device["index"])
    names = ", ".join(device["name"] for device in inputs) or "-"
    raise ConfigError(name, [_("no such microphone; there are: {names}").format(names=names)])
