"""A hostile content server and the line to it: everything that the owner of both can do.

It has every file that ever was published, the keys that are on a server (head and time), and no key
of a person. It attacks in campaigns of some minutes; between them it serves what is true, so that
there is something to replay and something at stake.
"""

from __future__ import annotations

import asyncio
import gzip
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from loa_endpoint.content.fetch import Answer, Request, Sink, Trip
from loa_protocol import merkle
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import FetchError, FormatError
from loa_protocol.objects.online import Head, Inclusion, Leaf, OrderMark, StandingOrders, TimeAnswer
from support.content_lab import unsealed
from support.hostile_forger import Forger
from support.hostile_world import World
from support.province import SCOPE, STATION

SERVER_CARDS: Final = (
    "withhold",
    "withhold one thing",
    "delay",
    "replay",
    "freeze",
    "mix versions",
    "tamper",
    "swap",
    "reorder",
    "endless body",
    "slow drip",
    "wrong length",
    "redirect",
    "compression bomb",
    "junk",
    "lying head",
    "lying list",
    "head from the future",
    "wrong time answer",
)
_TRIP_S: Final = 0.05


class Deck:
    """Cards in random order; each is drawn before any is drawn again."""

    def __init__(self, cards: tuple[str, ...], chance: random.Random) -> None:
        self._cards, self._chance, self._left = cards, chance, list[str]()

    def draw(self) -> str:
        """Return the next card."""
        if not self._left:
            self._left = list(self._cards)
            self._chance.shuffle(self._left)
        return self._left.pop()


@dataclass
class HostileServer:
    """Content, media, time and enrolment, all in one hand."""

    world: World
    forger: Forger
    chance: random.Random
    carried: Callable[[bytes], None]  # told of every body that the board is given
    card: str = ""  # the campaign under way; empty where there is none
    tried: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    time_lie_ms: int = 0
    _withheld: str = ""
    _last: bytes = b""

    def attack(self, card: str) -> None:
        """Begin a campaign; an empty card ends it."""
        self.card = card
        self._withheld = self.chance.choice(("/objects/", "/proof/", "/media/", "/head", "/state/"))

    # --- what the agent sees

    async def connect(self) -> None:
        await asyncio.sleep(_TRIP_S)

    async def fetch(self, request: Request, sink: Sink | None) -> Answer:
        self.asked += 1
        asked_ms = _mono_ms()
        await asyncio.sleep(_TRIP_S)
        if request.path == "/time":
            answer = await self._time(request)
            return replace(answer, trip=Trip(asked_ms, _mono_ms()))
        if request.method == "POST":
            raise FetchError(request.url, 503)  # no new certificate, ever
        body = await self._body(request)
        tag = request.headers.get("If-None-Match")
        if tag and tag == _tag(body):
            return Answer(304, b"", tag)
        return self._deliver(request, body, sink)

    def _deliver(self, request: Request, body: bytes, sink: Sink | None) -> Answer:
        """Do what the fetcher does of a body: no more of it than the limit."""
        if len(body) > request.limit.bytes:
            if sink is not None:
                sink.write(body[: max(0, request.limit.bytes - sink.offset)])
            raise FetchError(request.url, 200, "longer than it may be")
        self.carried(body)
        if sink is None:
            return Answer(200, body, _tag(body))
        sink.write(body[sink.offset :])
        return Answer(200, b"", _tag(body))

    # --- what it does

    async def _body(self, request: Request) -> bytes:
        honest = self._honest(request.path)
        if not self.card or self.chance.random() < 0.15:
            return self._found(request, honest)
        trick = getattr(self, "_" + self.card.replace(" ", "_"), None)
        if trick is None:
            return self._found(request, honest)
        self.tried[self.card] += 1
        body = await trick(request, honest)
        self._last = body or self._last
        return self._found(request, body)

    def _honest(self, path: str) -> bytes | None:
        return self.world.lab.files.get(path) or self.forger.files.get(path)

    def _found(self, request: Request, body: bytes | None) -> bytes:
        if body is None:
            raise FetchError(request.url, 404)
        return body

    async def _withhold(self, request: Request, _: bytes | None) -> bytes | None:
        raise FetchError(request.url, self.chance.choice((0, 403, 404, 500, 503)), "withheld")

    async def _withhold_one_thing(self, request: Request, honest: bytes | None) -> bytes | None:
        if request.path.startswith(self._withheld):
            raise FetchError(request.url, self.chance.choice((404, 503)))
        return honest

    async def _delay(self, _: Request, honest: bytes | None) -> bytes | None:
        await asyncio.sleep(self.chance.uniform(5, 60))
        return honest

    async def _replay(self, request: Request, honest: bytes | None) -> bytes | None:
        olds = [tape[request.path] for tape in self.world.tapes if request.path in tape]
        return self.chance.choice(olds) if olds else honest

    async def _freeze(self, request: Request, _: bytes | None) -> bytes | None:
        return self.world.tapes[max(0, len(self.world.tapes) - 2)].get(request.path)

    async def _mix_versions(self, request: Request, honest: bytes | None) -> bytes | None:
        old = self.chance.choice(self.world.tapes).get(request.path)
        return self.chance.choice((old, honest, honest))

    async def _tamper(self, _: Request, honest: bytes | None) -> bytes | None:
        if not honest:
            return honest
        at = self.chance.randrange(len(honest))
        flipped = honest[at] ^ (1 << self.chance.randrange(8))
        return honest[:at] + bytes([flipped]) + honest[at + 1 :]

    async def _swap(self, request: Request, _: bytes | None) -> bytes | None:
        if request.path.startswith("/media/"):
            others = [body for path, body in self._files() if path.startswith("/media/")]
            return self.chance.choice([self.forger.content, *others])
        return self.chance.choice([body for _, body in self._files()] + self.forger.pieces())

    async def _reorder(self, _: Request, honest: bytes | None) -> bytes | None:
        """Answer each question with the answer to the one before."""
        before, self._last = self._last, honest or self._last
        return before or honest

    async def _endless_body(self, request: Request, honest: bytes | None) -> bytes | None:
        return (honest or b"") + self.chance.randbytes(1024) * (request.limit.bytes // 1024 + 1)

    async def _slow_drip(self, request: Request, _: bytes | None) -> bytes | None:
        await asyncio.sleep(self.chance.uniform(15, request.limit.seconds))
        raise FetchError(request.url, 0, "too slow")

    async def _wrong_length(self, request: Request, honest: bytes | None) -> bytes | None:
        if self.chance.random() < 0.5:
            raise FetchError(request.url, 0, "ended early")  # the length that was declared
        cut = self.chance.randrange(len(honest) + 1) if honest else 0
        return (honest or b"")[:cut]

    async def _redirect(self, request: Request, _: bytes | None) -> bytes | None:
        raise FetchError(request.url, self.chance.choice((301, 302, 307, 308)))

    async def _compression_bomb(self, _: Request, honest: bytes | None) -> bytes | None:
        return gzip.compress((honest or b"") + bytes(200_000))  # nothing of ours unpacks

    async def _junk(self, _: Request, __: bytes | None) -> bytes | None:
        return self.chance.randbytes(self.chance.randrange(4000))

    async def _lying_head(self, request: Request, honest: bytes | None) -> bytes | None:
        """Name an old playlist, or one of the attacker's, under a head with a good signature."""
        digest = self.chance.choice([*self.forger.playlists, *self._old_leaves()])
        leaf = Leaf(scope=STATION, epoch=1, serial=self.chance.choice((1, 2, 900)), digest=digest)
        if request.path == "/head":
            return self._head(leaf=leaf, deny_list=bytes(32))
        if request.path.startswith("/proof/"):
            return Inclusion(leaf=leaf, index=0, path=()).to_bytes()
        return honest or self.forger.files.get(request.path)

    async def _lying_list(self, request: Request, honest: bytes | None) -> bytes | None:
        """List the attacker's orders, old ones, and not the ones that stand."""
        digests = [*self.forger.orders, *(mark.digest for mark in self.world.lab.orders[:-1])]
        marks = tuple(
            OrderMark(scope=STATION, kind=int(Kind.ALERT), digest=each, until=2_000_000_000)
            for each in self.chance.sample(digests, min(8, len(digests)))
        )
        data = unsealed(Kind.STANDING_ORDERS, StandingOrders(orders=marks, signers=()).to_bytes())
        digest = Bundle.from_bytes(data).digest
        self.forger.files[f"/objects/{digest.hex()}"] = data
        if request.path == "/head":
            return self._head(standing_orders=digest)
        return honest or self.forger.files.get(request.path)

    async def _head_from_the_future(self, request: Request, honest: bytes | None) -> bytes | None:
        return self._head(ahead_s=5 * 86_400) if request.path == "/head" else honest

    async def _time(self, request: Request) -> Answer:
        nonce = request.body or b""
        if self.card == "wrong time answer" and self.chance.random() < 0.8:
            self.tried[self.card] += 1
            return await self._wrong_time(nonce)
        if self.card in ("withhold", "slow drip", "redirect"):
            raise FetchError(request.url, 0, "withheld")
        return Answer(200, self._answer(nonce), "")

    async def _wrong_time(self, nonce: bytes) -> Answer:
        trick = self.chance.randrange(4)
        if trick == 0:
            return Answer(200, self._answer(self.chance.randbytes(len(nonce)), 3_600_000), "")
        if trick == 1:
            late = self._answer(nonce)
            await asyncio.sleep(self.chance.uniform(6, 25))
            return Answer(200, late, "")
        if trick == 2:
            body = TimeAnswer(nonce=nonce, time_ms=self.world.clock.unix_ms + 7_200_000)
            return Answer(200, self.forger.sign(Kind.TIME_ANSWER, body), "")
        return Answer(200, self.chance.randbytes(300), "")

    def _answer(self, nonce: bytes, lie_ms: int = 0) -> bytes:
        time_ms = self.world.clock.unix_ms + self.time_lie_ms + lie_ms
        body = TimeAnswer(nonce=nonce, time_ms=time_ms)
        return self.world.lab.sign(Kind.TIME_ANSWER, body, self.world.online)

    # --- pieces

    def _files(self) -> list[tuple[str, bytes]]:
        return list(self.world.lab.files.items())

    def _old_leaves(self) -> list[bytes]:
        leaves = (_leaf(tape.get(f"/proof/{STATION}/_")) for tape in self.world.tapes)
        return [leaf.digest for leaf in leaves if leaf is not None]

    def _head(
        self,
        *,
        leaf: Leaf | None = None,
        deny_list: bytes | None = None,
        standing_orders: bytes | None = None,
        ahead_s: int = 0,
    ) -> bytes:
        lab = self.world.lab
        true = Head.from_bytes(Bundle.from_bytes(lab.files["/head"]).payload)
        lie = replace(true, scope=SCOPE, time=self.world.clock.unix_s + ahead_s)
        if leaf is not None:
            lie = replace(lie, tree=merkle.root([leaf.to_bytes()]), leaves=1)
        if deny_list is not None:
            lie = replace(lie, deny_list=deny_list)
        if standing_orders is not None:
            lie = replace(lie, standing_orders=standing_orders)
        return lab.sign(Kind.HEAD, lie, self.world.online)


def _leaf(proof: bytes | None) -> Leaf | None:
    try:
        return None if proof is None else Inclusion.from_bytes(proof).leaf
    except FormatError:
        return None


def _tag(body: bytes) -> str:
    return f'"{hash(body)}"'


def _mono_ms() -> int:
    return time.monotonic_ns() // 1_000_000
