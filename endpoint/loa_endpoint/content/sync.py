"""Signed objects from the content tree into the vault, judged one by one.

The loop fetches what :mod:`loa_endpoint.core.sync` wants and carries out what it says; media have a
loop of their own (:mod:`loa_endpoint.content.media`), so that no long download delays an order.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from loa_endpoint.content.fetch import Answer, Request, Sink
from loa_endpoint.core import want as wants
from loa_endpoint.core.address import parse_content_address
from loa_endpoint.core.poll import Poll, Reach
from loa_endpoint.core.repeats import Repeats
from loa_endpoint.core.sync import (
    STALE_AFTER_S,
    CatchUp,
    Effect,
    Have,
    Keep,
    KeepRoot,
    KeepSigner,
    Offer,
    Refuse,
)
from loa_endpoint.core.want import Step, Want
from loa_protocol.companions import Companions
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import ConfigError, FetchError, FormatError, StoreError
from loa_protocol.objects.authority import Level, Root
from loa_protocol.trust import Accepted, Now

CARRIER: Final = "content"
_NOT_FOUND: Final = 404
_NOT_MODIFIED: Final = 304
# Asked for by entity tag.
_STATE: Final = (Step.HEAD, Step.SETTINGS, Step.ASSIGNMENT, Step.STANDING)


class Source(Protocol):
    """Where files of the content tree come from: a server, a stick."""

    async def fetch(self, request: Request, sink: Sink | None = None) -> Answer:
        """Bring a file, into *sink* or into the answer. Raises FetchError and StoreError."""


class Vault(Protocol):
    """What the endpoint keeps of trust; calls may wait for the disk."""

    def have(self) -> Have:
        """Return what is trusted now, and which bundles are held."""

    def keep(self, accepted: Accepted, data: bytes) -> None:
        """Store an accepted object: the bundle's file, then its position, both synced.

        Only then may it come into force. Raises StoreError.
        """

    def keep_root(self, root: Root, data: bytes) -> None:
        """Store the root that follows the present one. Raises StoreError."""


class Listener(Protocol):
    """Who is told; every call returns at once."""

    def kept(self, accepted: Accepted) -> None:
        """An object was stored and may come into force; a head only tells the time."""

    def refused(self, what: str, reason: str, detail: str, digest: bytes | None) -> None:
        """Something was not trusted; repetitions come once a minute, counted."""

    def fetch_failed(self, error: FetchError) -> None:
        """A server did not give what it should; repetitions come once a minute."""

    def store_failed(self, error: StoreError) -> None:
        """Something accepted could not be stored."""


class Outcome(enum.StrEnum):
    """What became of a bundle that was offered."""

    TAKEN = "taken"  # an order: on the disk, and acted on
    AGAIN = "again"  # an order that was taken before: acknowledged again
    KEPT = "kept"  # a state object, root, head or certificate
    KNOWN = "known"  # it is here already
    WAITING = "waiting"  # for the time, or for a certificate
    REFUSED = "refused"
    FAILED = "failed"  # the disk refuses; offer it again


class Inbox(Protocol):
    """The one door for orders, whoever carries them."""

    door: asyncio.Lock
    """Held by whoever judges and keeps: between the two nothing else may come into force."""

    @property
    def orders(self) -> Mapping[bytes, Level]:
        """The orders that were taken at any time or wait, by digest, and at which level."""

    @property
    def signers(self) -> frozenset[bytes]:
        """The digests of certificates that are kept for short forms of orders."""

    async def offer(self, data: bytes, carrier: str) -> Outcome:
        """Judge a bundle, keep it and act on it."""

    async def keep_signer(self, data: bytes) -> Outcome:
        """Keep the certificate of somebody who may give orders; the caller holds the door."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the loop needs to know; the callables are asked anew in each round."""

    identity: bytes
    addresses: Callable[[], Sequence[str]]  # https://host:port, at least one
    is_nudged: Callable[[], bool]  # whether a message session stands, so that nudges come
    now: Callable[[], Now]
    carrier: str = CARRIER  # for the records: whose orders these are


class ContentSync:
    """Keeps up with the head; its methods belong to the event loop's thread."""

    def __init__(
        self,
        around: Surroundings,
        fetcher: Source,
        vault: Vault,
        listener: Listener,
        *,
        inbox: Inbox,
    ) -> None:
        self._around, self._fetcher = around, fetcher
        self._vault, self._listener, self._inbox = vault, listener, inbox
        self._core = CatchUp(around.identity)
        self._poll = Poll(around.identity)
        self._repeats = Repeats()
        self._etags: dict[str, str] = {}
        self._pushed: bytes | None = None
        self._companions = Companions()  # of heads
        self._stir = asyncio.Event()
        # all that the newest head names is here, its orders were had; told with that head's age
        self.on_caught_up: Callable[[int | None], None] = lambda _age_s: None
        self._is_fresh = False

    def head_age_s(self) -> int | None:
        """Return how old the newest head is, at least; None where none came yet."""
        return self._core.head_age_s(self._around.now())

    def is_fresh(self) -> bool:
        """Tell whether the newest head is a fresh one and the orders under it were had.

        As of the end of the last round, and only for as long as that head is not stale.
        """
        age_s = self.head_age_s()
        return self._is_fresh and age_s is not None and age_s <= STALE_AFTER_S

    def look(self, head: bytes = b"", *, reach: Reach = Reach.STATE) -> None:
        """Look now: somebody says there is something new.

        Args:
            head: The new head itself, if they sent it.
            reach: How far to look.
        """
        self._pushed = head or self._pushed
        self._poll.ask(reach)
        self._stir.set()

    def reconnected(self) -> None:
        """Look now: a message session is new, and what was told before it was missed."""
        self._poll.reconnected()
        self._stir.set()

    def forget_refusals(self) -> None:
        """Try refused objects again in the next round: the time became known."""
        self._core.forget_refusals()
        self._stir.set()

    async def run(self) -> None:
        """Catch up at once, then whenever it is time or a nudge comes, until cancelled."""
        while True:
            self._stir.clear()
            pushed, self._pushed = self._pushed, None
            is_complete = await self.round(pushed)
            if is_complete:
                self.on_caught_up(self.head_age_s())
            delay_ms = self._poll.next_ms(
                _now_ms(),
                is_nudged=self._around.is_nudged(),
                is_complete=is_complete,
                is_behind=self._core.is_behind,
            )
            await self._rest(delay_ms)

    async def _rest(self, delay_ms: int) -> None:
        """Wait for a nudge, at most *delay_ms*.

        Once the message session is gone that would bring it, no longer than who has none.
        """
        end_ms, was_nudged = _now_ms() + delay_ms, self._around.is_nudged()
        while not self._stir.is_set() and (left_ms := end_ms - _now_ms()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left_ms, self._poll.alone_ms) / 1000):
                    await self._stir.wait()
            if was_nudged and not self._around.is_nudged():
                return

    async def round(self, pushed: bytes | None = None) -> bool:
        """Catch up once, beginning with a *pushed* head where there is one; tell if nothing failed.

        A pushed head that is refused changes nothing: the head is then fetched.
        """
        is_nudged = self._around.is_nudged()
        took = pushed is not None and await self._take_pushed(pushed)
        reach = self._poll.begin(_now_ms(), is_nudged=is_nudged, is_pushed=took)
        self._core.begin(with_head=not took, reach=reach)
        address, is_complete = self._poll.pick(self._around.addresses()), True
        while (want := self._core.next_want(have := await self._have(), _now_ms())) is not None:
            if not await self._get(address, want, have):
                is_complete = False
                if want.step is Step.HEAD and not self._core.seeks_root:
                    break  # a server without a head has nothing else for us
        self._is_fresh = self._core.is_fresh(have, self._around.now())
        is_complete = is_complete and self._core.has_orders(have)
        self._poll.end(reach, _now_ms(), is_complete=is_complete, is_nudged=is_nudged)
        if not is_complete or not self._is_fresh:
            # a mirror, or a server, may have been left behind
            self._poll.try_another_address()
        return is_complete

    async def _take_pushed(self, pushed: bytes) -> bool:
        """Judge a pushed head, which may have come without its certificates.

        Before a first head was fetched, or after the online key was renewed, it can't be judged:
        it then only says that there is one.
        """
        with contextlib.suppress(FormatError):  # judged as it is, and refused
            if not self._companions.know(Bundle.from_bytes(pushed)):
                return False
            pushed = self._companions.complete(pushed)
        return await self._take(wants.head(), pushed)

    async def _get(self, address: str, want: Want, have: Have) -> bool:
        """Fetch and judge one thing; tell whether the server did its part."""
        try:
            place = parse_content_address(address)
            tag = self._etags.get(want.path, "") if want.step in _STATE else ""
            headers = {"If-None-Match": tag} if tag else {}
            request = Request(
                address=place, path=f"/{want.path}", limit=want.limit, headers=headers
            )
            answer = await self._fetcher.fetch(request)
        except ConfigError as error:
            return self._failed(want, FetchError(address, 0, str(error)))
        except FetchError as error:
            if error.status == _NOT_FOUND and self._core.may_be_absent(want, have):
                self._core.on_nothing(want, is_absent=True)
                return True
            return self._failed(want, error)
        if answer.status == _NOT_MODIFIED:
            self._core.on_nothing(want)
            return True
        is_taken = await self._take(want, answer.body)
        if is_taken:
            self._etags[want.path] = answer.etag
        return is_taken

    async def _have(self) -> Have:
        have = await asyncio.to_thread(self._vault.have)
        return replace(have, orders=self._inbox.orders, signers=self._inbox.signers)

    async def _take(self, want: Want, data: bytes) -> bool:
        """Judge *data* and carry out what follows; tell whether all of it was taken."""
        now = self._around.now()
        async with self._inbox.door:
            have = await self._have()  # anew: another carrier may have brought something meanwhile
            effects = self._core.on_body(want, data, have, now=now, now_ms=_now_ms())
            done = [await self._carry_out(e) for e in effects if not isinstance(e, Offer)]
        return all([*done, *[await self._offer(e) for e in effects if isinstance(e, Offer)]])

    async def _offer(self, offer: Offer) -> bool:
        outcome = await self._inbox.offer(offer.data, self._around.carrier)
        if outcome in (Outcome.REFUSED, Outcome.AGAIN):
            self._core.on_refused(offer)  # the server did its part
        return outcome is not Outcome.FAILED

    async def _carry_out(self, effect: Effect) -> bool:
        try:
            if isinstance(effect, Keep):
                await asyncio.to_thread(self._vault.keep, effect.accepted, effect.data)
                if effect.accepted.kind is Kind.HEAD:
                    self._companions.remember(effect.data)
                self._listener.kept(effect.accepted)
            elif isinstance(effect, KeepRoot):
                await asyncio.to_thread(self._vault.keep_root, effect.root, effect.data)
            elif isinstance(effect, KeepSigner):
                return await self._inbox.keep_signer(effect.data) is not Outcome.FAILED
            elif isinstance(effect, Refuse):
                self._refuse(effect)
                return False
        except StoreError as error:
            self._listener.store_failed(error)
            return False
        return True

    def _refuse(self, refusal: Refuse) -> None:
        digest = (refusal.digest or b"").hex()
        count = self._repeats.happened((refusal.what, refusal.reason, digest), _now_ms())
        if count:
            again = f" ({count} times)" if count > 1 else ""
            detail = f"{refusal.detail}{again}"
            self._listener.refused(refusal.what, refusal.reason, detail, refusal.digest)

    def _failed(self, want: Want, error: FetchError) -> bool:
        self._core.on_nothing(want)
        if self._repeats.happened((error.url, str(error.status)), _now_ms()):
            self._listener.fetch_failed(error)
        return False


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
