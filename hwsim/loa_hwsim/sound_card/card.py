"""A simulated sound card: its folder, its place in ALSA's configuration, and its misfortunes.

It has no process of its own: it lives in whatever program plays to it, and all that the two share
with the outside are the files of its folder. (``loa_card.c`` lists them.)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from loa_hwsim.sound_card.build import build_plugin
from loa_hwsim.sound_card.diary import Diary, read_diary
from loa_protocol.errors import ConfigError, StoreError

CONFIG: Final = "asound.conf"
Fault = Literal["gone", "stalled", "xrun"]
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_BREAKS: Final = re.compile(r'["\\\n]')
_HEAD: Final = 'pcm_type.loa_card {{ lib "{plugin}" }}\n'
_CARD: Final = 'pcm.{name} {{ type loa_card folder "{folder}" ppm {ppm:g} latency {latency} }}\n'
_TAIL: Final = "pcm.default { type null }\n"
"""PortAudio 19.6 aborts unless there is a default."""


@dataclass(frozen=True, slots=True)
class SoundCard:
    """One card.

    Attributes:
        folder: Where it keeps its files; made by `plug_in`.
        name: What ALSA and PortAudio call it.
        ppm: How much too fast its clock runs, in millionths.
        latency: Samples that are still on their way behind its buffer.
    """

    folder: Path
    name: str = "horn"
    ppm: float = 0.0
    latency: int = 0

    @property
    def played(self) -> Path:
        """What was handed over to it: raw S16_LE."""
        return self.folder / "played.raw"

    @property
    def capture(self) -> Path:
        """What it captures: raw S16_LE, a file or a FIFO, put there by whoever wants."""
        return self.folder / "capture"

    def suffer(self, fault: Fault) -> None:
        """Begin *fault*; an ``xrun`` passes by itself."""
        (self.folder / fault).touch()

    def recover(self, fault: Fault) -> None:
        """End *fault*."""
        (self.folder / fault).unlink(missing_ok=True)

    def diary(self) -> Diary:
        """Return what has befallen it so far."""
        return read_diary(self.folder / "events.log", rate_ppm=self.ppm, latency=self.latency)


def plug_in(folder: Path, cards: Sequence[SoundCard], *, cache: Path | None = None) -> Path:
    """Make *cards*, and a configuration of ALSA in *folder* in which there is nothing else.

    Returns:
        What ``ALSA_CONFIG_PATH`` has to be for a program that is to find them.

    Raises:
        ConfigError: The plug-in cannot be compiled, or a name or path would break ALSA's syntax.
        StoreError: The folders cannot be written.
    """
    for card in cards:
        if not _NAME.fullmatch(card.name) or _BREAKS.search(str(card.folder.absolute())):
            raise ConfigError("sound card", [f"{card.name!r} in {card.folder}: letters and digits"])
    plugin = build_plugin(cache)
    try:
        for card in cards:
            card.folder.mkdir(parents=True, exist_ok=True)
        lines = [
            _CARD.format(
                name=card.name, folder=card.folder.absolute(), ppm=card.ppm, latency=card.latency
            )
            for card in cards
        ]
        config = folder.absolute() / CONFIG
        config.write_text(_HEAD.format(plugin=plugin) + "".join(lines) + _TAIL)
    except OSError as error:
        raise StoreError(str(folder), error.strerror or str(error)) from error
    return config
