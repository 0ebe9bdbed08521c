"""Carries orders to the boards at once, and again until they have acknowledged them.

When and to whom is decided in :mod:`loa_manager.orders.delivery`; this looks at the list of what
stands, at the answers in the database, and publishes. It holds no key: an order is sealed by people
and goes out as it is.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Engine

from loa_manager import database
from loa_manager.home import Home
from loa_manager.orders import book
from loa_manager.orders.answers import addressed, load_answers, load_boards, silent
from loa_manager.orders.delivery import Delivery, Heard, Outgoing
from loa_manager.orders.paper import PUSHED, Paper, open_paper
from loa_manager.serve.repeats import Repeats
from loa_protocol.errors import FormatError, StoreError
from loa_protocol.objects.command import Command
from loa_protocol.objects.standing import StandingProgramme

LOOK_S: Final = 0.2  # how soon a new order is seen
NO_BROKER_S: Final = 1.0
UNREAD_S: Final = 5.0  # until an order whose file or answers cannot be read is tried again
TIDY_S: Final = 3600.0
_SAY_AGAIN_S: Final = 3600.0

log = logging.getLogger(__name__)
Push = Callable[[str, bytes], Awaitable[bool]]


@dataclass(slots=True)
class Courier:
    """The part of the server that pushes."""

    home: Home
    engine: Engine
    push: Push  # told topic and payload; False where there is no broker
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _delivery: Delivery = field(default_factory=Delivery)
    _mark: tuple[int, ...] | None = None
    _again_s: float = math.inf  # when to read the list again though it did not change
    _tidy_s: float = 0.0
    _repeats: Repeats = field(default_factory=lambda: Repeats(_SAY_AGAIN_S))

    async def run(self, ready: asyncio.Event) -> None:
        """Push until cancelled; *ready* at once, since boards find orders in the head too."""
        ready.set()
        while True:
            try:
                await self._round()
            except (StoreError, FormatError) as error:
                self._say_unread(b"", error)
            await asyncio.sleep(LOOK_S)

    async def _round(self) -> None:
        now_s, unix_s = time.monotonic(), int(self.clock().timestamp())
        if now_s >= self._tidy_s:
            self._tidy_s = now_s + TIDY_S
            await asyncio.to_thread(book.tidy, self.home, unix_s)
        mark = await asyncio.to_thread(self._look)
        if mark != self._mark or now_s >= self._again_s:
            orders, is_whole = await asyncio.to_thread(self._listed)
            self._delivery.update(orders, now_s)
            self._mark, self._again_s = mark, math.inf if is_whole else now_s + UNREAD_S
        for order, is_first in self._delivery.due(now_s, unix_s):
            try:
                await self._send(order, now_s, is_first=is_first)
            except (StoreError, FormatError) as error:  # the others are not to wait for it
                self._say_unread(order.digest, error)
                self._delivery.postponed(order, now_s, UNREAD_S)

    async def _send(self, order: Outgoing, now_s: float, *, is_first: bool) -> None:
        heard = await asyncio.to_thread(self._heard, order)
        if heard.boards and not heard.silent:
            self._delivery.done(order)
            log.info("order_acknowledged", extra={"order": order.id.hex()})
            return
        step = self._delivery.step(order, heard, now_s)
        if step.topics:
            data = await asyncio.to_thread(self.home.content.object, order.digest)
            for topic in step.topics:
                if not await self.push(topic, data):
                    self._delivery.postponed(order, now_s, NO_BROKER_S)
                    return
            if is_first:
                fields = {"order": order.id.hex(), "scope": order.scope, "bytes": len(data)}
                log.info("order_pushed", extra=fields)
        if step.topics or step.is_last:
            self._delivery.sent(order, step, now_s, random.random())

    def _look(self) -> tuple[int, ...]:
        try:
            found = (self.home.content.path / "index.json").stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_ino, found.st_size

    def _listed(self) -> tuple[list[Outgoing], bool]:
        """Return what is listed and pushed, and whether all of it could be read."""
        found, is_whole = [], True
        for row in self.home.content.index().orders.orders:
            try:
                paper = open_paper(self.home.content.object(row.digest))
            except (StoreError, FormatError) as error:  # one damaged file must not silence the rest
                self._say_unread(row.digest, error)
                is_whole = False
                continue
            if paper.kind in PUSHED:
                found.append(_outgoing(paper))
        return found, is_whole

    def _heard(self, order: Outgoing) -> Heard:
        """Return which of the boards that *order* is for have answered."""
        paper = open_paper(self.home.content.object(order.digest))
        with database.reading(self.engine) as connection:
            boards = addressed(paper.body, load_boards(connection))
            answers = load_answers(connection, [order.id])[order.id.hex()]
        return Heard(len(boards), tuple(board.id for board in silent(boards, answers)))

    def _say_unread(self, digest: bytes, error: Exception) -> None:
        if self._repeats.admit("orders", digest.hex(), time.monotonic()) is not None:
            log.error("orders_not_read", extra={"why": str(error)})


def _outgoing(paper: Paper) -> Outgoing:
    body = paper.body
    assert not isinstance(body, StandingProgramme)  # which is never in the list
    return Outgoing(
        digest=paper.bundle.digest,
        id=body.id,
        scope=body.scope,
        endpoint=body.endpoint if isinstance(body, Command) else None,
        expires=body.expires,
    )
