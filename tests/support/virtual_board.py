"""A real agent in virtual time: its own wiring, disk, director and player core, in one process.

In the place of pipes and sockets stand three parts of the test: the player's desk is called, and
what it renders goes to a tape; files and time answers come from a *line*; what the broker pushes is
handed to the agent as its uplink does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from loa_endpoint.app import agent as agent_module
from loa_endpoint.app import carriers as carriers_module
from loa_endpoint.app import plane as plane_module
from loa_endpoint.app.agent import Agent
from loa_endpoint.app.options import Options
from loa_endpoint.app.rounds import Rounds
from loa_endpoint.audio import messages as m
from loa_endpoint.audio.desk import Desk
from loa_endpoint.audio.file_sound import FileSound
from loa_endpoint.audio.live_sound import LiveSound
from loa_endpoint.audio.mixer import Mixer
from loa_endpoint.audio.notice import OpenedSound
from loa_endpoint.content.fetch import Answer, Request, Sink
from loa_endpoint.core.clock import Reading
from loa_endpoint.store.identity import IdentityStore
from loa_endpoint.store.outbox import Outbox, Writer
from loa_endpoint.store.state import State
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.objects.placement import Assignment, Settings
from loa_protocol.record import ClockTrust
from loa_protocol.trust import position_of, subject_of
from loa_sound.blocks import CHUNK, RATE, Samples
from support.province import CLUSTER, SCOPE, province
from support.virtual_time import SECOND_NS, VirtualClock
from support.waiting import soon

SMALL = 4_000_000  # bytes of outbox
IDLE_S = 20.0  # between two rounds while nothing sounds or is about to
NEAR_MS = 60_000
_BEAT_NS = 200_000_000


class Line(Protocol):
    """Whoever owns the servers and the network to them."""

    async def connect(self) -> None:
        """Take a connection, or raise FetchError."""

    async def fetch(self, request: Request, sink: Sink | None) -> Answer:
        """Answer as what the fetcher makes of a server's answer."""


class Tape(Protocol):
    """Where the samples go."""

    def write(self, samples: Samples, first_ns: int) -> None:
        """Take samples; *first_ns* is the monotonic instant of the first."""


class VirtualPlayer:
    """The player's desk, called: every command is carried out at its very instant."""

    def __init__(self, clock: VirtualClock, tape: Tape) -> None:
        self._clock, self._tape = clock, tape
        self.epoch_ns = clock.mono_ns
        self._events: asyncio.Queue[m.Event] = asyncio.Queue()
        self._stir = asyncio.Event()
        self._next_beat_ns = 0
        self._rendering: asyncio.Task[None] | None = None
        self.desk = Desk(Mixer(), self, self._events.put_nowait, None)
        self.last_moving_ns = self.last_waiting_ns = self.restarts = 0
        self.pid: int | None = None

    async def start(self) -> None:
        now_ns = self._clock.mono_ns
        self._events.put_nowait(m.Ready(pid=1, epoch_ns=self.epoch_ns, at_ns=now_ns))
        self._rendering = asyncio.create_task(self._render())

    async def stop(self) -> None:
        assert self._rendering is not None
        self._rendering.cancel()
        self._render_to_now()
        self.desk.handle(m.Quit())
        for _ in range(3):  # what fades out is heard too
            self._render_block(CHUNK)

    def send(self, command: m.Message) -> bool:
        self._render_to_now()
        assert isinstance(command, m.Command)
        sound = self._sound(command)
        before = _decoded(sound)
        if not isinstance(command, m.Clock):  # for the black box, which is not here
            self.desk.handle(command)
        match command:
            case m.Prepare(position_ms=position_ms):
                opened = self._sound(command)
                if isinstance(opened, FileSound):
                    opened.wait(position_ms * RATE // 1000)
            case m.Feed():
                soon(lambda: sound is None or _decoded(sound) > before)
        self._render_block(0)  # tell what was found out
        self._stir.set()
        return True

    async def events(self) -> AsyncIterator[m.Event]:
        while True:
            yield await self._events.get()

    @property
    def is_idle(self) -> bool:
        return self.desk.is_idle

    def _sound(self, command: m.Command) -> OpenedSound | None:
        return self.desk.sounds.find(getattr(command, "source", ""))

    async def _render(self) -> None:
        while True:
            self._render_to_now()
            if self.is_idle:
                self._stir.clear()
                await self._stir.wait()
            await asyncio.sleep(0.1)

    def _render_to_now(self) -> None:
        due = (self._clock.mono_ns - self.epoch_ns) * RATE // SECOND_NS
        left = due - self.desk.now
        while left > 0:
            if self.is_idle:
                self.desk.skip(left)
                return
            self._render_block(min(left, CHUNK))
            left = due - self.desk.now

    def _render_block(self, samples: int) -> None:
        block = np.zeros(samples, dtype=np.float32)
        first_ns = self.epoch_ns + self.desk.now * SECOND_NS // RATE
        self.desk.wait_for_sounds(samples)
        self.desk.render(block)
        if samples:
            self._tape.write(block, first_ns)
        if self.desk.mixer.voices and first_ns >= self._next_beat_ns:
            self._next_beat_ns = first_ns + _BEAT_NS
            self.desk.beat(self.desk.now, self._clock.mono_ns)


class VirtualSession:
    """The uplink's place: a broker that may say anything, and swallows what it is given."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.is_connected = True

    def wake(self) -> None:
        """Nothing is sent: the broker swallows it."""

    def renew(self) -> None:
        """There is nothing to renew."""

    async def run(self) -> None:
        await asyncio.Event().wait()


class _Fetcher:
    """The content fetcher's place."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def connect(self, _request: Request) -> None:
        await self._line.connect()

    async def fetch(self, request: Request, sink: Sink | None = None) -> Answer:
        return await self._line.fetch(request, sink)

    def close(self) -> None:
        """There is nothing to close."""


class VirtualAgent(Agent):
    """The agent, with what the tests ask of it."""

    @property
    def sink(self) -> VirtualPlayer:
        player: Any = self.player
        assert isinstance(player, VirtualPlayer)
        return player

    def reading(self) -> Reading:
        return self.time.read()

    def end(self) -> None:
        """End this run in order."""
        self._stop.set()

    def is_quiet(self) -> bool:
        """Tell whether nothing sounds, is about to, or waits to."""
        now = self.time.read()
        if self.stage.director.play is not None or not self.sink.is_idle:
            return False
        if now.trust < ClockTrust.T2 or self.stage.director.duty.orders.alerts_due(now):
            return False
        near = (now.unix_ms - NEAR_MS, now.unix_ms + NEAR_MS)
        return not any(p.start_ms <= near[1] and near[0] <= p.end_ms for p in self._plans())

    def _plans(self) -> tuple[Any, ...]:
        return tuple(self.stage.director.planned)


@dataclass
class VirtualBoard:
    """A provisioned board on its disk; each `run` is a start of the agent."""

    home: Path
    clock: VirtualClock
    line: Line
    tape: Tape
    on_made: Callable[[VirtualAgent], None] = lambda _agent: None
    agent: VirtualAgent | None = None

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Put the test's parts in the place of pipes and sockets."""
        self.clock.install(patch)
        patch.setattr(agent_module, "PlayerSupervisor", self._player)
        patch.setattr(agent_module, "open_session", lambda *parts: VirtualSession(parts[-1]))
        patch.setattr(agent_module, "every", self._every)
        patch.setattr(Rounds, "run", self._turn_rounds)
        patch.setattr(plane_module, "Fetcher", lambda _context: _Fetcher(self.line))
        patch.setattr(carriers_module, "LOOK_S", 3600.0)
        patch.setattr(carriers_module, "TIDY_S", 3600.0)

    async def run(self, script: Callable[[VirtualAgent], Coroutine[Any, Any, None]]) -> None:
        """Let the agent run until *script* is over."""
        state = State.open(self.home / "state.db")
        store = IdentityStore(self.home, state)
        agent = self.agent = VirtualAgent(Options(home=self.home, sticks=()), store, "0.1.0")
        self.on_made(agent)
        running = asyncio.create_task(agent.run())
        playing = asyncio.create_task(script(agent))
        await asyncio.wait({running, playing}, return_when=asyncio.FIRST_COMPLETED)
        assert playing.done() or running.exception() is None, running.exception()
        agent.end()
        await running
        playing.cancel()
        self.agent = None
        state.close()
        if playing.done() and not playing.cancelled():
            playing.result()

    def _player(self, _sink: str, **_options: Any) -> VirtualPlayer:
        return VirtualPlayer(self.clock, self.tape)

    @property
    def _turn_rounds(self) -> Callable[[Rounds], Coroutine[Any, Any, None]]:
        async def run(rounds: Rounds) -> None:
            while True:
                rounds.turn()
                is_quiet = self.agent is not None and self.agent.is_quiet()
                await asyncio.sleep(max(rounds.due_in_s, 0.001, IDLE_S if is_quiet else 0.0))

        return run

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None] | None]) -> None:
        """Call *work* as the agent does, and more rarely while there is nothing to do."""
        while True:
            result = work()
            if result is not None:
                await result
            is_quiet = self.agent is not None and self.agent.is_quiet()
            await asyncio.sleep(max(seconds, IDLE_S if is_quiet else 0.0))


def _decoded(sound: OpenedSound | None) -> int:
    return sound._decoded.qsize() + sound.lost if isinstance(sound, LiveSound) else 0


def provision(home: Path) -> dict[str, bytes]:
    """Make a board of the tests' province in *home*, with settings, knowing nothing else.

    Returns what the content tree has of it, by path.
    """
    state = State.open(home / "state.db", create=True)
    store = IdentityStore(home, state)
    store.keep_root(province().root_bundle)
    device = store.make_key().public
    assignment = Assignment(
        endpoint=device.fingerprint, epoch=1, serial=1, scope=CLUSTER, village="Bản Mới"
    )
    settings = Settings(
        scope=SCOPE,
        epoch=1,
        serial=1,
        content=("https://content.example",),
        broker=("mqtts://broker.example:8883",),
        service=("https://service.example",),
        authorities=(b"x",),
        fallback={},
        fittings=(),
        heartbeat_s=3600,
    )
    files: dict[str, bytes] = {}
    for name, kind, body in (
        ("assignment", Kind.ASSIGNMENT, assignment),
        ("settings", Kind.SETTINGS, settings),
    ):
        data = province().sign(kind, body, *province().officers)
        position = position_of(body, Bundle.from_bytes(data).digest)
        assert position is not None
        store.keep(name, data, subject_of(kind, body), position)
        files[f"/state/{body.scope}/{name}"] = data
    writer = Writer(
        endpoint=device.kid,
        version="0.1.0",
        next_epoch=state.next_epoch,
        stamp=lambda: (0, ClockTrust.T0),
    )
    Outbox.open(home / "outbox.db", writer, create=True, capacity_bytes=SMALL).close()
    state.close()
    return files
