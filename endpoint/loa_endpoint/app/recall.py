"""The black box's wiring: the player is told the time, and recalls are answered.

One recall after the other, oldest first; none is given up before its order expires.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from loa_endpoint.audio.messages import Clock, Event, Message, Ready
from loa_endpoint.content.fetch import Fetcher
from loa_endpoint.content.recall import Answers
from loa_endpoint.core import recall as rules
from loa_endpoint.core.clock import Reading
from loa_endpoint.core.director import Director
from loa_endpoint.core.effect import Effect
from loa_endpoint.core.orders import Kept, Step
from loa_endpoint.core.retry import RECONNECT, Retries
from loa_endpoint.host.clocks import monotonic_ms
from loa_endpoint.store.black_box import list_segments, read_segment
from loa_endpoint.uplink.tasks import wait_until
from loa_protocol.errors import ConfigError, FetchError, FormatError, StoreError
from loa_protocol.objects.command import Verb
from loa_protocol.recall import MOST_PIECE, Lacking
from loa_protocol.record import OrderState

FOLDER: Final = "black-box"
_LOOK_S: Final = 5.0  # when nothing stirs
_TELL_MS: Final = 100  # a clock that has moved less is no news

log = logging.getLogger("loa.endpoint")


class Stage(Protocol):
    """What the orders are on."""

    @property
    def director(self) -> Director:
        """What decides, and holds the orders."""

    def perform(self, effects: list[Effect]) -> None:
        """Carry out effects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the black box is joined with."""

    folder: Path
    identity: bytes
    stage: Stage
    tell_player: Callable[[Message], bool]
    read_clock: Callable[[], Reading]
    service: Fetcher
    address: Callable[[], str]
    is_mobile: bool


class BlackBoxDoor:
    """Between the player's files, the orders and the server."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._offset_ms: int | None = None  # unix less monotonic, as the player knows it
        self._pace = rules.Pace(is_mobile=parts.is_mobile)
        self._retries = Retries(RECONNECT, parts.identity)
        self._stir = asyncio.Event()

    def stir(self) -> None:
        """Hear that something happened: it may be a recall."""
        self._stir.set()

    def on_player(self, event: Event) -> None:
        """Hear the player: a new one knows no time, and is told before anything sounds."""
        if isinstance(event, Ready):
            self._offset_ms = None
            self.tell_time()

    def tell_time(self) -> None:
        """Tell the player the time where it is another one than it knows."""
        now = self._parts.read_clock()
        offset_ms = now.unix_ms - now.mono_ms
        if self._offset_ms is not None and abs(offset_ms - self._offset_ms) < _TELL_MS:
            return
        clock = Clock(unix_ms=now.unix_ms, at_ns=now.mono_ms * 1_000_000)
        if self._parts.tell_player(clock):
            self._offset_ms = offset_ms

    async def run(self) -> None:
        """Answer recalls until cancelled."""
        while True:
            order = self._next()
            if order is None:
                await wait_until(self._stir, _LOOK_S)
                self._stir.clear()
                continue
            try:
                await self._answer(order)
                self._retries.failures = 0
            except (FetchError, FormatError, ConfigError, StoreError) as error:
                log.warning("recall_delayed", extra={"order": order.event.hex(), "why": str(error)})
                await asyncio.sleep(self._retries.ended(0) / 1000)

    def close(self) -> None:
        """End the connection."""
        self._parts.service.close()

    def _next(self) -> Kept | None:
        director, now_ms = self._parts.stage.director, self._parts.read_clock().unix_ms
        is_playing = director.play is not None
        waiting = director.duty.orders.unfinished(Verb.RECALL)
        ripe = (each for each in waiting if rules.is_ripe(each, now_ms, is_playing=is_playing))
        return next(ripe, None)

    async def _answer(self, order: Kept) -> None:
        parts, span = self._parts, rules.span_of(order)
        answers = Answers(parts.service, parts.address(), order.event)
        offer = rules.offer_of(await asyncio.to_thread(list_segments, parts.folder), span)
        if order.progress.state is OrderState.TAKEN:
            begun = {"begun_ms": parts.read_clock().unix_ms}
            self._step(order, Step.BEGIN, f"{len(offer.files)} files", **begun)
        lack = await answers.offer(offer)
        names = {each.sha256: each for each in await asyncio.to_thread(list_segments, parts.folder)}
        gone = 0
        for lacking in lack.files:
            segment = names.get(lacking.sha256)
            data = None
            if segment is not None:
                data = await asyncio.to_thread(read_segment, parts.folder, segment)
            if data is None or not await self._send(answers, lacking, data):
                gone += 1
        detail = f"{len(offer.files) - gone} files sent" if offer.files else "nothing is kept"
        self._step(order, Step.FINISH, f"{detail}, {gone} damaged or gone" if gone else detail)

    async def _send(self, answers: Answers, lacking: Lacking, data: bytes) -> bool:
        """Send what the server lacks of a file; tell whether it is whole there."""
        offset = lacking.offset
        while offset < len(data):
            await asyncio.sleep(self._pace.wait_ms(monotonic_ms()) / 1000)
            piece = data[offset : offset + MOST_PIECE]
            try:
                lack = await answers.send(lacking.sha256, offset, piece)
            except FetchError as error:
                if error.status == 422:  # what it has of it is not ours; it has forgotten it
                    return False
                raise
            self._pace.sent(len(piece), monotonic_ms())
            left = [each.offset for each in lack.files if each.sha256 == lacking.sha256]
            if not left:
                return True
            if left[0] <= offset:  # it lost what it had: once more from there, but not for ever
                raise FetchError(answers.address, 0, "the server keeps nothing of what it is sent")
            offset = left[0]
        return False

    def _step(self, order: Kept, step: Step, detail: str, **facts: int) -> None:
        orders = self._parts.stage.director.duty.orders
        current = orders.order(order.id)
        if current is not None and not current.progress.is_over:
            self._parts.stage.perform(orders.step(order.id, step, detail, **facts))
