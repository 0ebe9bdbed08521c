"""The sounds that the agent has asked for, by name: opened ahead, let go of when they are over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from loa_endpoint.audio import messages as m
from loa_endpoint.audio.file_sound import FileSound
from loa_endpoint.audio.live_sound import LiveSound
from loa_endpoint.audio.mixer import Mixer
from loa_endpoint.audio.notice import Notice, OpenedSound
from loa_endpoint.audio.stream_sound import open_stream, pump_streams
from loa_endpoint.audio.tone import ToneSound
from loa_endpoint.audio.voice import Sound
from loa_sound.blocks import RATE

MAX_SOUNDS: Final = 16
"""Prepared together; each holds 576 kB and a thread."""


class Sounds:
    """What is open, and what the mixer plays of it."""

    def __init__(self, mixer: Mixer, emit: Callable[[m.Event], None]) -> None:
        """Open for *mixer*; tell what befalls a sound to *emit*."""
        self._mixer, self._emit = mixer, emit
        self._sounds: dict[str, OpenedSound] = {}
        self._notices: SimpleQueue[Notice] = SimpleQueue()

    def __iter__(self) -> Iterator[OpenedSound]:
        return iter(self._sounds.values())

    def find(self, name: str) -> OpenedSound | None:
        """Return the sound called *name*; None where it is over, or was never opened."""
        return self._sounds.get(name)

    def prepare(self, command: m.Prepare) -> None:
        """Open a file, and decode it ahead."""
        name = command.source
        if self._has_room(name):
            self._sounds[name] = FileSound(
                name,
                Path(command.path),
                self._notices,
                gain=_to_ratio(command.gain_db),
                position=to_samples(command.position_ms),
            )

    def open_live(self, command: m.OpenLive) -> None:
        """Open live sound, whose packets come by `feed`."""
        if self._has_room(command.source):
            sound = LiveSound(command.source, gain=_to_ratio(command.gain_db))
            self._sounds[command.source] = sound

    def open_tone(self, command: m.OpenTone) -> None:
        """Open a tone that is worked out here."""
        if self._has_room(command.source):
            gain, length = _to_ratio(command.gain_db), to_samples(command.length_ms)
            tone = ToneSound(command.source, command.kind, gain=gain, length=length)
            self._sounds[command.source] = tone

    def open_stream(self, command: m.OpenStream) -> None:
        """Open somebody's stream, in a process of its own."""
        if self._has_room(command.source):
            opened = open_stream(command, self, self._notices)
            if isinstance(opened, m.Ended):
                self._emit(opened)
            else:
                self._sounds[command.source] = opened

    def feed(self, command: m.Feed) -> None:
        """Give packets to live sound."""
        sound = self._sounds.get(command.source)
        if isinstance(sound, LiveSound):
            sound.feed(to_samples(command.position_ms), command.packets)
        else:
            self._fault("unknown_source", command.source)

    def release(self, command: m.Release) -> None:
        """Let go of a sound that will not be played after all."""
        sound = self._sounds.get(command.source)
        if sound is not None and not self._mixer.uses(sound):
            self._forget(sound)

    def pump(self, samples: int, at_ns: int) -> None:
        """Hear what was opened or failed, and take in what streams have brought.

        Args:
            samples: So many of the timeline have passed since the last call.
            at_ns: When the next one sounds.
        """
        pump_streams(self, samples, at_ns, self._emit)
        while not self._notices.empty():
            self._note(self._notices.get())

    def ended(self, sound: Sound) -> None:
        """Know that *sound* has ended; unless it is to sound once more, it is let go of."""
        mine = self._sounds.get(sound.name)
        if mine is sound and not self._mixer.uses(sound):
            self._forget(mine)

    def _has_room(self, name: str) -> bool:
        """Tell whether a source may be opened as *name*; one that has not sounded makes room."""
        old = self._sounds.get(name)
        if old is not None and self._mixer.uses(old):
            self._fault("already_sounding", name)
            return False
        if old is None and len(self._sounds) >= MAX_SOUNDS:
            self._fault("too_many", f"sources: {name}")
            return False
        if old is not None:
            old.close()
        return True

    def _note(self, notice: Notice) -> None:
        """Pass on what a decoding thread has found out."""
        sound = notice.sound
        if self._sounds.get(sound.name) is not sound:
            return  # replaced or released meanwhile
        if not notice.failed:
            self._emit(m.Prepared(source=sound.name, duration_ms=notice.duration_ms))
        elif sound.finish == 0:  # nothing of it can be played; else the mixer reports the break
            self._mixer.forget(sound)
            self._emit(m.Ended(source=sound.name, reason="broken", at_ns=0, detail=sound.failure))
            self._forget(sound)

    def _forget(self, sound: OpenedSound) -> None:
        sound.close()
        if self._sounds.get(sound.name) is sound:
            del self._sounds[sound.name]

    def _fault(self, name: str, detail: str) -> None:
        self._emit(m.Fault(name=name, detail=detail[:500]))


def to_samples(ms: int) -> int:
    """Convert milliseconds to samples."""
    return ms * RATE // 1000


def _to_ratio(gain_db: float) -> float:
    return 10 ** (gain_db / 20) if gain_db > -100 else 0.0
