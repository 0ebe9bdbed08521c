"""Keeps the head of the content tree signed: at the start, every quarter of an hour, at a change.

Everybody is sent every head; only the scopes whose playlist or settings changed are told to look
further. The head names nothing but hashes and the time. It is judged by the boards' own acceptance
rule before it is written: what a board would refuse never replaces a good one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

from loa_manager.content_index import ContentIndex, HeadFacts
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
        """Tell whether to look at the tree now: never done, changed since, or the head is old."""
        return mark != self._mark or self.is_old(now_s)

    def is_old(self, now_s: float) -> bool:
        """Tell whether a head is due though nothing that it names changed."""
        return not self._has_signed or now_s >= self._next_s

    def told(self, mark: Mark) -> None:
        """Note that all that changed up to *mark* was told, and needed no head."""
        self._mark = mark

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
    nudge: Nudge  # told the topic and the newest head
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _plan: HeadPlan = field(default_factory=HeadPlan)
    _repeats: Repeats = field(default_factory=lambda: Repeats(_SAY_AGAIN_S))
    _known: ContentIndex | None = None  # as of the last head, and what was told since
    _head: bytes = b""

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
            index = await asyncio.to_thread(self.tree.index)
            is_new = self._plan.is_old(time.monotonic()) or not self._says(index)
            if is_new:
                self._head = await asyncio.to_thread(self.tree.renew_head, self._sign)
        except (StoreError, FormatError, TrustError) as error:
            self._plan.failed(mark, time.monotonic())
            reason = str(error.reason) if isinstance(error, TrustError) else "store"
            if self._repeats.admit(reason, "", time.monotonic()) is not None:
                log.error("head_not_signed", extra={"reason": reason, "why": str(error)})
            return
        if is_new:
            self._plan.signed(mark, time.monotonic())
        else:
            self._plan.told(mark)
        known, self._known = self._known, index
        await self._tell([] if known is None else index.changed_since(known), is_new=is_new)

    def _says(self, index: ContentIndex) -> bool:
        """Tell whether the last head says all that a head over *index* would.

        An index that was written and says what it said asks for a new head.
        """
        known = self._known
        return known is not None and known != index and known.head_facts() == index.head_facts()

    async def _tell(self, changed: list[str], *, is_new: bool) -> None:
        for scope in changed:  # first: who looks further then has the head already
            await self.nudge(f"scope/{scope}/look", self._head)
        if is_new:
            await self.nudge(f"scope/{self.tree.head_facts().scope}/head", self._head)

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
