"""Text to speech at the desk, by plug-ins: before anybody signs, and never on a board.

A plug-in is a package with an entry point in the group ``loa.speech`` that names an
:class:`Engine`. espeak-ng can always be chosen; whether it is installed is another question. What
an engine makes is a recording like any other: it is measured, heard and signed by people.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final, Protocol

from loa_manager.media.espeak import Espeak
from loa_manager.media.utterance import Utterance
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator
from loa_sound.blocks import Samples
from loa_sound.decoder import decode_whole
from loa_sound.errors import SoundError
from loa_sound.outline import outline_of
from loa_sound.transcode import transcode_to_opus
from loa_sound.trimming import plan_cut
from loa_sound.wave_file import write_wav

_ = translator("loa_manager")

GROUP: Final = "loa.speech"
BUNDLED: Final = "espeak-ng"
MAX_TEXT: Final = 20_000
"""Characters: half an hour of speech."""


class Engine(Protocol):
    """What a plug-in's entry point names: an object, or a class that needs no arguments."""

    def speak(self, utterance: Utterance, target: Path) -> None:
        """Write a sound file (WAV, FLAC, MP3, Opus) of *utterance* to *target*.

        Raises:
            ConfigError: it cannot say this, and why; the text tells what to do.
        """


def engines() -> dict[str, Callable[[], Engine]]:
    """Return how to get each engine, by name, the bundled one first."""
    found: dict[str, Callable[[], Engine]] = {BUNDLED: Espeak}
    for entry in entry_points(group=GROUP):
        found.setdefault(entry.name, lambda entry=entry: _load(entry))  # type: ignore[misc]  # mypy cannot infer a lambda's default
    return found


def find_engine(name: str) -> Engine:
    """Return the engine called *name*.

    Raises:
        ConfigError: there is none, or its package does not load.
    """
    known = engines()
    if name not in known:
        fault = _("no such speech engine; there are: {names}").format(names=", ".join(known))
        raise ConfigError(name, [fault])
    return known[name]()


def say(utterance: Utterance, engine: Engine, target: Path) -> int:
    """Write *utterance*, its ends trimmed, to *target*, WAV or Opus by its name.

    Returns:
        Its length in ms.

    Raises:
        ConfigError: the text is empty or too long, or the engine refuses it.
        SoundError: the engine made no sound.
        StoreError: the place is not writable.
    """
    if not 1 <= len(utterance.text.strip()) <= MAX_TEXT:
        fault = _("expected 1 to {limit} characters").format(limit=MAX_TEXT)
        raise ConfigError(_("text"), [fault])
    with tempfile.TemporaryDirectory(prefix="loa-speech-") as folder:
        made = Path(folder) / "speech.wav"
        engine.speak(utterance, made)
        sound = decode_whole(made)
        outline = outline_of(sound)
        if outline.is_silent:
            raise SoundError("not_audio", target, _("the speech engine said nothing"))
        cut = plan_cut(outline, worth_ms=0)
        return write_sound(target, iter([sound[cut.start : cut.end]]))


def write_sound(target: Path, blocks: Iterator[Samples]) -> int:
    """Write *blocks* to *target*, WAV or Opus by its name; return their length in ms.

    Raises:
        ConfigError: its name is neither's.
        StoreError: the place is not writable.
    """
    check_name(target)
    if target.suffix == ".wav":
        return write_wav(target, blocks) // 48
    with tempfile.TemporaryDirectory(prefix="loa-speech-") as folder:
        whole = Path(folder) / "whole.wav"
        length_ms = write_wav(whole, blocks) // 48
        transcode_to_opus(whole, target)
    return length_ms


def check_name(target: Path) -> None:
    """Refuse a name that says neither WAV nor Opus.

    Raises:
        ConfigError: so it is.
    """
    if target.suffix not in (".wav", ".opus"):
        raise ConfigError(str(target), [_("the name of the sound ends in .wav or .opus")])


def _load(entry: EntryPoint) -> Engine:
    try:
        found = entry.load()
    except (ImportError, AttributeError) as error:
        fault = _("this speech engine does not load: {why}").format(why=error)
        raise ConfigError(entry.name, [fault]) from error
    engine: Engine = found() if isinstance(found, type) else found
    return engine
