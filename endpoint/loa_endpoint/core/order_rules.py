"""The rules between orders: who ends whom, who goes first, until when, and how often a day.

Pure functions of orders, their progress and the policy; :mod:`loa_endpoint.core.order_desk` asks
them of the orders it holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from loa_endpoint.core.clock import Reading
from loa_endpoint.core.orders import Kept
from loa_protocol.hours import local_day
from loa_protocol.objects.alert import Alert, AlertMessage
from loa_protocol.objects.authority import Level
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.policy import Policy
from loa_protocol.record import ClockTrust, OrderState, Refused

LASTING: Final = frozenset({Verb.STOP, Verb.HOLD, Verb.LOCKDOWN, Verb.VOLUME})


def ender_of(order: Kept, others: Iterable[Kept]) -> Kept | None:
    """Return the order that ends *order*, None where it stands."""
    return next((other for other in others if _ends(other, order)), None)


def ended_by(ender: Kept) -> str:
    """Return the word for how *ender* ends others."""
    match ender.body:
        case Alert(message=AlertMessage.UPDATE):
            return "updated"
        case Alert():
            return "cancelled"
        case Command(verb=Verb.RELEASE):
            return "released"
    return "superseded"


def is_denied(order: Kept, denied: frozenset[bytes]) -> bool:
    """Tell whether the deny list names *order*, who sealed it, or its sound."""
    media = order.body.media if isinstance(order.body, Alert) else None
    named = {order.digest, *order.keys, *(() if media is None else (media.sha256,))}
    return not denied.isdisjoint(named)


def urgency(alert: Kept) -> tuple[int, int, int, bytes]:
    """Return what sorts alerts: a higher level first, then the newer one."""
    assert isinstance(alert.body, Alert)  # nothing else is sorted
    return alert.level, alert.body.start, alert.taken_ms, alert.id


def begins_ms(body: Command, now: Reading) -> int:
    """Return from when the duration of a lasting order counts, unix ms.

    From when it was issued: it then ends everywhere at once. A signer's clock that is ahead of a
    time that we know must not make it last longer.
    """
    issued_ms = body.issued * 1000
    return min(issued_ms, now.unix_ms) if now.trust >= ClockTrust.T2 else issued_ms


def ends_ms(order: Kept) -> int | None:
    """Return when a lasting order that has begun ends by itself; None for one that does not."""
    body = order.body
    assert isinstance(body, Command)  # nothing else lasts
    if body.duration_s == 0 and body.verb is not Verb.STOP:
        return None
    return order.progress.begun_ms + body.duration_s * 1000


def is_effect_over(order: Kept, unix_ms: int) -> bool:
    """Tell whether a lasting order that has begun is over at *unix_ms*."""
    end = ends_ms(order)
    return end is not None and unix_ms >= end


def is_over_limit(alert: Kept, others: Iterable[Kept], policy: Policy | None) -> bool:
    """Tell whether *alert* comes after its holders have used up their day.

    Only a commune's alerts are limited. What several people stand behind counts for each of them,
    and is refused when all of them are over: a stolen key uses up its own day, not the others'.
    """
    if policy is None or alert.level > Level.COMMUNE or not alert.taking.holders:
        return False
    counted = [each for each in others if _counts_before(each, alert, policy)]
    return all(_has_used_up(holder, [*counted, alert], policy) for holder in alert.taking.holders)


def refused(order: Kept, reason: str) -> Refused:
    """Return the record of an order that may not begin."""
    title = order.body.title if isinstance(order.body, Alert) else ""
    what = f"{order.kind.name.lower()} {order.event.hex()}"
    return Refused(what=what, reason=reason, detail=title, digest=order.digest)


def _ends(other: Kept, order: Kept) -> bool:
    is_void = other.progress.state is OrderState.REFUSED or other.id == order.id
    if is_void or other.level < order.level:
        return False
    match other.body, order.body:
        case Alert(), Alert():
            return order.event in other.body.references
        case Command(verb=Verb.RELEASE), Command():
            return order.body.verb in LASTING and order.event in other.body.references
        case Command(verb=Verb.VOLUME), Command(verb=Verb.VOLUME):
            return other.body.number > order.body.number
    return False


def _counts_before(each: Kept, alert: Kept, policy: Policy) -> bool:
    if not isinstance(each.body, Alert) or each.body.is_cancel or each.id == alert.id:
        return False
    if each.progress.state is OrderState.REFUSED or each.level > Level.COMMUNE:
        return False
    days = (local_day(policy, _counts_from(taken)) for taken in (each, alert))
    is_earlier = (each.taken_ms, each.id) < (alert.taken_ms, alert.id)
    return (is_earlier or each.progress.begun_ms > 0) and len(set(days)) == 1


def _counts_from(alert: Kept) -> int:
    """Return when *alert* may first sound, unix s: one given days before counts for its day."""
    start = alert.body.start if isinstance(alert.body, Alert) else 0
    return max(alert.taken_ms // 1000, start)


def _has_used_up(holder: str, alerts: Iterable[Kept], policy: Policy) -> bool:
    mine = [each for each in alerts if holder in each.taking.holders]
    seconds = sum(_sound_ms(each) for each in mine) / 1000
    limits = policy.alert_limits
    return len(mine) > limits.per_day or seconds > limits.seconds_per_day


def _sound_ms(alert: Kept) -> int:
    """Return how long *alert* may sound at most."""
    body = alert.body
    if not isinstance(body, Alert) or body.media is None:
        return 0
    return min(body.duration_s * 1000, body.repeats * body.media.duration_ms)
