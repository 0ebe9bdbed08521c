"""A hostile broker: it drops, delays, repeats and reorders what people send, and adds its own.

What is to be sent is sent again every few minutes until the board owns up to it, as the server
does; so in the end it comes through, and the board must have obeyed it from then on.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from loa_endpoint.core.poll import Reach
from support.hostile_forger import Forger
from support.hostile_line import Deck
from support.hostile_world import World

MOODS: Final = ("drop", "push late", "push again", "push in another order", "push as it is")
FORGERIES: Final = (
    "forged alert",
    "alert by the server",
    "alert by one",
    "alert by one, twice",
    "alert of another commune",
    "alert with another sound",
    "flipped bit",
    "another kind",
    "release by too few",
    "cancel by strangers",
    "grant by too few",
    "playlist by too few",
    "old orders",
    "old head",
    "noise",
    "huge message",
)
VOICES: Final = (
    "forged chunk",
    "altered chunk",
    "chunk again",
    "chunk late",
    "chunk of another session",
    "chunks in another order",
)
_AGAIN_S: Final = 240.0


class Door(Protocol):
    """The agent, as its uplink knows it."""

    def nudged(self, head: bytes, reach: Reach) -> None: ...

    async def ordered(self, bundle: bytes) -> None: ...

    def spoken(self, chunk: bytes) -> None: ...


@dataclass
class HostileBroker:
    """Between people and the board."""

    chance: random.Random
    door: Callable[[], Door | None]  # the agent, while it runs
    is_taken: Callable[[bytes], bool]
    carried: Callable[[bytes], None]
    tried: Counter[str] = field(default_factory=Counter)
    _waiting: dict[bytes, bytes] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def open(self, world: World, forger: Forger) -> None:
        """Know whom to listen to, and who forges."""
        self._world, self._forger = world, forger
        self._moods, self._forgeries = Deck(MOODS, self.chance), Deck(FORGERIES, self.chance)
        self._voices = Deck(VOICES, self.chance)

    # --- what people ask of it

    def send(self, data: bytes, digest: bytes) -> None:
        """Take an order to be sent until it is taken."""
        self._waiting[digest] = data
        self._later(self._send(self._moods.draw()), 1.0)

    def speak(self, data: bytes, _at_ms: int) -> None:
        """Take a chunk of live sound."""
        if self.chance.random() < 0.3:
            self._spoil(self._voices.draw(), data)
            return
        self._say(data)

    # --- its own work

    async def work(self) -> None:
        """Send what waits again, and push forgeries, for ever."""
        while True:
            await asyncio.sleep(self.chance.uniform(0.5, 1.5) * _AGAIN_S)
            self._waiting = {d: o for d, o in self._waiting.items() if not self.is_taken(d)}
            await self._send(self._moods.draw())
            await self._forge(self._forgeries.draw())

    async def babble(self) -> None:
        """While a grant is open, say things under it, for ever."""
        while True:
            await asyncio.sleep(self.chance.uniform(5, 40))
            now_s = self._world.clock.unix_s
            if any(g.start - 60 < now_s < g.end + 60 for g in self._world.grants):
                chunks = self._world.chunks[-20:]
                self._spoil(self._voices.draw(), self.chance.choice(chunks) if chunks else b"")

    async def _send(self, mood: str) -> None:
        waiting = list(self._waiting.values())
        if not waiting:
            return
        self.tried[mood] += 1
        match mood:
            case "drop":
                return
            case "push late":
                await asyncio.sleep(self.chance.uniform(10, 200))
            case "push again":
                waiting = waiting * 2
            case "push in another order":
                waiting.reverse()
        for data in waiting:
            await self._push(data)

    async def _forge(self, card: str) -> None:
        self.tried[card] += 1
        if card == "old orders":
            for data in self.chance.sample(self._world.signed, min(4, len(self._world.signed))):
                await self._push(data)
        elif card == "old head":
            head = self.chance.choice(self._world.tapes).get("/head", b"")
            door = self.door()
            if door is not None:
                door.nudged(head, self.chance.choice(list(Reach)))
        else:
            noise: dict[str, Callable[[], bytes]] = {
                "noise": lambda: self.chance.randbytes(self.chance.randrange(2000)),
                "huge message": lambda: self.chance.randbytes(300_000),
            }
            await self._push(noise[card]() if card in noise else self._forger.forged(card))

    def _spoil(self, card: str, data: bytes) -> None:
        """Do something else with a chunk than to pass it on."""
        self.tried[card] += 1
        match card:
            case "forged chunk":
                self._say(self._forger.chunk())
                self._say(data)
            case "altered chunk":
                self._say(self._forger.altered_chunk())
                self._say(data)
            case "chunk again":
                for _ in range(3):
                    self._say(data)
            case "chunk late":
                self._later(self._say_later(data), self.chance.uniform(31, 90))
            case "chunk of another session":
                if self._world.chunks:
                    self._say(self._world.chunks[0])
            case _:
                self._later(self._say_later(data), self.chance.uniform(1.1, 3))

    async def _say_later(self, data: bytes) -> None:
        self._say(data)

    def _say(self, data: bytes) -> None:
        door = self.door()
        if door is not None and data:
            door.spoken(data)

    async def _push(self, data: bytes) -> None:
        door = self.door()
        if door is not None:
            self.carried(data)
            await door.ordered(data)

    def _later(self, work: object, delay_s: float) -> None:
        async def run() -> None:
            await asyncio.sleep(delay_s)
            await work  # type: ignore[misc]  # a coroutine of ours

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
