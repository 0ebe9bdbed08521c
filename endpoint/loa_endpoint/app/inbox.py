"""The inbox's wiring: what arrives is judged, kept, acted on, and acknowledged, in this order.

Content tree, broker, memory stick, neighbour and text message all call :meth:`Inbox.offer`. An
order is on the disk, together with the memory of its id, before the stage hears of it; its record
in the outbox is the acknowledgement. State objects go into the vault as if the content tree had
brought them.

Where the disk refuses, what silences and what warns of danger is obeyed all the same, once: its id
stays in memory, the writing is tried again and again, and it is acknowledged when it is written.
Only a loss of power before that could let it happen a second time, and no later than its message's
expiry. All else is not acted on, and offered again by whoever sends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from loa_endpoint.app.inbox_around import Listener, Stage, Surroundings, Vault
from loa_endpoint.content.cache import Cache
from loa_endpoint.content.sync import CARRIER, Outcome
from loa_endpoint.core import inbox as rules
from loa_endpoint.core.orders import Happened, Kept
from loa_endpoint.core.quota import TOO_MANY, Quota
from loa_endpoint.core.repeats import Repeats
from loa_endpoint.core.sync import Have, Keep, KeepRoot, Refuse
from loa_endpoint.store.orders import OrderStore
from loa_endpoint.store.state import State
from loa_protocol.errors import FormatError, StoreError
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.authority import Level
from loa_protocol.objects.playlist import Media
from loa_protocol.record import Happening, OrderState, OrderTaken
from loa_protocol.replay import Seen
from loa_protocol.trust import Refusal, Trusted

log = logging.getLogger("loa.endpoint")

TIDY_S: Final = 60.0
FORGET_MS: Final = 50_000  # between two searches for what is long over
WAIT_S: Final = 2.0  # while something waits for the time, which may come from any clock
MOST_UNWRITTEN: Final = 64  # more, and the oldest is never written: the disk is gone


class Inbox:
    """The one door; its methods belong to the event loop's thread."""

    def __init__(
        self, around: Surroundings, state: State, vault: Vault, cache: Cache, stage: Stage
    ) -> None:
        """Read back what was kept.

        Raises:
            StoreError: it cannot be read.
        """
        self._around, self._state, self._vault = around, state, vault
        self._cache, self._stage = cache, stage
        self.book = OrderStore(state)
        self.door = asyncio.Lock()
        self._seen = state.seen()
        self._root = vault.have().trusted.root
        self._quota = Quota()
        self._unkept: dict[bytes, tuple[Seen, Kept]] = {}  # by digest: in memory alone
        self._core = rules.Inbox(self._happened(), self.book.certificates())
        self._unwritten: OrderedDict[bytes, rules.Take] = OrderedDict()
        self._told, self._acknowledged = Repeats(), Repeats()
        self._forgets = Repeats(FORGET_MS)
        self._alerts: dict[bytes, Alert] = {}
        self._stir = asyncio.Event()
        self.listener: Listener | None = None

    # -- what others ask

    @property
    def orders(self) -> Mapping[bytes, Level]:
        """The orders that were taken at any time or wait, by digest, and at which level."""
        return self._core.known

    @property
    def signers(self) -> frozenset[bytes]:
        """The digests of the certificates that are kept and lead to the root."""
        return self._core.sound(self._root)

    @property
    def unwritten(self) -> int:
        """How many orders were obeyed and could not be written yet."""
        return len(self._unwritten)

    @property
    def waiting(self) -> int:
        """How many bundles wait for the time or for certificates."""
        return self._core.count

    def certificates(self) -> list[bytes]:
        """Return the certificates of those who give orders, as bundles: for short forms."""
        return list(self._core.certificates.values())

    def kept(self) -> list[Kept]:
        """Return the orders that were kept before this start, oldest first; damaged ones are told.

        Raises:
            StoreError: they cannot be read.
        """
        kept, damaged = self.book.load()
        for order in damaged:
            self._stage.keep(Happening(name="order_damaged", detail=order.hex()))
        self._alerts = {k.id: k.body for k in kept if _sounds(k) and isinstance(k.body, Alert)}
        return kept

    def media(self) -> list[Media]:
        """Return the media of alerts that stand: they are fetched before all others."""
        now_s = self._around.now().unix_s
        self._alerts = {id_: a for id_, a in self._alerts.items() if a.expires > now_s}
        return [alert.media for alert in self._alerts.values() if alert.media is not None]

    # -- what is offered

    async def offer(self, data: bytes, carrier: str) -> Outcome:
        """Judge a bundle, keep it, act on it, acknowledge it.

        Args:
            data: The bundle, as it came.
            carrier: Who brought it, for the records: content, mqtt, usb, lan, sms.
        """
        async with self.door:
            return await self._offer(data, carrier)

    async def keep_signer(self, data: bytes) -> Outcome:
        """Keep the certificate of somebody who may give orders; the caller holds the door."""
        try:
            await asyncio.to_thread(self.book.keep_certificate, data)
            self._core.keep_certificates(await asyncio.to_thread(self.book.certificates))
        except FormatError as error:
            log.warning("certificate_refused", extra={"why": str(error)})
            return Outcome.REFUSED
        except StoreError as error:
            self._store_failed(error)
            return Outcome.FAILED
        self.stir()
        return Outcome.KEPT

    def stir(self) -> None:
        """Look at what waits: the time, a certificate or what is trusted changed."""
        self._stir.set()

    async def run(self) -> None:
        """Look after what waits and what is remembered, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WAIT_S if self._core.waits_for_time else TIDY_S):
                    await self._stir.wait()
            self._stir.clear()
            if self._core.waits_for_time and not self._around.now().is_known:
                self._around.want_time()
            await self.tidy()

    async def tidy(self) -> None:
        """Write what could not be written, judge again what waits, forget what is long over."""
        async with self.door:
            for take in list(self._unwritten.values()):
                await self._write_late(take)
            for data in self._core.waiting(self._around.now()):
                await self._offer(data, "waiting")
            if self._forgets.happened(("",), _now_ms()):
                await self._forget()

    async def _offer(self, data: bytes, carrier: str) -> Outcome:
        try:
            have = await asyncio.to_thread(self._have)
        except StoreError as error:
            self._store_failed(error)
            return Outcome.FAILED
        now = self._around.now()
        verdict = self._core.judge(
            data, have, now, alert_without_time=self._around.alert_without_time()
        )
        match verdict:
            case rules.Take():
                return await self._take(verdict, carrier)
            case rules.Again():
                return self._acknowledge_again(verdict, carrier)
            case Refuse():
                return self._refuse(verdict, carrier)
            case Keep() | KeepRoot() | rules.KeepCertificate() | rules.Raise():
                return await self._keep(verdict, carrier)
            case _:
                return self._pass_on(verdict)

    def _pass_on(self, verdict: rules.Look | rules.Wait | rules.Nothing) -> Outcome:
        if isinstance(verdict, rules.Look):
            self._around.look(verdict.data)
            return Outcome.KEPT
        if isinstance(verdict, rules.Wait):
            if verdict.wants_time:
                self._around.want_time()
            return Outcome.WAITING
        return Outcome.KNOWN

    def _have(self) -> Have:
        have = self._vault.have()
        self._root = have.trusted.root
        nonce = b""
        with contextlib.suppress(StoreError):  # no floor can be reset then; all else goes on
            nonce = self._around.nonce()
        trusted: Trusted = replace(have.trusted, seen=self._seen, nonce=nonce)
        return replace(have, trusted=trusted)

    async def _keep(
        self, verdict: Keep | KeepRoot | rules.KeepCertificate | rules.Raise, carrier: str
    ) -> Outcome:
        if isinstance(verdict, rules.Raise):
            return await self._raise(verdict, carrier)
        if isinstance(verdict, rules.KeepCertificate):
            return await self.keep_signer(verdict.data)
        try:
            if isinstance(verdict, KeepRoot):
                await asyncio.to_thread(self._vault.keep_root, verdict.root, verdict.data)
            else:
                await asyncio.to_thread(self._vault.keep, verdict.accepted, verdict.data)
        except StoreError as error:
            self._store_failed(error)
            return Outcome.FAILED
        if isinstance(verdict, Keep) and self.listener is not None:
            self.listener.kept(verdict.accepted)
        self.stir()
        return Outcome.KEPT

    # -- orders

    async def _take(self, take: rules.Take, carrier: str) -> Outcome:
        kept = take.kept
        if self._quota.is_used_up(kept.taking.holders):
            who = ", ".join(kept.taking.holders)
            return self._refuse(Refuse(kept.kind.name.lower(), TOO_MANY, who, kept.digest), carrier)
        log.info("order_accepted", extra={"order": kept.event.hex(), "carrier": carrier})
        await self._keep_sound(kept)
        is_written = True
        try:
            await asyncio.to_thread(self.book.take, kept, take.data, take.seen)
        except StoreError as error:
            self._store_failed(error)
            if not rules.must_obey(kept):
                return Outcome.FAILED
            is_written = False
        self._seen[take.seen.id] = take.seen.forget_at
        self._core.took(take)
        self._quota.took(kept.taking.holders)
        if _sounds(kept) and isinstance(kept.body, Alert):
            self._alerts[kept.id] = kept.body
            self._around.look_for_media()
        self._stage.on_order(kept)
        if not is_written:
            self._unwritten[kept.digest] = take
            self._unkept[kept.digest] = take.seen, kept
            if len(self._unwritten) > MOST_UNWRITTEN:
                self._unwritten.popitem(last=False)
            return Outcome.FAILED
        self._acknowledge(kept, carrier)
        return Outcome.TAKEN

    async def _raise(self, verdict: rules.Raise, carrier: str) -> Outcome:
        """Let an order that was taken before speak at the level that it has after all."""
        if verdict.kept.digest in self._unkept:
            return Outcome.FAILED  # not written at all yet: offered again by whoever sends it
        try:
            before = await asyncio.to_thread(self.book.kept, verdict.kept.id)
            kept = verdict.kept.after(before)
            await asyncio.to_thread(self.book.put_again, kept, verdict.data)
        except StoreError as error:
            self._store_failed(error)
            return Outcome.FAILED
        self._core.raised(kept)
        self._stage.keep(Happening(name="order_raised", detail=f"{kept.level.name}: {carrier}"))
        self._stage.on_order(kept)
        self._acknowledge(kept, carrier)
        return Outcome.TAKEN

    async def _write_late(self, take: rules.Take) -> None:
        try:
            await asyncio.to_thread(self.book.take, take.kept, take.data, take.seen)
        except StoreError:
            return  # told when it came; the next round tries again
        self._unwritten.pop(take.kept.digest, None)
        self._unkept.pop(take.kept.digest, None)
        self._acknowledge(take.kept, "late")

    async def _keep_sound(self, kept: Kept) -> None:
        body = kept.body
        if not isinstance(body, Alert) or body.sound is None or body.media is None:
            return
        try:
            await asyncio.to_thread(self._cache.put, body.media.sha256, body.sound)
        except StoreError as error:
            self._store_failed(error)  # it is fetched like any other, once there is room

    def _acknowledge(self, kept: Kept, carrier: str) -> None:
        self._acknowledged.happened((kept.digest.hex(),), _now_ms())
        self._stage.keep(_taken(kept.event, kept.kind, kept.digest, carrier))

    def _acknowledge_again(self, again: rules.Again, carrier: str) -> Outcome:
        if again.digest in self._unkept:
            return Outcome.FAILED
        if self._acknowledged.happened((again.digest.hex(),), _now_ms()):
            self._stage.keep(_taken(again.id, again.kind, again.digest, carrier))
        return Outcome.AGAIN

    # -- the rest

    def _refuse(self, refusal: Refuse, carrier: str) -> Outcome:
        if carrier == CARRIER and refusal.reason == Refusal.NOT_ADDRESSED:
            return Outcome.REFUSED  # the list is one for a whole place: another board's order
        count = self._told.happened((carrier, refusal.what, refusal.reason), _now_ms())
        if count and self.listener is not None:
            again = f" ({count} times)" if count > 1 else ""
            detail = f"{carrier}: {refusal.detail}{again}"
            self.listener.refused(refusal.what, refusal.reason, detail, refusal.digest)
        return Outcome.REFUSED

    def _store_failed(self, error: StoreError) -> None:
        if self.listener is not None:
            self.listener.store_failed(error)

    async def _forget(self) -> None:
        try:
            await asyncio.to_thread(self._forget_by_floor)
            seen = await asyncio.to_thread(self._state.seen)
            happened = await asyncio.to_thread(self._happened)
        except StoreError as error:
            self._store_failed(error)
            return
        unkept = {seen.id: seen.forget_at for seen, _ in self._unkept.values()}
        self._seen = {**seen, **unkept}
        late = {digest: kept.happened for digest, (_, kept) in self._unkept.items()}
        self._core.remember({**happened, **late})

    def _forget_by_floor(self) -> None:
        floor_ms = self._state.floor_ms()
        if floor_ms is not None:
            self.book.forget(floor_ms // 1000)

    def _happened(self) -> dict[bytes, Happened]:
        rows = self.book.happened()
        unkept = (kept.taking.holders for _, kept in self._unkept.values())
        self._quota.remember([*(each.holders for each in rows.values()), *unkept])
        return rows


def _sounds(kept: Kept) -> bool:
    return isinstance(kept.body, Alert) and not kept.body.is_cancel and not kept.progress.is_over


def _taken(order: bytes, kind: int, digest: bytes, carrier: str) -> OrderTaken:
    return OrderTaken(
        id=order, kind=int(kind), digest=digest, state=OrderState.TAKEN, detail=carrier[:64]
    )


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
