"""A pole in virtual time: real stage, director, mixing desk and amplifier; what the horn hears.

Rounds of the agent come each 100 ms, blocks of the player each 20 ms. What the stage sends is
carried out before the next block; what the desk says is heard by the stage before the next one.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loa_endpoint.app.stage import Parts, Stage
from loa_endpoint.audio import messages as m
from loa_endpoint.audio.desk import Desk
from loa_endpoint.audio.file_sound import FileSound
from loa_endpoint.audio.mixer import Mixer
from loa_endpoint.audio.sink import NullSink
from loa_endpoint.core.amplifier import Amplifier as Sequencer
from loa_endpoint.core.amplifier_bus import AmplifierBus
from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import Effect
from loa_endpoint.core.orders import Body, Kept, Progress, Taking
from loa_endpoint.core.schedule import Planned
from loa_hwsim.amplifier import Amplifier, LineRating
from loa_hwsim.amplifier_port import AmplifierPort
from loa_hwsim.faults import FaultPlan
from loa_protocol.envelope import Kind
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.authority import Level
from loa_protocol.objects.command import Command
from loa_protocol.objects.playlist import Playlist
from loa_protocol.record import ClockTrust, Record
from loa_sound.blocks import CHUNK, RATE
from support.director_stage import BEGIN, MONO
from support.director_stage import Stage as DirectorStage

Floats = NDArray[np.float32]
ROUND = RATE // 10
BEAT = RATE // 5
HEARD = m.Prepared | m.Started | m.Ended | m.ItemMeasured | m.Fault | m.Beat


class Amplified:
    """The amplifier and its bus, without a line: bytes arrive in the block in which they leave."""

    def __init__(self, *, wake_ms: int, idle_ms: int, now_ms: int, faults: FaultPlan) -> None:
        self.sequencer = Sequencer(wake_ms, idle_ms, now_ms)
        self.bus = AmplifierBus(self.sequencer)
        self.model = Amplifier(LineRating(), faults, wake_ms=wake_ms)
        self.port = AmplifierPort(self.model)
        self.events: list[Any] = []
        self.bus.start(now_ms)
        self._late: list[tuple[float, bytes]] = []

    def lead(self, effects: list[Effect], now_ms: int) -> list[Effect]:
        led = self.sequencer.lead(effects, now_ms)
        self.pass_on(now_ms)
        return led

    def follow(self, planned: list[Planned], now: Reading) -> None:
        self.sequencer.follow(planned, now)

    def want(self, now_ms: int) -> None:
        self.sequencer.want(now_ms)

    def pass_on(self, now_ms: int) -> None:
        """Carry what is on the line."""
        due = [data for when, data in self._late if when <= now_ms]
        self._late = [each for each in self._late if each[0] > now_ms]
        for data in due:
            self.events += self.bus.feed(data, now_ms)
        self.events += self.bus.tick(now_ms)
        for output in self.port.feed(self.bus.outgoing(), now_ms):
            self._late.append((output.when_ms, output.data))


class VirtualPole:
    """One pole.

    Attributes:
        now_ms: Unix.
        sent: What the player was told, with the sample it came before.
        records: What was kept.
    """

    def __init__(
        self,
        files: Mapping[bytes, Path],
        schedule: Playlist | None = None,
        *,
        begin_ms: int = BEGIN - 30_000,
        amplifier: Mapping[str, Any] | None = None,
        **rules: Any,
    ) -> None:
        base = DirectorStage(schedule, cached=tuple(files), **rules)
        self._begin_ms, self._written = begin_ms, 0
        self._files, self.records, self.progress = files, list[Any](), dict[bytes, Progress]()
        self.sent: list[tuple[int, m.Message]] = []
        self.heard: list[m.Event] = []
        self._said: list[m.Event] = []
        self._parts: list[Floats] = []
        self._horn: list[Floats] = []
        self.amplifier: Amplified | None = None
        if amplifier is not None:
            facts = {"wake_ms": 800, "idle_ms": 600_000, "faults": FaultPlan(()), **amplifier}
            self.amplifier = Amplified(now_ms=self.reading().mono_ms, **facts)
        parts: dict[str, Any] = dict.fromkeys(field.name for field in dataclasses.fields(Parts))
        parts |= {
            "player": self,
            "outbox": self,
            "media_path": files.get,
            "read_clock": self.reading,
            "on_kept": lambda: None,
            "cached": lambda: tuple(files),
            "book": self,
            "host": self,
            "amplifier": self.amplifier,
        }
        self.stage = Stage(base.director, Parts(**parts))
        self.start_player()

    @property
    def now_ms(self) -> int:
        return self._begin_ms + self._written * 1000 // RATE

    @property
    def written(self) -> Floats:
        """Everything so far, as the sink has it."""
        return np.concatenate([np.zeros(0, np.float32), *self._parts])

    @property
    def horn(self) -> Floats:
        """Everything so far, as it came out of the amplifier."""
        return np.concatenate([np.zeros(0, np.float32), *self._horn])

    def sample_at(self, unix_ms: float) -> int:
        return round((unix_ms - self._begin_ms) * RATE / 1000)

    def part(self, from_ms: float, to_ms: float) -> Floats:
        """Return what was written between two unix instants."""
        return self.written[self.sample_at(from_ms) : self.sample_at(to_ms)]

    def reading(self) -> Reading:
        now_ms = self.now_ms
        return Reading(
            mono_ms=now_ms - BEGIN + MONO, unix_ms=now_ms, trust=ClockTrust.T3, uncertainty_ms=5
        )

    def start_player(self) -> None:
        """Have a new player, which knows nothing."""
        self.desk = Desk(
            Mixer(), NullSink((self._begin_ms - BEGIN + MONO) * 10**6), self._say, None
        )
        self.desk.skip(self._written)
        epoch_ns = (self._begin_ms - BEGIN + MONO) * 10**6
        self.stage.on_player(m.Ready(pid=1, epoch_ns=epoch_ns, at_ns=epoch_ns))

    def order(self, body: Body, level: Level = Level.COMMUNE) -> Kept:
        """Have an order accepted, as the inbox would, between two rounds."""
        kinds = {Alert: Kind.ALERT, Command: Kind.COMMAND}
        taking = Taking(level=level, taken_ms=self.now_ms, holders=("an",))
        kind = kinds.get(type(body), Kind.GRANT)
        kept = Kept(kind=kind, digest=body.id * 2, body=body, taking=taking)
        self.stage.on_order(kept)
        return kept

    def run(self, until_ms: float, *, deaf: bool = False) -> None:
        """Let time pass; *deaf*: the player stands, and what should be written is silence."""
        while self._written < self.sample_at(until_ms):
            self._hear()
            if self._written % ROUND < CHUNK:
                self.stage.round()
            count = min(CHUNK, self.sample_at(until_ms) - self._written)
            block = np.zeros(count, dtype=np.float32)
            if not deaf:
                self.desk.wait_for_sounds(count)
                self.desk.render(block)
            self._put(block)
            if self._written % BEAT < CHUNK and not deaf:
                self.desk.beat(self._written, self.reading().mono_ms * 10**6)

    def started(self, kind: str) -> list[m.Started]:
        """Return what began to sound under a name that begins so."""
        return [e for e in self.heard if isinstance(e, m.Started) and e.source.startswith(kind)]

    def _put(self, block: Floats) -> None:
        now_ms = self.reading().mono_ms
        whole = block
        if self.amplifier is not None:
            self.amplifier.pass_on(now_ms)
            whole = self.amplifier.model.at_the_horn(block, now_ms)
        self._parts.append(block)
        self._horn.append(whole)
        self._written += len(block)

    def _hear(self) -> None:
        said, self._said = self._said, []
        for event in said:
            self.heard.append(event)
            if isinstance(event, HEARD):
                self.stage.on_player(event)

    def _say(self, event: m.Event) -> None:
        self._said.append(event)

    # What the stage asks of player, outbox, book and host.

    def send(self, message: m.Command) -> None:
        self.sent.append((self._written, message))
        self.desk.handle(message)
        if isinstance(message, m.Prepare):  # decoding takes no virtual time
            sound = self.desk.sounds.find(message.source)
            assert isinstance(sound, FileSound)
            sound.wait(message.position_ms * RATE // 1000)

    def append(self, record: Record) -> None:
        self.records.append(record.body)

    def keep_progress(self, order: bytes, progress: Progress) -> None:
        self.progress[order] = progress

    def drop(self, order: bytes) -> None:
        self.progress.pop(order, None)

    def keep_session(self, start: int) -> None:
        """It is not kept."""

    def want_time(self) -> None:
        """Nobody is asked."""


def jitter(count: int, seed: int, most_ms: int = 2000) -> list[int]:
    """Return delays of delivery, ms; the first and last of them as long as they can be."""
    chance = random.Random(seed)
    return [0, *(chance.randrange(most_ms) for _ in range(count - 2)), most_ms]
