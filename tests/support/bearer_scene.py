"""An endpoint's surroundings for the fallback machine, in virtual time: tuner, player, network.

It obeys the machine's effects as agent and player would, feeds it the readings they would make of
the scripted world, and checks at every step what must never happen.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from loa_endpoint.core.bearer import (
    Bearer,
    Close,
    Effect,
    Event,
    FlowRead,
    Item,
    ItemAnnounced,
    ItemEnded,
    ItemStarted,
    Mute,
    Note,
    PiRead,
    PreOpen,
    SignalRead,
    Sound,
    SoundFailed,
    SoundRead,
    SoundReady,
    SwitchTo,
    Tick,
    TunerQuiet,
    TunerTuned,
    WindowOpened,
)
from loa_endpoint.core.fallback import Fallback
from loa_endpoint.core.fallback_table import State
from loa_protocol.objects.playlist import BearerKind
from loa_protocol.parameters import FallbackParameters

PI, OTHER_PI = 0x7301, 0x7A44
FM = Bearer(id="fm", kind=BearerKind.FM, cost=0, frequency_khz=61_500, pi=PI)
STREAM = Bearer(id="stream", kind=BearerKind.STREAM, cost=5)
MEDIA = Bearer(id="media", kind=BearerKind.MEDIA, cost=10)
PARAMETERS = FallbackParameters(fm_baseline_cdbuv=5500)
HOUR_MS = 3_600_000
SIGNAL_MS, METER_MS = 66, 100
READY_MS = {BearerKind.FM: 20, BearerKind.STREAM: 300, BearerKind.MEDIA: 40}
HISS_CDBFS, HISS_PERMILLE, SPEECH_PERMILLE = -1200, 900, 250
EMPTY_CDBUV = 300

LOGGED = {
    "suspect",
    "fail",
    "switch",
    "fallback",
    "return",
    "hold",
    "release",
    "mute",
    "unmute",
    "pi_mismatch",
    "fm_rejected",
    "programme_failure_alarm",
}


@dataclass
class World:
    """What there is to be heard, and by whom."""

    level_cdbuv: int = 5500
    cci_permille: int = 30
    pi: int | None = PI
    tuner: bool = True
    programme_cdbfs: int = -2000  # what the studio sends, on FM and stream alike
    flatness_permille: int = SPEECH_PERMILLE
    stream: bool = True  # the server answers
    stream_starved: bool = False
    media: bool = True

    @property
    def hisses(self) -> bool:
        return self.level_cdbuv < 2000


@dataclass
class Scene:
    parameters: FallbackParameters = PARAMETERS
    seed: int = 1
    world: World = field(default_factory=World)
    now_ms: int = 0
    log: list[tuple[int, str, str, str]] = field(default_factory=list)
    effects: list[tuple[int, Effect]] = field(default_factory=list)
    audible: str | None = None
    muted_ms: int = 0  # how long nothing sounded while an item ran
    pace: int = 1  # readings come so many times more rarely, for tests over hours

    def __post_init__(self) -> None:
        self.machine = Fallback(self.parameters, random.Random(self.seed))
        self.open: dict[str, Bearer] = {}
        self.ready: set[str] = set()
        self.window_ms = -1
        self.item: Item | None = None
        self.quiet_told = False
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0
        self._last_signal_ms = 0
        self._at(0, self._signal)
        self._at(0, self._meter)

    # --- the script

    def window(self, until_ms: int) -> None:
        self.window_ms = until_ms
        self.tell(WindowOpened(FM.id, until_ms))
        self.tell(TunerTuned(FM.frequency_khz))

    def play(
        self,
        *bearers: Bearer,
        sound: Sound = Sound.NORMAL,
        local: Bearer | None = None,
        expected_silence: tuple[tuple[int, int], ...] = (),
        announce_ms: int = 2000,
    ) -> None:
        item = Item(
            id=f"item{self.now_ms}",
            bearers=bearers,
            sound=sound,
            local=local,
            expected_silence=expected_silence,
        )
        if announce_ms:
            self.tell(ItemAnnounced(item))
            self.run(announce_ms)
        self.item = item
        self.tell(ItemStarted(item))

    def end(self) -> None:
        self.item = None
        self.tell(ItemEnded())

    def run(self, for_ms: int) -> None:
        """Let the world and the machine's deadlines go on."""
        end_ms = self.now_ms + for_ms
        while True:
            deadline_ms = self.machine.next_deadline()
            if deadline_ms is not None and deadline_ms <= min(end_ms, self._due[0][0]):
                self._advance(deadline_ms)
                self.tell(Tick())
            elif self._due[0][0] <= end_ms:
                at_ms, _, do = heapq.heappop(self._due)
                self._advance(at_ms)
                do()
            else:
                break
        self._advance(end_ms)

    def tell(self, event: Event) -> tuple[Effect, ...]:
        effects = self.machine.handle(event, self.now_ms)
        for effect in effects:
            self.effects.append((self.now_ms, effect))
            self._obey(effect)
        deadline_ms = self.machine.next_deadline()
        assert deadline_ms is None or deadline_ms > self.now_ms, "the machine asks for the past"
        self._check()
        return effects

    # --- what a test asks

    @property
    def state(self) -> State:
        return self.machine.state

    def hears(self, bearer: str | None) -> bool:
        return self.audible == bearer

    def stands_at(self, state: State) -> bool:
        return self.machine.state is state

    def said(self, *names: str) -> list[tuple[str, str, str]]:
        """Notes of these names (all that are logged by default): name, bearer, cause."""
        wanted = set(names) or LOGGED
        return [(name, bearer, cause) for _, name, bearer, cause in self.log if name in wanted]

    def read_log(self) -> list[tuple[int, str, str, str]]:
        """Everything that an operator would read, with its time."""
        return [line for line in self.log if line[1] in LOGGED]

    def when(self, name: str) -> list[int]:
        return [at_ms for at_ms, said, _, _ in self.log if said == name]

    def forget(self) -> None:
        self.log.clear()
        self.effects.clear()
        self.muted_ms = 0

    # --- the world

    def _at(self, at_ms: int, do: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._due, (at_ms, self._number, do))

    def _advance(self, to_ms: int) -> None:
        if self.audible is None and self.item is not None:
            self.muted_ms += to_ms - self.now_ms
        self.now_ms = to_ms

    def _signal(self) -> None:
        self._at(self.now_ms + SIGNAL_MS * self.pace, self._signal)
        world = self.world
        if not world.tuner:
            reopen_ms = self._last_signal_ms + self.parameters.tuner_reopen_ms
            if self.now_ms >= reopen_ms and not self.quiet_told:
                self.quiet_told = True
                self.tell(TunerQuiet())
            return
        if self.quiet_told:
            self.quiet_told = False
            self.tell(TunerTuned(FM.frequency_khz))
        self._last_signal_ms = self.now_ms
        self.tell(SignalRead(world.level_cdbuv, world.cci_permille))
        if world.pi is not None and world.level_cdbuv > 1700:
            self.tell(PiRead(world.pi, 0))

    def _meter(self) -> None:
        self._at(self.now_ms + METER_MS * self.pace, self._meter)
        world = self.world
        for id_ in sorted(self.ready):
            bearer = self.open.get(id_)
            if bearer is None:  # closed while its neighbour was read
                continue
            if bearer.kind is BearerKind.FM:
                hiss = world.hisses and world.tuner
                level = HISS_CDBFS if hiss else world.programme_cdbfs
                flatness = HISS_PERMILLE if hiss else world.flatness_permille
                self.tell(SoundRead(id_, level if world.tuner else -12_000, flatness))
            elif bearer.kind is BearerKind.STREAM:
                self.tell(FlowRead(id_, starved=world.stream_starved, receiving=world.stream))
                if world.stream and not world.stream_starved and id_ in self.open:
                    self.tell(SoundRead(id_, world.programme_cdbfs, world.flatness_permille))

    def _obey(self, effect: Effect) -> None:
        match effect:
            case PreOpen(bearer=bearer):
                assert bearer.id not in self.open, "opened twice"
                self.open[bearer.id] = bearer
                self._at(self.now_ms + READY_MS[bearer.kind], lambda: self._opened(bearer))
            case Close(bearer=bearer):
                del self.open[bearer.id]
                self.ready.discard(bearer.id)
            case SwitchTo(bearer=bearer):
                assert bearer.id in self.ready, f"{bearer.id} has nothing to sound"
                self.audible = bearer.id
            case Mute():
                self.audible = None
            case Note(name=name, bearer=id_, cause=cause):
                self.log.append((self.now_ms, name, id_, cause))

    def _opened(self, bearer: Bearer) -> None:
        if bearer.id not in self.open or bearer.id in self.ready:
            return
        able = {
            BearerKind.FM: True,
            BearerKind.STREAM: self.world.stream,
            BearerKind.MEDIA: self.world.media,
        }[bearer.kind]
        if able:
            self.ready.add(bearer.id)
            self.tell(SoundReady(bearer.id))
        else:
            self.tell(SoundFailed(bearer.id, "unreachable"))

    def _check(self) -> None:
        """What must hold after every single step."""
        sounding = self.machine.sounding
        assert (sounding.id if sounding else None) == self.audible
        if sounding is None:
            silent = {State.ACQUIRING, State.SWITCHING, State.MUTED, State.IDLE, State.EMERGENCY}
            assert self.state in silent
            return
        assert self.item is not None, "something sounds without an item"
        if sounding.kind is BearerKind.FM:
            assert self.now_ms < self.window_ms, "FM outside its signed window"
            assert self.item.sound is not Sound.EMERGENCY, "FM in an emergency"
