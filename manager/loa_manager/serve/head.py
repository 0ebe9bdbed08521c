"""Keeps the head of the content tree signed: at the start, every quarter of an hour, at a change.

The head names nothing but hashes and the time. It is judged by the boards' own acceptance rule
before it is written: what a board would refuse never replaces a good one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

from loa_manager.content_index import HeadFacts
from loa_manager.content_tree import ContentTree
from loa_manager.serve.repeats import Repeats
from loa_protocol.accept import accept
from loa_protocol.envelope import Kind
from loa_protocol.errors import FormatError, StoreError
from loa_protocol.record import ClockTrust
from loa_protocol.schema import Wire
from loa_protocol.trust import Now, Trusted, TrustError

EVERY_S: Final = 900.0  # besides every change; trust.md section 2: 5 to 15 min
LOOK_S: Final = 1.0  # how soon a change of the tree is seen
RETRY_S: Final = 30.0
_SAY_AGAIN_S: Final = 3600.0

log = logging.getLogger(__name__)
Mark = tuple[int, ...]  # what changes when a file does


class HeadSigner(Protocol):
    """What seals a head with its certificates."""

    def sign(self, kind: Kind, body: Wire) -> bytes:
        """Return the bundle of *body*."""


@dataclass(slots=True)
class HeadPlan:
    """When the next head is due. Pure; times are monotonic seconds."""

    _mark: Mark | None = None
    _next_s: float = 0.0
    _has_signed: bool = field(default=False)

    def is_due(self, mark: Mark, now_s: float) -> bool:
        """Tell whether to sign now: never signed, changed since, or old."""
        return not self._has_signed or mark != self._mark or now_s >= self._next_s

    def signed(self, mark: Mark, now_s: float) -> None:
        """Note a head over the tree as it was at *mark*."""
        self._mark, self._next_s, self._has_signed = mark, now_s + EVERY_S, True

    def failed(self, mark: Mark, now_s: float) -> None:
        """Note that it could not be signed: again in a while, or when something changes."""
        self._mark, self._next_s, self._has_signed = mark, now_s + RETRY_S, True


Nudge = Callable[[str, bytes], Awaitable[None]]


@dataclass(slots=True)
class HeadKeeper:
    """Signs, writes and announces heads."""

    tree: ContentTree
    signer: HeadSigner
    trusted: Callable[[], Trusted]
    nudge: Nudge  # told the topic's scope and the new head
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _plan: HeadPlan = field(default_factory=HeadPlan)
    _repeats: Repeats = field(default_factory=lambda: Repeats(_SAY_AGAIN_S))

    async def run(self, ready: asyncio.Event) -> None:
        """Keep the head fresh until cancelled; *ready* after the first try."""
        while True:
            mark = await asyncio.to_thread(self._mark)
            if self._plan.is_due(mark, time.monotonic()):
                await self._renew(mark)
            ready.set()
            await asyncio.sleep(LOOK_S)

    async def _renew(self, mark: Mark) -> None:
        try:
            head = await asyncio.to_thread(self.tree.renew_head, self._sign)
        except (StoreError, FormatError, TrustError) as error:
            self._plan.failed(mark, time.monotonic())
            reason = str(error.reason) if isinstance(error, TrustError) else "store"
            if self._repeats.admit(reason, "", time.monotonic()) is not None:
                log.error("head_not_signed", extra={"reason": reason, "why": str(error)})
            return
        self._plan.signed(mark, time.monotonic())
        await self.nudge(self.tree.head_facts().scope, head)

    def _sign(self, facts: HeadFacts) -> bytes:
        now_s = int(self.clock().timestamp())
        data = self.signer.sign(Kind.HEAD, facts.at(now_s))
        # also refuses a head that is later than its certificate
        accept(data, self.trusted(), Now(now_s, ClockTrust.T3))
        return data

    def _mark(self) -> Mark:
        try:
            found = (self.tree.path / "index.json").stat()
        except OSError:  # signing will say what is wrong
            return ()
        return found.st_mtime_ns, found.st_ino, found.st_size
