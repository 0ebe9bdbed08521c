"""The carriers beside the network: memory sticks and text messages, joined to the inbox.

No decision is taken here: what they bring goes through the same door as what a server brings.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from loa_endpoint.app.inbox import Inbox
from loa_endpoint.app.keeper import Keeper
from loa_endpoint.app.plane import ContentPlane
from loa_endpoint.app.tasks import every
from loa_endpoint.app.timekeeper import Timekeeper
from loa_endpoint.content.stick import ADDRESS, Found, StickSource, find_sticks
from loa_endpoint.content.sync import ContentSync, Outcome, Surroundings
from loa_endpoint.core.modem import Event, Message, ModemClock, Sim
from loa_endpoint.core.sms_shelf import SmsShelf
from loa_endpoint.core.stick_watch import StickNote
from loa_endpoint.host.clocks import monotonic_ms
from loa_endpoint.link.modem import Modem
from loa_protocol.errors import FetchError, StoreError
from loa_protocol.objects.authority import Level
from loa_protocol.record import Happening
from loa_protocol.trust import Accepted

log = logging.getLogger("loa.endpoint")

LOOK_S: Final = 3.0  # for sticks
TIDY_S: Final = 10.0
_MOST_UNREAD: Final = 64  # messages; more stay on the SIM until its next list
_UNSETTLED: Final = (Outcome.WAITING, Outcome.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the carriers bring things to."""

    keeper: Keeper
    time: Timekeeper
    plane: ContentPlane
    identity: bytes
    keep: Callable[[Happening], object]  # a record


class Carriers:
    """All of them; its methods belong to the event loop's thread."""

    def __init__(self, parts: Parts, *, modem: str | None, sticks: Iterable[str]) -> None:
        self._parts = parts
        self._sticks = Sticks(parts, tuple(sticks))
        self._texts = None if modem is None else Texts(parts, modem)
        self._faults: frozenset[str] = frozenset()

    @property
    def faults(self) -> frozenset[str]:
        """The faults that stand."""
        return frozenset() if self._texts is None else self._texts.faults

    def facts(self) -> dict[str, Any]:
        """Return what a technician may want to know."""
        texts = None if self._texts is None else self._texts.facts()
        signers = len(self._parts.plane.inbox.signers)  # whose short forms can be resolved
        return {"sticks": self._sticks.facts(), "modem": texts, "signers": signers}

    def start(self) -> None:
        """Open the modem's port; needs a running loop."""
        if self._texts is not None:
            self._texts.modem.start()

    def work(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Return what has to run, by name."""
        work: dict[str, Callable[[], Awaitable[None]]] = {
            "sticks": lambda: every(LOOK_S, self._sticks.look),
            "carriers": lambda: every(TIDY_S, self._tidy),
        }
        if self._texts is not None:
            work["texts"] = self._texts.run
        return work

    def close(self) -> None:
        """Let go of everything."""
        self._sticks.close()
        if self._texts is not None:
            self._texts.modem.close()

    def _tidy(self) -> None:
        if self._texts is not None:
            self._texts.tidy()
        now = self.faults
        for name in sorted(now ^ self._faults):
            state = "active" if name in now else "idle"
            self._parts.keep(Happening(name=name, detail=state))
        self._faults = now


class Sticks:
    """The memory sticks that are there, each with its own loop over what it holds."""

    def __init__(self, parts: Parts, places: tuple[str, ...]) -> None:
        self._parts, self._places = parts, places
        self._open: dict[Found, _Stick] = {}

    def facts(self) -> list[dict[str, Any]]:
        """Return what came of each."""
        return [asdict(stick.note) for stick in self._open.values()]

    async def look(self) -> None:
        """See which sticks are there, and read those whose turn it is."""
        there = await asyncio.to_thread(find_sticks, self._places)
        for found in [each for each in self._open if each not in there]:
            self._open.pop(found).close()
            log.info("stick_gone", extra={"path": str(found.folder)})
        for found in there:
            if found not in self._open:
                log.info("stick_found", extra={"path": str(found.folder)})
                self._open[found] = _Stick(self._parts, found)
        self._parts.plane.sticks.set_sticks(stick.source for stick in self._open.values())
        for stick in list(self._open.values()):
            if stick.note.is_due(monotonic_ms()):
                await stick.read()

    def close(self) -> None:
        """Let go of all."""
        for stick in self._open.values():
            stick.close()
        self._open.clear()


class _Stick:
    """One stick: a content tree like any other."""

    def __init__(self, parts: Parts, found: Found) -> None:
        self.note = StickNote(str(found.folder))
        self.source = StickSource(found.folder)
        self._parts = parts
        self._told: StickNote | None = None
        around = Surroundings(
            identity=parts.identity,
            addresses=lambda: (ADDRESS,),
            is_nudged=lambda: False,
            now=parts.time.now,
            carrier="usb",
        )
        listener = _Counting(parts.plane, self.note)
        inbox = _CountingInbox(parts.plane.inbox, self.note)
        self._sync = ContentSync(around, self.source, parts.keeper, listener, inbox=inbox)

    async def read(self) -> None:
        """Take what is on it and new."""
        before = self.note.taken, self.note.refused
        is_first = self.note.read_ms is None
        is_complete = await self._sync.round()
        self.note.ended(monotonic_ms(), is_complete=is_complete)
        if is_first or (self.note.taken, self.note.refused) != before:
            note = self.note
            facts = {"path": note.path, "taken": note.taken, "refused": note.refused}
            log.info("stick_read", extra={**facts, "complete": is_complete})
            detail = f"{note.taken} new, {note.refused} refused"
            self._parts.keep(Happening(name="stick_read", detail=detail))
        self._parts.plane.media.look()

    def close(self) -> None:
        """Let go of it."""
        self.source.close()


class _Counting:
    """Passes on what a stick's loop tells, and counts."""

    def __init__(self, plane: ContentPlane, note: StickNote) -> None:
        self._plane, self._note = plane, note

    def kept(self, accepted: Accepted) -> None:
        """Count an object that was new here; heads only tell the time."""
        if accepted.kind.name != "HEAD":
            self._note.taken += 1
        self._plane.kept(accepted)

    def refused(self, what: str, reason: str, detail: str, digest: bytes | None) -> None:
        """Count a refusal."""
        self._note.refused += 1
        self._plane.refused(what, reason, f"usb: {detail}", digest)

    def fetch_failed(self, error: FetchError) -> None:
        """Pass on."""
        self._plane.fetch_failed(error)

    def store_failed(self, error: StoreError) -> None:
        """Pass on."""
        self._plane.store_failed(error)


class _CountingInbox:
    """Passes on what a stick's loop offers, and counts."""

    def __init__(self, inbox: Inbox, note: StickNote) -> None:
        self._inbox, self._note, self.door = inbox, note, inbox.door

    @property
    def orders(self) -> Mapping[bytes, Level]:
        """The inbox's own."""
        return self._inbox.orders

    @property
    def signers(self) -> frozenset[bytes]:
        """The inbox's own."""
        return self._inbox.signers

    async def offer(self, data: bytes, carrier: str) -> Outcome:
        """Offer it to the one inbox."""
        outcome = await self._inbox.offer(data, carrier)
        self._note.taken += outcome is Outcome.TAKEN
        self._note.known += outcome is Outcome.AGAIN
        self._note.refused += outcome is Outcome.REFUSED
        return outcome

    async def keep_signer(self, data: bytes) -> Outcome:
        """Pass on."""
        return await self._inbox.keep_signer(data)


class Texts:
    """The modem's messages on their way to the inbox."""

    def __init__(self, parts: Parts, url: str) -> None:
        self._parts = parts
        self._shelf = SmsShelf()
        self._unread: asyncio.Queue[Message] = asyncio.Queue(_MOST_UNREAD)
        self._orders = 0
        self.modem = Modem(url, self.on_event)

    @property
    def faults(self) -> frozenset[str]:
        """The faults that stand."""
        facts = self.modem.facts
        if facts.is_silent or not self.modem.is_open:
            return frozenset({"modem_silent"})
        name = {Sim.ABSENT: "no_sim", Sim.LOCKED: "sim_locked"}.get(facts.sim)
        return frozenset() if name is None else frozenset({name})

    def facts(self) -> dict[str, Any]:
        """Return how the modem is, and what came by it."""
        return {**asdict(self.modem.facts), "texts": self._shelf.heard, "orders": self._orders}

    def on_event(self, event: Event) -> None:
        """Hear the modem."""
        if isinstance(event, ModemClock):
            self._parts.time.on_unsigned("modem", event.unix_ms)
        elif isinstance(event, Message) and not self._unread.full():
            self._unread.put_nowait(event)

    async def run(self) -> None:
        """Deal with messages, one after the other, until cancelled."""
        while True:
            await self.deal_with(await self._unread.get())

    async def deal_with(self, message: Message) -> None:
        """Offer what a message completes; delete what is dealt with."""
        shelved = self._shelf.take(message, monotonic_ms())
        self._delete(shelved.done)
        for order in shelved.orders:
            outcome = await self._parts.plane.inbox.offer(order.data, "sms")
            self._orders += outcome is Outcome.TAKEN
            is_settled = outcome not in _UNSETTLED
            self._delete(self._shelf.judged(order, monotonic_ms(), is_settled=is_settled))

    def tidy(self) -> None:
        """Delete what waited too long."""
        self._delete(self._shelf.tick(monotonic_ms()))

    def _delete(self, indices: Iterable[int]) -> None:
        for index in indices:
            self.modem.delete(index)
