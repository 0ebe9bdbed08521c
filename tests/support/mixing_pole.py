"""One pole in one process and in virtual time: director, stage and the player's desk, all real.

What comes back is what would be written to the sink. Only the pipes between agent and player, the
disk and the clock are the test's own; a round takes 100 ms.
"""

from __future__ import annotations

import pathlib
import random
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

import numpy as np

from loa_endpoint.app.stage import Parts, Stage
from loa_endpoint.audio import messages as m
from loa_endpoint.audio.desk import Desk
from loa_endpoint.audio.line_in import LineIn
from loa_endpoint.audio.live_sound import LiveSound
from loa_endpoint.audio.mixer import Mixer
from loa_endpoint.audio.sink import NullSink
from loa_endpoint.core import bearer as machine
from loa_endpoint.core.agenda import Programme
from loa_endpoint.core.bearer_desk import BearerDesk
from loa_endpoint.core.clock import Reading
from loa_endpoint.core.director import Director
from loa_endpoint.core.fallback import Fallback
from loa_endpoint.core.place import Place
from loa_protocol.objects.playlist import Mark, Playlist
from loa_protocol.objects.policy import Policy
from loa_protocol.parameters import FallbackParameters
from loa_protocol.record import Body, ClockTrust, Record
from loa_sound.blocks import BLOCK, CHUNK, RATE, Samples
from support.sound_files import Wave, to_pcm
from support.waiting import soon

ROUND_MS = 100
EPOCH_MS = 5_000_000  # monotonic, of the first sample
_Kind = TypeVar("_Kind", bound=Body)


class Air:
    """A line-in: what the tuner gives, as a function of the unix ms at which a piece begins."""

    def __init__(self, sound: Callable[[int], Wave], clock: Callable[[], int]) -> None:
        self._sound, self._clock = sound, clock

    def take(self) -> bytes:
        return to_pcm(self._sound(self._clock())).tobytes()

    def close(self) -> None:
        pass


class Pole:
    """A pole that plays *schedule* from unix *begin_ms* on.

    Attributes:
        bodies: What it has written down.
        readings: What the tuner says in every round.
    """

    def __init__(
        self,
        schedule: Playlist,
        policy: Policy,
        files: dict[bytes, pathlib.Path],
        *,
        begin_ms: int,
        air: Callable[[int], Wave] | None = None,
        is_horn: bool = False,
    ) -> None:
        self.begin_ms = self.now_ms = begin_ms
        self.bodies: list[Body] = []
        self.said: list[m.Message] = []
        self.readings: tuple[machine.Event, ...] = ()
        self._air = air
        self._files = files
        self._parts_of_sound: list[Samples] = []
        self._events: list[m.Event] = []
        self.desk = self._new_desk()
        fallback = Fallback(FallbackParameters(), random.Random(1))
        place = Place(scope="vn/ls/st0137/c04", mark=Mark.TEST, epoch=3)
        self.director = Director(place, BearerDesk(fallback), is_horn=is_horn)
        self.stage = Stage(self.director, self._parts())
        self.stage.restore(())
        self.stage.on_policy(policy)
        self.stage.perform(self.director.on_cached(files, self.reading()))
        programme = Programme(playlist=schedule, digest=b"d" * 32, policy=policy)
        self.stage.perform(self.director.on_programme(programme, self.reading()))
        self.stage.on_player(m.Ready(pid=1, epoch_ns=EPOCH_MS * 1_000_000, at_ns=0))

    def reading(self) -> Reading:
        mono = EPOCH_MS + self.now_ms - self.begin_ms
        return Reading(mono_ms=mono, unix_ms=self.now_ms, trust=ClockTrust.T3, uncertainty_ms=5)

    def run(self, until_ms: int) -> None:
        """Let time pass."""
        while self.now_ms < until_ms:
            self._tell()
            for reading in self.readings:
                self.stage.perform(self.director.on_reading(reading, self.reading()))
            self.stage.round()
            self._render()
            self.now_ms += ROUND_MS

    def restart_player(self) -> None:
        """Lose the player, and have another one that knows nothing."""
        self.desk = self._new_desk()
        self._events.clear()
        now_ns = self.reading().mono_ms * 1_000_000
        self.stage.on_player(m.Ready(pid=2, epoch_ns=EPOCH_MS * 1_000_000, at_ns=now_ns))

    def heard(self, from_ms: int, until_ms: int) -> Samples:
        """Return what was written between two unix instants."""
        sound = np.concatenate(self._parts_of_sound)
        first, last = ((at - self.begin_ms) * RATE // 1000 for at in (from_ms, until_ms))
        assert last <= len(sound), "that has not been played yet"
        return sound[first:last]

    def kept(self, kind: type[_Kind]) -> list[_Kind]:
        return [body for body in self.bodies if isinstance(body, kind)]

    # --- inside

    def _new_desk(self) -> Desk:
        line_in = None
        if self._air is not None:
            line_in = LineIn(Air(self._air, lambda: self.now_ms), CHUNK)
        mixer = Mixer((self.now_ms - self.begin_ms) * RATE // 1000)
        self.line_in = line_in
        return Desk(mixer, NullSink(EPOCH_MS * 1_000_000), self._events.append, line_in)

    def _render(self) -> None:
        if self.line_in is not None:
            self.line_in.pump(CHUNK)
            if (level := self.line_in.take_level()) is not None:
                said = m.LineInLevel(rms_dbfs=level.rms_dbfs, flatness=level.flatness, at_ns=0)
                self._events.append(said)
        block = np.zeros(CHUNK, dtype=np.float32)
        self.desk.wait_for_sounds(CHUNK)
        for at in range(0, CHUNK, BLOCK):
            self.desk.render(block[at : at + BLOCK])
        self._parts_of_sound.append(block)

    def _tell(self) -> None:
        while self._events:
            self.stage.on_player(self._events.pop(0))

    def send(self, command: m.Message) -> bool:
        """Take a command, as the player's supervisor does."""
        self.said.append(command)
        live = self.desk.sounds.find(command.source) if isinstance(command, m.Feed) else None
        before = live._decoded.qsize() if isinstance(live, LiveSound) else 0
        self.desk.handle(cast("m.Command", command))
        if isinstance(live, LiveSound):
            sound = live
            soon(lambda: sound._decoded.qsize() > before)
        if isinstance(command, m.Prepare):
            self.desk.wait_for_sounds(0)
            name = command.source
            soon(lambda: self._is_opened(name))
        return True

    def _is_opened(self, source: str) -> bool:
        """Render nothing, so that what the decoder has found out is told."""
        self.desk.render(np.zeros(0, dtype=np.float32))
        return any(getattr(event, "source", "") == source for event in self._events)

    def append(self, record: Record) -> None:
        """Keep a record, as the outbox does."""
        self.bodies.append(record.body)

    def keep_progress(self, *_: object) -> None:
        """Keep nothing: there is no restart of the agent here."""

    def keep_session(self, _: int) -> None:
        """Keep nothing: there is one day here."""

    def drop(self, _: bytes) -> None:
        """Forget nothing."""

    def _parts(self) -> Parts:
        facts: dict[str, Any] = {
            "player": self,
            "outbox": self,
            "media_path": self._files.get,
            "tuner": None,
            "read_clock": self.reading,
            "on_kept": lambda: None,
            "cached": lambda: cast("Iterable[bytes]", self._files),
            "book": self,
            "host": self,
        }
        return Parts(**facts)


def level_db(sound: Samples, hz: float) -> float:
    """Return the peak level of a sine of *hz* in *sound*, in dBFS."""
    window = np.hanning(len(sound))
    turn = np.exp(-2j * np.pi * hz * np.arange(len(sound)) / RATE)
    return float(20 * np.log10(2 * abs((sound * window) @ turn) / window.sum() + 1e-9))
