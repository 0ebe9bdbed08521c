"""What is done to a fleet, and the figures of it.

Two clocks are kept apart. *After receipt* counts, for each endpoint, from the instant at which the
order's last byte was read from its socket; all endpoints share one process here, so an order may
wait in the kernel before that, which a board of its own would not let it. *After issue* counts from
the moment before the order is put into the province's book, and has all of that in it.
"""

from __future__ import annotations

import hashlib
import os
import random
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from loa_lab.fleet.endpoint import FleetEndpoint, Sounding
from loa_lab.fleet.fleet import Fleet, Member, count, memory_bytes, until
from loa_lab.fleet.province import SCOPE, FleetProvince
from loa_manager.orders.compose import AlertAsk, CommandAsk, compose_alert, compose_command
from loa_manager.orders.paper import open_paper
from loa_protocol.errors import PeerError
from loa_protocol.language import translator
from loa_protocol.objects.command import Verb
from loa_protocol.objects.playlist import Media

_ = translator("loa_lab")

SILENT_S: Final = 3.0  # SEC-8
AWAY: Final = 10  # of the fleet, one in so many is off the line when the hold comes
LOCKDOWN_S: Final = 600
WITHIN_S: Final = 120.0
ALERT_BYTES: Final = 30_000  # inline: 15 s of Opus at 16 kbit/s
ALERT_MS: Final = 15_000

Say = Callable[[str], None]
Bar = Callable[[int, int], None]  # how many are done, of how many


@dataclass(slots=True)
class Clock:
    """By how much the fleet's clock runs ahead of the machine's."""

    shift_s: float = 0.0

    def __call__(self) -> float:
        """Return it."""
        return self.shift_s


@dataclass(slots=True)
class Exercise:
    """One run; *facts* is what it found."""

    province: FleetProvince
    fleet: Fleet
    clock: Clock
    say: Say
    bar: Bar
    facts: dict[str, Any] = field(default_factory=dict)
    _numbers: random.Random = field(default_factory=lambda: random.Random(7))

    # -- on the line

    async def raise_fleet(self) -> None:
        """Bring every endpoint onto the line, and let it tell that it is there."""
        members, total = self.fleet.members, len(self.fleet.members)
        self.say(_("the endpoints connect"))
        began_s = time.monotonic()
        await self.fleet.connect(members, lambda done: self.bar(done, total))
        connected_s = time.monotonic()
        self.say(_("they catch up with the content tree"))
        await self.fleet.catch_up(members, lambda done: self.bar(done, total))
        caught_up_s = time.monotonic()
        if not await until(lambda: not self.unsent(), WITHIN_S):
            raise PeerError(f"{self.unsent()} endpoints have no receipt")
        self.facts |= {
            "endpoints": total,
            "keys": len({each.board.id for each in self.fleet.endpoints}),
            "playing": count(self.fleet.endpoints, Sounding.PROGRAMME),
            "connect_s": round(connected_s - began_s, 2),
            "catch_up_s": round(caught_up_s - connected_s, 2),
            "requests": sum(member.reader.requests for member in members),
            "memory_mb": memory_bytes() // 10**6,
        }

    def unsent(self, members: Iterable[Member] | None = None) -> int:
        """Return how many connected endpoints have records without a receipt."""
        chosen = self.fleet.members if members is None else members
        return sum(m.endpoint.link.is_open and m.endpoint.memory.log.unsent > 0 for m in chosen)

    # -- orders

    async def hold(self) -> bytes:
        """Hold the whole province while some of it is away; return the hold's id."""
        await self._calm()
        away = self.fleet.members[::AWAY]
        for member in away:
            member.endpoint.disconnect()
        present = [m.endpoint for m in self.fleet.members if m not in away]
        self.say(_("one holder holds the whole province"))
        order = self._command(Verb.HOLD, holders=1)
        before = self.province.standing()
        issued_s = self._publish(order)
        await until(lambda: count(present, Sounding.NOTHING) == len(present), WITHIN_S)
        event = _id_of(order)
        self.facts["hold"] = self._silence(event, present, issued_s, order)
        # who came back in the second before the head names the hold could not know of it
        if not await until(lambda: self.province.standing() != before, WITHIN_S):
            raise PeerError("the head never named the hold")
        self.facts["hold"]["in_the_head_after_issue_s"] = round(time.monotonic() - issued_s, 2)
        return event

    async def restart_some(self) -> None:
        """Let a part of those that were held lose power: they come back silent."""
        chosen = range(1, len(self.fleet.members), AWAY)
        self.say(_("{count} of them lose power and start again").format(count=len(chosen)))
        restarted = [self.fleet.restart(index) for index in chosen]
        silent = [m for m in restarted if m.endpoint.in_force()]
        await self.fleet.connect(restarted, lambda _done: None)
        await self.fleet.catch_up(restarted, lambda _done: None)
        self.facts["restarted"] = {
            "endpoints": len(restarted),
            "held_at_once": len(silent),
            "began_to_play": sum(_has_played(m.endpoint) for m in restarted),
        }

    async def bring_back(self) -> None:
        """Bring back who was away; the broker withholds every order and head from half of them."""
        self.say(_("who was away comes back; from every other one the broker withholds all"))
        indices = range(0, len(self.fleet.members), AWAY)
        back = [self.fleet.restart(index) for index in indices]
        for member in back[::2]:
            member.endpoint.withholds = True
        await self.fleet.connect(back, lambda _done: None)
        await self.fleet.catch_up(back, lambda _done: None)
        self.facts["came_back"] = {
            "endpoints": len(back),
            "from_whom_the_broker_withholds": len(back[::2]),
            "held": sum(bool(m.endpoint.in_force()) for m in back),
            "began_to_play": sum(_has_played(m.endpoint) for m in back),
        }
        for member in back:
            member.endpoint.withholds = False

    async def alert(self) -> None:
        """Sound an alert with its sound inside, through the hold."""
        await self._calm()
        self.say(_("two holders send an alert; it passes the hold"))
        order, sound = self._alert()
        everyone = self.fleet.endpoints
        before = [_bytes(each) for each in everyone]
        fetched_before = [each.meters.content.all for each in everyone]
        issued_s = self._publish(order)
        event = _id_of(order)
        await until(lambda: all(event in e.heard for e in everyone), WITHIN_S)
        used = [_bytes(e) - b for e, b in zip(everyone, before, strict=True)]
        fetched = [e.meters.content.all - b for e, b in zip(everyone, fetched_before, strict=True)]
        took = [e.heard[event] for e in everyone if event in e.heard]
        self.facts["alert"] = {
            "endpoints": len(everyone),
            "accepted": len(took),
            "sounding": count(everyone, Sounding.ALERT),
            "bundle_bytes": len(order),
            "sound_bytes": len(sound),
            "wire_bytes_median": int(statistics.median(used)),
            "fetched_bytes_most": max(fetched),
            "after_issue_s": spread(heard.taken_s - issued_s for heard in took),
            "receipt_after_issue_s": spread(heard.came_s - issued_s for heard in took),
            "acceptance_s": spread(heard.taken_s - heard.came_s for heard in took),
            "by": _carriers(took),
        }

    async def release(self, hold: bytes) -> None:
        """End the alert's day and the hold: the programme goes on."""
        await self._calm()
        self.say(_("two holders release the hold"))
        everyone = self.fleet.endpoints
        order = self._command(Verb.RELEASE, holders=2, references=(hold,))
        issued_s = self._publish(order)
        event = _id_of(order)
        await until(lambda: all(event in e.heard for e in everyone), WITHIN_S)
        took = [e.heard[event] for e in everyone if event in e.heard]
        self.facts["release"] = {
            "accepted": len(took),
            "after_issue_s": spread(heard.taken_s - issued_s for heard in took),
        }

    async def lock_down(self) -> None:
        """Lock the province down: alerts fall silent too; it ends by itself."""
        await self._calm()
        self.say(_("two holders lock the province down"))
        everyone = self.fleet.endpoints
        order = self._command(Verb.LOCKDOWN, holders=2, duration_s=LOCKDOWN_S)
        sounding = len(everyone) - count(everyone, Sounding.NOTHING)
        issued_s = self._publish(order)
        await until(lambda: count(everyone, Sounding.NOTHING) == len(everyone), WITHIN_S)
        self.facts["lockdown"] = {
            "sounding_before": sounding,
            **self._silence(_id_of(order), everyone, issued_s, order),
        }
        self.say(_("ten minutes pass in a moment: the lockdown ends by itself"))
        self.clock.shift_s += LOCKDOWN_S + 1
        self.fleet.settle()
        self.facts["lockdown"]["sounding_after_its_end"] = len(everyone) - count(
            everyone, Sounding.NOTHING
        )

    # -- inside

    async def _calm(self) -> None:
        """Wait until nothing of the step before is under way, so that each is measured alone."""

        def is_calm() -> bool:
            is_reading = any(member.reader.is_busy for member in self.fleet.members)
            return not is_reading and not self.unsent()

        if not await until(is_calm, WITHIN_S):
            raise PeerError(f"{self.unsent()} endpoints still have no receipt")

    def _publish(self, order: bytes) -> float:
        issued_s = time.monotonic()
        self.province.publish(order)
        return issued_s

    def _silence(
        self, event: bytes, endpoints: Sequence[FleetEndpoint], issued_s: float, order: bytes
    ) -> dict[str, Any]:
        took = [e for e in endpoints if event in e.heard]
        silent = [e for e in took if e.sounding is Sounding.NOTHING]
        after = {e.board.id: _silent_s(e, issued_s) - e.heard[event].came_s for e in silent}
        in_time = sum(each <= SILENT_S for each in after.values())
        return {
            "endpoints": len(endpoints),
            "silent": len(silent),
            "in_time_percent": round(100 * in_time / len(endpoints), 2),
            "bundle_bytes": len(order),
            "after_receipt_s": spread(after.values()),
            "after_issue_s": spread(_silent_s(e, issued_s) - issued_s for e in silent),
            "by": _carriers(e.heard[event] for e in took),
        }

    def _command(self, verb: Verb, *, holders: int, **facts: Any) -> bytes:  # noqa: ANN401 - facts of an ask
        now_s = int(time.time() + self.clock.shift_s)
        ask = CommandAsk(scope=SCOPE, verb=verb, reason="diễn tập", **facts)
        body = compose_command(ask, self._event(), now_s, now_s=now_s)
        return self.province.sign(body, self.province.operators[:holders])

    def _alert(self) -> tuple[bytes, bytes]:
        sound = self._numbers.randbytes(ALERT_BYTES)
        media = Media(
            sha256=hashlib.sha256(sound).digest(),
            size=len(sound),
            duration_ms=ALERT_MS,
            gain_cdb=0,
            loudness_clufs=-2300,
        )
        ask = AlertAsk(
            scope=SCOPE,
            title="Báo động lũ",
            reason="diễn tập",
            language="vi",
            media=media,
            sound=sound,
            expires_s=3600,
            duration_s=None,
            repeats=1,
            gap_s=0,
            volume=12,
            speech_in_s=None,
        )
        body = compose_alert(ask, self._event(), int(time.time() + self.clock.shift_s))
        return self.province.sign(body, self.province.wardens), sound

    def _event(self) -> bytes:
        return os.urandom(16)


def spread(samples: Iterable[float]) -> dict[str, float]:
    """Return median, 95th percentile and maximum, in the samples' own unit."""
    found = sorted(samples)
    if not found:
        return {}
    at = min(len(found) - 1, round(0.95 * len(found)))
    return {
        "p50": round(statistics.median(found), 4),
        "p95": round(found[at], 4),
        "max": round(found[-1], 4),
    }


def _silent_s(endpoint: FleetEndpoint, since_s: float) -> float:
    """Return when *endpoint* fell silent after *since_s*."""
    return next(
        each.at_s
        for each in endpoint.changes
        if each.at_s >= since_s and each.sounding is Sounding.NOTHING
    )


def _has_played(endpoint: FleetEndpoint) -> bool:
    return any(each.sounding is not Sounding.NOTHING for each in endpoint.changes)


def _bytes(endpoint: FleetEndpoint) -> int:
    return endpoint.meters.messages.all + endpoint.meters.content.all


def _id_of(order: bytes) -> bytes:
    return open_paper(order).id


def _carriers(heard: Iterable[Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in heard:
        found[each.carrier] = found.get(each.carrier, 0) + 1
    return found
