"""Sinks by their URLs, and the patience for a card that is not there yet."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from loa_endpoint.audio.sink import NullSink, Sink, WavSink
from loa_endpoint.audio.tee import TeeSink
from loa_protocol.errors import ConfigError

KINDS: Final = "wav:PATH, null:, pyaudio:DEVICE, tee:SINK,SINK"
LOOK_S: Final = 0.25
"""How often a card that is away is looked for."""
LOOK_SHARE: Final = 4
"""A look that takes long is not repeated until so many times its length has passed: listing the
devices of Debian's own ALSA configuration takes seconds on a small board."""
_COMMA: Final = re.compile(r",(?=(?:wav|null|pyaudio):)")
"""Where the second sink of a tee begins; names of cards have commas too."""


def open_sink(
    url: str,
    *,
    epoch_ns: int | None,
    now_ns: int,
    is_virtual: bool,
    tell: Callable[[str], None] | None = None,
) -> Sink:
    """Open a sink by its URL.

    Sample 0 of the timeline is at *epoch_ns*, or else at *now_ns*; a card has its own. What befalls
    the second sink of a tee goes to *tell*.

    Raises:
        ConfigError: There is no such kind, or it can never be opened like this.
        OSError: The card is not there now.
    """
    kind, _, rest = url.partition(":")
    start_ns = now_ns if epoch_ns is None else epoch_ns
    if kind == "wav" and rest:
        return WavSink(Path(rest), epoch_ns, now_ns)
    if kind == "null":
        return NullSink(start_ns)
    if kind == "pyaudio" and rest:
        return _open_card(rest, start_ns, is_virtual=is_virtual)
    if kind == "tee" and len(urls := _COMMA.split(rest)) == 2:
        first = open_sink(urls[0], epoch_ns=epoch_ns, now_ns=now_ns, is_virtual=is_virtual)

        def open_second(epoch_ns: int) -> Sink:
            return open_sink(urls[1], epoch_ns=epoch_ns, now_ns=epoch_ns, is_virtual=is_virtual)

        return TeeSink(first, open_second, tell or (lambda _: None), is_virtual=is_virtual)
    raise ConfigError("sink", [f"{url!r} is none of {KINDS}"])


def _open_card(name: str, start_ns: int, *, is_virtual: bool) -> Sink:
    from loa_endpoint.audio import portaudio  # noqa: PLC0415 - an extra

    if is_virtual:
        return portaudio.PortAudioFileSink(name, start_ns)
    return portaudio.PortAudioSink(name)


def look_for_sink(
    open_it: Callable[[], Sink], tell: Callable[[str], None], rest: Callable[[float], None]
) -> Sink:
    """Open a sink, again and again while its card is away.

    Args:
        open_it: Opens it, or raises OSError while the card is away.
        tell: Told once why it cannot be opened.
        rest: Passes so many seconds.
    """
    is_told = False
    while True:
        began = time.monotonic()
        try:
            return open_it()
        except OSError as error:
            if not is_told:
                tell(str(error))
            is_told = True
        rest(max(LOOK_S, LOOK_SHARE * (time.monotonic() - began)))
