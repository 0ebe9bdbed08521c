"""The loudspeaker of the desk: sound through PyAudio, for whoever listens before signing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import Any, Final

from loa_protocol.errors import ConfigError
from loa_protocol.language import translator
from loa_sound.blocks import RATE, Samples
from loa_sound.pcm import to_pcm

_ = translator("loa_manager")

_FRAMES: Final = 2_400  # 50 ms: nobody at a desk needs it sooner


def play(blocks: Iterable[Samples], device: str | None = None) -> int:
    """Play *blocks* to their end and return how many samples there were.

    Args:
        blocks: Mono, 48 kHz.
        device: The start of a device's name; None for the default one.

    Raises:
        ConfigError: there is no PyAudio or no such device here, or it went away.
    """
    count = 0
    try:
        with _stream(device) as stream:
            for block in blocks:
                stream.write(to_pcm(block))
                count += len(block)
    except OSError as error:  # PortAudio's own
        raise _no_device(error.strerror or str(error)) from error
    return count


@contextlib.contextmanager
def _stream(device: str | None) -> Iterator[Any]:
    try:
        import pyaudio  # noqa: PLC0415 - an extra; who plays into a file does without
    except ImportError:
        fault = _(
            "PyAudio is not installed (pip: the extra audio; Debian: python3-pyaudio); or write"
            " what would sound into a file: --to FILE.wav"
        )
        raise ConfigError(_("sound device"), [fault]) from None
    with _silenced():
        host = pyaudio.PyAudio()
    try:
        index = _find(host, device)
        with _silenced():
            stream = host.open(
                rate=RATE,
                channels=1,
                format=pyaudio.paInt16,
                frames_per_buffer=_FRAMES,
                output=True,
                output_device_index=index,
            )
        yield stream
        stream.stop_stream()  # waits for what is still in the card's buffer
        stream.close()
    finally:
        host.terminate()


def _find(host: Any, device: str | None) -> int:  # noqa: ANN401 - PyAudio has no types
    if device is None:
        return int(host.get_default_output_device_info()["index"])
    found = [host.get_device_info_by_index(at) for at in range(host.get_device_count())]
    usable = [each for each in found if each["maxOutputChannels"] > 0]
    for each in usable:
        if each["name"].startswith(device):
            return int(each["index"])
    names = ", ".join(each["name"] for each in usable) or "-"
    raise _no_device(_("no device {name}; there are: {names}").format(name=device, names=names))


def _no_device(why: str) -> ConfigError:
    fault = _("no sound device plays here ({why}); write into a file instead: --to FILE.wav")
    return ConfigError(_("sound device"), [fault.format(why=why)])


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Keep away what ALSA writes about every device that a machine does not have."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
