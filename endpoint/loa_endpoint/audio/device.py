"""Devices of PortAudio by name: the only module that imports PyAudio, and only when one is wanted.

No numpy: the line-in has a process of its own, which is to be small.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Any, Final

from loa_protocol.errors import ConfigError

RATE: Final = 48_000
"""That of `loa_sound.blocks`."""
FRAMES: Final = 2_400
"""Frames that the card asks for at once, 50 ms; PortAudio holds twice as many. With fewer, four
busy threads were measured to starve it (docs/decisions/0018-pyaudio-by-callback.md)."""


def open_device(name: str, **kind: Any) -> tuple[Any, Any]:  # noqa: ANN401 - PyAudio has no types
    """Open the device called *name*, mono, 16 bits, 48 kHz; return PortAudio and the stream.

    The devices are listed anew: one that was plugged in again has its name, not its number.

    Raises:
        ConfigError: PyAudio is not installed.
        OSError: There is no such device, or it does not open; both may change.
    """
    try:
        import pyaudio  # noqa: PLC0415 - an extra; a player with another sink does without
    except ImportError as error:
        raise ConfigError("pyaudio", ["not installed: the extra is called audio"]) from error
    _hush()
    host = pyaudio.PyAudio()
    try:
        stream = host.open(
            rate=RATE,
            channels=1,
            format=pyaudio.paInt16,
            frames_per_buffer=FRAMES,
            **_find(host, name, is_output="output" in kind),
            **kind,
        )
    except OSError as error:
        host.terminate()  # else PortAudio never lists the devices again
        raise OSError(errno.ENODEV, f"{name}: {error}") from error
    return host, stream


def _hush() -> None:
    """Let the C libraries say nothing, and Python what it likes.

    ALSA and PortAudio write to descriptor 2: dozens of lines whenever cards are listed, and the
    same four, 70,000 times a second, where a card answers EPIPE for ever.
    """
    if sys.stderr.fileno() != 2:
        return
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)


def _find(host: Any, name: str, *, is_output: bool) -> dict[str, int]:  # noqa: ANN401 - no types
    """Find a device by its whole name, else by the start of it.

    Raises:
        OSError: There is none.
    """
    which = "maxOutputChannels" if is_output else "maxInputChannels"
    devices = [host.get_device_info_by_index(i) for i in range(host.get_device_count())]
    usable = [device for device in devices if device[which] > 0]
    same = [device for device in usable if device["name"] == name]
    alike = [device for device in usable if device["name"].startswith(name)]
    for device in same + alike:
        key = "output_device_index" if is_output else "input_device_index"
        return {key: int(device["index"])}
    names = ", ".join(device["name"] for device in usable) or "none"
    raise OSError(errno.ENODEV, f"not there; there are: {names}")
