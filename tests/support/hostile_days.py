"""Virtual days of a real agent under a hostile server and broker, and what came of them."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from loa_endpoint.core.poll import Reach
from loa_protocol.envelope import Bundle
from loa_protocol.record import Body, ClockTrust, OrderState, OrderTaken, Refused
from support.hostile_broker import HostileBroker
from support.hostile_forger import Forger
from support.hostile_line import SERVER_CARDS, Deck, HostileServer
from support.hostile_oracle import Meter, Oracle
from support.hostile_world import DAY, FIRST_MIDNIGHT, HOUR, World
from support.virtual_board import VirtualAgent, VirtualBoard, provision
from support.virtual_time import SECOND_NS, VirtualClock, VirtualLoop

_START_NS = 5_000 * SECOND_NS
_LOOK_S = 60
_BEGIN_S = FIRST_MIDNIGHT - 3 * HOUR


@dataclass
class Days:
    """One run; make it, `run` it, and read it."""

    folder: Path
    seed: int
    days: int = 3
    time_lie_ms: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)
    restarts: int = 0
    clock_off_ms: int = 0  # the most that the board's known time was wrong by
    held_s: int = 0  # with a hold standing that the board had owned up to
    open_s: int = 0  # with a grant open that the board had taken

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.clock = VirtualClock(_START_NS, _BEGIN_S * SECOND_NS - _START_NS)
        self.oracle = Oracle()
        self.meter = Meter(self.oracle, self._board_ms)
        self.board: VirtualBoard | None = None
        (self.folder / "files").mkdir()
        (self.folder / "home").mkdir()
        self.broker = HostileBroker(
            random.Random(self.chance.random()), lambda: self.agent, self._is_taken, self._carried
        )
        self.world = World(
            self.folder / "files", self.clock, self.oracle, self.broker.send, self.broker.speak
        )
        forger = Forger(self.world, random.Random(self.chance.random()))
        self.server = HostileServer(
            self.world, forger, random.Random(self.chance.random()), self._carried
        )
        self.server.time_lie_ms = self.time_lie_ms
        self.broker.open(self.world, forger)
        self.forger = forger

    @property
    def agent(self) -> VirtualAgent | None:
        """The agent, while it runs."""
        return None if self.board is None else self.board.agent

    @property
    def tried(self) -> Counter[str]:
        """How often each attack was tried, by name."""
        return self.server.tried + self.broker.tried + Counter(restart=self.restarts)

    def run(self, patch: pytest.MonkeyPatch) -> None:
        """Live through the days."""
        self.world.lab.files.update(provision(self.folder / "home"))
        self.board = VirtualBoard(
            self.folder / "home", self.clock, self.server, self.meter, on_made=self._watch
        )
        self.board.install(patch)
        with asyncio.Runner(loop_factory=lambda: VirtualLoop(self.clock)) as runner:
            runner.run(self._live())

    async def _live(self) -> None:
        assert self.board is not None
        people = asyncio.create_task(self._people())
        others = [
            asyncio.create_task(each)
            for each in (
                self.broker.work(),
                self.broker.babble(),
                self.world.renew_heads(),
                self._campaigns(),
                self._look(),
            )
        ]
        while not people.done():
            assert self.clock.unix_s < FIRST_MIDNIGHT + (self.days + 1) * DAY, "it never ends"
            runs_s = self.chance.uniform(0.4, 1.3) * DAY

            async def until_then(_: VirtualAgent, for_s: float = runs_s) -> None:
                await asyncio.wait([people], timeout=for_s)

            await self.board.run(until_then)
            self.restarts += 1
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        people.result()

    async def _people(self) -> None:
        await self.world.live(self.days, self.forger.begin)

    async def _campaigns(self) -> None:
        """Attack for some minutes, be quiet for an hour or two, again and again."""
        cards = Deck((*SERVER_CARDS, "lying wall clock"), self.chance)
        while True:
            await asyncio.sleep(self.chance.uniform(300, 4000))
            card = cards.draw()
            self.server.attack(card)
            if card == "lying wall clock":
                self.server.tried[card] += 1
                self.clock.wall_lie_ms = self.chance.randrange(-(10**9), 10**9)
            if self.agent is not None:
                if card == "wrong time answer":
                    self.agent.want_time()
                self.agent.nudged(b"", Reach.STATE)
            await asyncio.sleep(self.chance.uniform(60, 400))
            self.server.attack("")
            if self.agent is not None:
                self.agent.nudged(b"", Reach.STATE)

    async def _look(self) -> None:
        """Count for how long a hold stood and a grant was open."""
        while True:
            await asyncio.sleep(_LOOK_S)
            at_ms = self.clock.unix_ms
            self.held_s += _LOOK_S * (self.oracle.holds(at_ms) > 0)
            now_s = self.clock.unix_s
            taken = (g for g in self.world.grants if g.id in self.oracle.taken)
            self.open_s += _LOOK_S * any(g.start <= now_s < g.end for g in taken)

    # --- what is watched

    def _watch(self, agent: VirtualAgent) -> None:
        """Hear what the agent says it keeps, takes and refuses."""
        keep_state, keep_record = agent.keeper.keep, agent.stage.keep
        at: Any = agent

        def kept(accepted: Any, data: bytes) -> None:
            keep_state(accepted, data)
            self.oracle.keep(accepted.kind, accepted.digest, agent.reading().unix_ms)

        def recorded(body: Body) -> bool:
            if isinstance(body, OrderTaken) and body.state is OrderState.TAKEN:
                self.taken[body.detail] += 1
                self.oracle.take(body.digest, agent.reading().unix_ms)
            elif isinstance(body, Refused):
                self.refusals[f"{body.what} {body.reason}"] += 1
            return keep_record(body)

        at.keeper.keep, at.stage.keep = kept, recorded
        at.time.on_happening = recorded

    def _board_ms(self, mono_ns: int) -> int:
        if self.agent is None:
            return self.clock.at_unix_ms(mono_ns)
        now = self.agent.reading()
        if now.trust >= ClockTrust.T2:
            self.clock_off_ms = max(self.clock_off_ms, abs(now.unix_ms - self.clock.unix_ms))
        return now.unix_ms - now.mono_ms + mono_ns // 1_000_000

    def _carried(self, data: bytes) -> None:
        if data in self.world.published and self.agent is not None:
            digest = Bundle.from_bytes(data).digest
            self.oracle.carry(digest, self.agent.reading().unix_ms)

    def _is_taken(self, digest: bytes) -> bool:
        fact = self.oracle.facts.get(digest)
        return fact is not None and getattr(fact.body, "id", b"") in self.oracle.taken

    def told(self) -> str:
        """Return what is to be read of a run."""
        meter = self.meter
        return "\n".join(
            (
                f"seed {self.seed}: {self.days} days, {self.server.asked} fetches, "
                f"{self.restarts} starts",
                f"samples written {meter.written}, sounding {meter.sounding}, "
                f"unsigned {meter.unsigned}, with the attacker's tone {meter.marked}",
                f"{self.held_s} s under a hold, {self.open_s} s with a grant open, "
                f"clock off by {self.clock_off_ms} ms at most",
                f"seconds heard by tone: { ({k: v // 48_000 for k, v in meter.heard.items()}) }",
                f"orders taken: {dict(self.taken)}",
                f"refusals: {dict(self.refusals)}",
                f"attacks: {dict(self.tried)}",
                *self.oracle.strangers,
                *meter.faults,
            )
        )
