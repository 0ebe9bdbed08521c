"""A virtual endpoint's way to the content tree: the real core's wants over its own HTTPS line.

The loop is the laboratory's, since the real one waits for a disk in threads of its own, which two
thousand endpoints in one process cannot have. What is asked for, in which order, and what becomes
of the answers is decided by ``loa_endpoint.core.sync``, as on a board.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Final

from loa_endpoint.core import want as wants
from loa_endpoint.core.poll import Reach
from loa_endpoint.core.sync import CatchUp, Keep, KeepSigner, Offer, Refuse
from loa_endpoint.core.want import Step, Want
from loa_lab.fleet.endpoint import FleetEndpoint
from loa_lab.fleet.web_line import WebLine
from loa_protocol.companions import Companions
from loa_protocol.envelope import Bundle
from loa_protocol.errors import FetchError, FormatError

CARRIER: Final = "content"
_TAGGED: Final = (Step.HEAD, Step.SETTINGS, Step.ASSIGNMENT, Step.STANDING)


class Reader:
    """Keeps one endpoint up with the head; *gate* bounds how many of a fleet read at once."""

    def __init__(self, endpoint: FleetEndpoint, gate: asyncio.Semaphore) -> None:
        self._endpoint, self._gate = endpoint, gate
        self._core = CatchUp(endpoint.board.id)
        self._web = WebLine(endpoint.meters.content, endpoint.context)
        self._etags: dict[str, str] = {}
        self._heads = Companions()
        self._busy = asyncio.Lock()
        self.rounds = self.requests = 0

    @property
    def is_busy(self) -> bool:
        """Whether a round is under way, or waits for its turn."""
        return self._busy.locked() or self._endpoint.stir.is_set()

    async def run(self) -> None:
        """Look whenever a head is pushed, until cancelled."""
        endpoint = self._endpoint
        while True:
            await endpoint.stir.wait()
            endpoint.stir.clear()
            pushed, endpoint.pushed = endpoint.pushed, None
            reach, endpoint.reach = endpoint.reach, Reach.HEAD
            await self.round(pushed, reach=reach)

    async def round(self, pushed: bytes | None = None, *, reach: Reach = Reach.PLAYLISTS) -> bool:
        """Catch up once, beginning with a *pushed* head; tell whether nothing failed.

        Args:
            pushed: A head that came by message; without one it is fetched.
            reach: How far to look; for all of it now and then.
        """
        async with self._busy, self._gate:
            took = pushed is not None and self._take_pushed(pushed)
            self._core.begin(with_head=not took, reach=reach)
            is_complete = True
            while (want := self._core.next_want(self._endpoint.have(), _now_ms())) is not None:
                is_complete = await self._get(want) and is_complete
            self.rounds += 1
        endpoint = self._endpoint
        endpoint.is_fresh = self._core.is_fresh(endpoint.have(), endpoint.now())
        endpoint.settle()
        return is_complete and self._core.has_orders(endpoint.have())

    def _take_pushed(self, pushed: bytes) -> bool:
        with contextlib.suppress(FormatError):  # judged as it is, and refused
            if not self._heads.know(Bundle.from_bytes(pushed)):
                return False
            pushed = self._heads.complete(pushed)
        return self._take(wants.head(), pushed)

    def close(self) -> None:
        """End the connection."""
        self._web.close()

    async def _get(self, want: Want) -> bool:
        tag = self._etags.get(want.path, "") if want.step in _TAGGED else ""
        headers = {"If-None-Match": tag} if tag else {}
        self.requests += 1
        try:
            answer = await self._web.get(self._endpoint.place.content, f"/{want.path}", headers)
        except FetchError as error:
            self._endpoint.refusals[f"fetch: {error.status}"] += 1
            self._core.on_nothing(want)
            return False
        if answer.status == 404:
            may_be = self._core.may_be_absent(want, self._endpoint.have())
            self._core.on_nothing(want, is_absent=may_be)
            return may_be
        if answer.status == 304:
            self._core.on_nothing(want)
            return True
        self._etags[want.path] = answer.etag
        async with self._endpoint.door:
            return self._take(want, answer.body)

    def _take(self, want: Want, data: bytes) -> bool:
        """Judge *data* and carry out what follows; tell whether all of it was taken."""
        endpoint, came_s = self._endpoint, time.monotonic()
        is_taken = True
        have, now = endpoint.have(), endpoint.now()
        for effect in self._core.on_body(want, data, have, now=now, now_ms=_now_ms()):
            match effect:
                case Keep():
                    endpoint.keep(effect)
                    if want.step is Step.HEAD:
                        self._heads.remember(data)
                case KeepSigner(data=certificate):
                    endpoint.keep_signer(certificate, want.digest)
                case Offer():
                    if not endpoint.offer(effect.data, CARRIER, came_s):
                        self._core.on_refused(effect)
                case Refuse():
                    endpoint.refuse(effect)
                    is_taken = False
        return is_taken


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
