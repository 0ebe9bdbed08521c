"""A hostile content server with the true server's TLS key: real TLS, raw HTTP, every lie by name.

It serves the true content tree, but for the turns that a test lays out for it: for each one a card,
and what it is played on: the head, or the list of standing orders that a fresh head names (each
fresh head names another list, so that it is asked for).
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Final

from loa_manager.serve.key_folder import ServerKeys
from loa_protocol import merkle
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.objects.online import (
    Head,
    Inclusion,
    Leaf,
    OrderMark,
    StandingOrders,
    TimeAnswer,
)
from support.content_lab import unsealed
from support.hamlet import PROVINCE, STATION
from support.hostile_forger import Forger
from support.hostile_wire_people import DRIPPED, SWAPPED, Commune
from support.hostile_wire_tricks import GONE, Trick, drip, length_of, play, send

HEAD, LIST = "/head", "list"
LIES: Final = ("old head", "head from the future", "lying head", "forged list", "mixed versions")
MEDIA_CARDS: Final = ("swapped media", "dripped media")
TIME_LIES: Final = ("time over another nonce", "time by a stranger")
_CONTENT: Final = "/content"


@dataclass
class HostileWeb:
    """Content, media and time in one hostile hand."""

    commune: Commune
    forger: Forger
    chance: random.Random
    keys: ServerKeys
    elsewhere: int  # a port of another host, to which it redirects
    turns: deque[tuple[str, str]] = field(default_factory=deque)
    tried: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    times: deque[str] = field(default_factory=deque)  # lies about the time, for the next questions
    old: bytes = b""  # the true head of before
    _head: bytes = b""
    _head_s: int = 0
    _list: str = ""  # path of the newest fresh list
    _lists: list[str] = field(default_factory=list)
    _made: dict[str, bytes] = field(default_factory=dict)  # by path: lies that live on

    def __post_init__(self) -> None:
        self.old = self._true("/head") or b""
        self._head = self.old
        self._head_s = Head.from_bytes(Bundle.from_bytes(self.old).payload).time
        self._swapped, content = self.commune.withheld(SWAPPED)
        self._swapped_bytes = len(content)  # longer, and it is not even read
        self._dripped, self._drip_content = self.commune.withheld(DRIPPED)

    # --- the line

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until one side has enough."""
        try:
            with contextlib.suppress(*GONE):
                await self._converse(reader, writer)
        finally:
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = length_of(head)
            body = await reader.readexactly(length) if length else b""
            await self._answer(head.split(" ", 2)[1], body, writer)

    async def _answer(self, path: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        self.asked[path.removeprefix(_CONTENT)] += 1
        if path == "/time":
            await send(writer, self._time(body))
        elif not path.startswith(_CONTENT):
            await send(writer, b"", 503)
        else:
            await self._content(path.removeprefix(_CONTENT), writer)

    async def _content(self, path: str, writer: asyncio.StreamWriter) -> None:
        if path == self._swapped:
            self.tried["swapped media"] += 1
            await send(writer, self.forger.content[: self._swapped_bytes])
        elif path == self._dripped:
            self.tried["dripped media"] += 1
            await drip(writer, self._drip_content)
        elif path == HEAD:
            await self._on_head(writer)
        elif path == self._list and self._next(LIST):
            card, _ = self.turns.popleft()
            await self._play(card, Trick(writer, path, self._made[path], *self._beside()))
        else:
            found = self._made.get(path) or self._true(path)
            await send(writer, found or b"", 200 if found else 404)

    async def _on_head(self, writer: asyncio.StreamWriter) -> None:
        if self._next(HEAD):
            card, _ = self.turns.popleft()
            if card in LIES:
                self.tried[card] += 1
                await send(writer, self._lie(card))
            else:
                await self._play(card, Trick(writer, HEAD, self._head, *self._beside()))
            return
        if self._next(LIST):
            self._renew()
        await send(writer, self._head)

    def _beside(self) -> tuple[bytes, int, random.Random]:
        other = self.chance.choice([*self.forger.pieces(), *self.commune.signed, self.old])
        return other, self.elsewhere, self.chance

    async def _play(self, card: str, trick: Trick) -> None:
        self.tried[card] += 1
        await play(card, trick)

    def _next(self, place: str) -> bool:
        return bool(self.turns) and self.turns[0][1] == place

    def _true(self, path: str) -> bytes | None:
        """Return what people have put into the tree."""
        file = self.commune.here.home.content.path / path[1:]
        return file.read_bytes() if file.is_file() and ".." not in path else None

    # --- lies in sealed form

    def _renew(self) -> None:
        """Sign another head, naming a list of what stands that nobody has asked for yet."""
        if self._head_s >= self.commune.clock.unix_s:
            return  # heads count seconds: the true server's next one must not come before ours
        self._made.pop(f"/proof/{self.commune.pole.scope}/_", None)
        rows = self.commune.here.home.content.index().orders.orders
        stranger = OrderMark(
            scope=f"{PROVINCE}/st0999",
            kind=int(Kind.ALERT),
            digest=self.chance.randbytes(32),
            until=self.commune.clock.unix_s + 600,
        )
        self._list = self._put_list(*rows, stranger)
        digest = bytes.fromhex(self._list.rpartition("/")[2])
        self._head_s = self.commune.clock.unix_s
        self._sign(time=self._head_s, standing_orders=digest)

    def _facts(self) -> Head:
        return self.commune.here.home.content.head_facts().at(self.commune.clock.unix_s)

    def _sign(self, **facts: Any) -> None:
        head = dataclasses.replace(self._facts(), **facts)
        self._head = self.keys.head.sign(Kind.HEAD, head)

    def _put_list(self, *marks: OrderMark) -> str:
        ordered = tuple(sorted(marks, key=lambda m: (m.scope, m.kind, m.digest)))
        body = StandingOrders(orders=ordered, signers=())
        data = unsealed(Kind.STANDING_ORDERS, body.to_bytes())
        path = f"/objects/{Bundle.from_bytes(data).digest.hex()}"
        self._made[path] = data
        self._lists.append(path)
        return path

    def _lie(self, card: str) -> bytes:
        match card:
            case "old head":
                return self.old
            case "head from the future":
                ahead = dataclasses.replace(self._facts(), time=self._head_s + 86_400)
                return self.keys.head.sign(Kind.HEAD, ahead)
            case "lying head":
                return self._lying_head()
            case "forged list":
                return self._forged_list()
        # the newest head over the list of long ago, which is given for the one that it names
        self._renew()
        self._made[self._list] = self._made[self._lists[0]]
        return self._head

    def _lying_head(self) -> bytes:
        """Name the attacker's own playlist as the newest of our scope."""
        scope = self.commune.pole.scope
        digest = self.forger.playlists[self.tried["lying head"] % len(self.forger.playlists)]
        leaf = Leaf(scope=scope, epoch=1, serial=900, digest=digest)
        self._made[f"/proof/{scope}/_"] = Inclusion(leaf=leaf, index=0, path=()).to_bytes()
        self._made.update(self.forger.files)
        self._head_s = self.commune.clock.unix_s
        self._sign(time=self._head_s, tree=merkle.root([leaf.to_bytes()]), leaves=1)
        return self._head

    def _forged_list(self) -> bytes:
        """List the attacker's own orders as what stands."""
        self._made.update(self.forger.files)
        until = self.commune.clock.unix_s + 3600
        path = self._put_list(*(
            OrderMark(scope=STATION, kind=int(Kind.ALERT), digest=each, until=until)
            for each in self.forger.orders
        ))  # fmt: skip
        self._head_s = self.commune.clock.unix_s
        self._sign(time=self._head_s, standing_orders=bytes.fromhex(path.rpartition("/")[2]))
        return self._head

    def _time(self, nonce: bytes) -> bytes:
        lie = self.times.popleft() if self.times else ""
        if lie:
            self.tried[lie] += 1
        now_ms = self.commune.clock.unix_ms
        match lie:
            case "time over another nonce":
                body = TimeAnswer(nonce=self.chance.randbytes(16), time_ms=now_ms)
            case "time by a stranger":
                return self.forger.sign(
                    Kind.TIME_ANSWER, TimeAnswer(nonce=nonce, time_ms=now_ms + 7_200_000)
                )
            case _:
                body = TimeAnswer(nonce=nonce, time_ms=now_ms)
        return self.keys.time.sign(Kind.TIME_ANSWER, body)
