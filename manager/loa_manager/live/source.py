"""What a speaker's sound may come from, and how it is named on the command line."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, Protocol

from loa_protocol.errors import ConfigError
from loa_protocol.language import translator
from loa_sound.blocks import Samples

_ = translator("loa_manager")

EXAMPLES: Final = "mic:NAME, file:PATH, fifo:PATH, -, icecast://:8700/live"


class SourceKind(enum.StrEnum):
    """The kinds, by the word before the colon."""

    MIC = "mic"
    FILE = "file"
    FIFO = "fifo"
    PCM = "-"
    ICECAST = "icecast"


@dataclass(frozen=True, slots=True)
class SourceName:
    """A source as somebody named it."""

    kind: SourceKind
    place: str  # device, path, or mount
    port: int = 0


class Source(Protocol):
    """Sound that comes by itself."""

    @property
    def is_over(self) -> bool:
        """Whether nothing will come any more."""

    @property
    def trouble(self) -> str:
        """What is wrong with it now, for people; empty where nothing is."""

    def take(self, now_s: float) -> Samples:
        """Return what has come since the last call, without waiting.

        Args:
            now_s: Monotonic seconds.

        Raises:
            PeerError: the device is gone.
            SoundError: what comes is not sound.
        """

    def close(self) -> None:
        """Give back what it holds."""


def parse_source(text: str) -> SourceName:
    """Read the name of a source.

    Raises:
        ConfigError: it is none; the text gives examples.
    """
    kind, colon, place = text.partition(":")
    if text == "-":
        return SourceName(SourceKind.PCM, "")
    if colon and place and kind in (SourceKind.MIC, SourceKind.FILE, SourceKind.FIFO):
        return SourceName(SourceKind(kind), place)
    if kind == SourceKind.ICECAST and place.startswith("//:"):
        port, slash, mount = place.removeprefix("//:").partition("/")
        is_port = port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) <= 65_535
        if is_port and slash and _is_mount(mount):
            return SourceName(SourceKind.ICECAST, f"/{mount}", int(port))
    fault = _("no source; there are: {examples}")
    raise ConfigError(text, [fault.format(examples=EXAMPLES)])


def _is_mount(text: str) -> bool:
    return 0 < len(text) <= 100 and all(c.isascii() and (c.isalnum() or c in "-_./") for c in text)
