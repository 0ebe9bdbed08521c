"""Policy arithmetic: allowed hours, volume caps, and how two policies become the tighter one.

Publisher and device both judge with these functions, so that what is flagged at the desk is what is
refused at the pole. Instants are unix seconds; days and minutes are local by the policy's offset.
"""

from __future__ import annotations

import dataclasses

from loa_protocol.errors import MessageError
from loa_protocol.objects.policy import VOLUME_MAX, AlertLimits, Hours, Policy
from loa_protocol.stream_url import stream_host

DAY_S = 86_400
MINUTE_S = 60


def local_day(policy: Policy, unix_s: int) -> int:
    """Return the local day of *unix_s* as days since 1970-01-01."""
    return (unix_s + policy.utc_offset_min * MINUTE_S) // DAY_S


def minute_of_day(policy: Policy, unix_s: int) -> int:
    """Return the local minute of the day, 0 to 1439."""
    return (unix_s + policy.utc_offset_min * MINUTE_S) % DAY_S // MINUTE_S


def midnight(policy: Policy, day: int) -> int:
    """Return the unix second at which the local day *day* (days since 1970-01-01) begins."""
    return day * DAY_S - policy.utc_offset_min * MINUTE_S


def weekday(policy: Policy, unix_s: int) -> int:
    """Return the local weekday, 0 for Monday (1970-01-01 was a Thursday)."""
    return (local_day(policy, unix_s) + 3) % 7


def is_weekday(weekdays: int, day: int) -> bool:
    """Tell whether *weekdays* (bit 0 is Monday) has the weekday of *day* (since 1970-01-01)."""
    return bool(weekdays >> (day + 3) % 7 & 1)


def is_allowed(policy: Policy, start_s: int, end_s: int) -> bool:
    """Tell whether every second from *start_s* up to *end_s* lies in allowed hours."""
    at = start_s
    while at < end_s:
        reach = _allowed_until(policy, policy.hours, at)
        if reach is None:
            return False
        at = reach
    return True


def may_stream(policy: Policy, url: str, unix_ms: int) -> bool:
    """Tell whether the unsigned stream *url* may sound at *unix_ms*: its host, and the hour.

    The hours for all scheduled sound are another question (:func:`is_allowed`), and hold as well.
    """
    return stream_until_ms(policy, url, unix_ms) is not None


def stream_until_ms(policy: Policy, url: str, unix_ms: int) -> int | None:
    """Return until when (unix ms, excluded) the unsigned stream *url* may sound from *unix_ms* on.

    None is not now. Where another span begins as this one ends, ask again at that instant.
    """
    try:
        host = stream_host(url)
    except MessageError:
        return None
    if host not in policy.unsigned_streams:
        return None
    reach = _allowed_until(policy, policy.unsigned_stream_hours or (), unix_ms // 1000)
    return None if reach is None else reach * 1000


def may_stream_throughout(policy: Policy, url: str, start_ms: int, end_ms: int) -> bool:
    """Tell whether the unsigned stream *url* may sound from *start_ms* up to *end_ms*, unix ms."""
    at = start_ms
    while at < end_ms:
        reach = stream_until_ms(policy, url, at)
        if reach is None:
            return False
        at = reach
    return True


def volume_cap(policy: Policy, unix_s: int) -> int:
    """Return the loudest level allowed at *unix_s*; overlapping caps give the lowest."""
    minute = minute_of_day(policy, unix_s)
    levels = [cap.level for cap in policy.volume_caps if _holds(cap.start_min, cap.end_min, minute)]
    return min(levels, default=VOLUME_MAX)


def next_cap_change(policy: Policy, unix_s: int) -> int:
    """Return the next instant after *unix_s* at which a volume cap may begin or end."""
    midnight = unix_s - (unix_s + policy.utc_offset_min * MINUTE_S) % DAY_S
    edges = {0, *(edge for cap in policy.volume_caps for edge in (cap.start_min, cap.end_min))}
    instants = [midnight + day * DAY_S + edge * MINUTE_S for day in (0, 1) for edge in edges]
    return min(instant for instant in instants if instant > unix_s)


def tighten(province: Policy, commune: Policy) -> Policy:
    """Return the tighter of both, field by field; the province's identity and offset stay."""
    return dataclasses.replace(
        province,
        expires=min(province.expires, commune.expires),
        hours=_overlap(province.hours, commune.hours),
        sessions_per_day=min(province.sessions_per_day, commune.sessions_per_day),
        minutes_per_session=min(province.minutes_per_session, commune.minutes_per_session),
        volume_caps=(*province.volume_caps, *commune.volume_caps),
        languages=_common(province.languages, commune.languages),
        refused_categories=(*province.refused_categories, *commune.refused_categories),
        cached_days=min(province.cached_days, commune.cached_days),
        thresholds={
            kind: max(province.thresholds.get(kind, 1), commune.thresholds.get(kind, 1))
            for kind in (*province.thresholds, *commune.thresholds)
        },
        start_wait_s=max(province.start_wait_s, commune.start_wait_s),
        unsigned_time_s=min(province.unsigned_time_s, commune.unsigned_time_s),
        preapproved=tuple(h for h in province.preapproved if h in commune.preapproved),
        alert_limits=AlertLimits(
            per_day=min(province.alert_limits.per_day, commune.alert_limits.per_day),
            seconds_per_day=min(
                province.alert_limits.seconds_per_day, commune.alert_limits.seconds_per_day
            ),
        ),
        alert_without_time=province.alert_without_time and commune.alert_without_time,
        unsigned_streams=tuple(
            h for h in province.unsigned_streams if h in commune.unsigned_streams
        ),
        unsigned_stream_hours=_overlap(
            province.unsigned_stream_hours or (), commune.unsigned_stream_hours or ()
        )
        or None,
        preapproved_holders=max(province.preapproved_holders, commune.preapproved_holders),
        order_deadline_min=max(province.order_deadline_min, commune.order_deadline_min),
        order_rule=min(province.order_rule, commune.order_rule),  # waiting is the tightest
    )


def _allowed_until(policy: Policy, spans: tuple[Hours, ...], at: int) -> int | None:
    minute, day = minute_of_day(policy, at), weekday(policy, at)
    ends = [
        hours.end_min
        for hours in spans
        if hours.weekdays >> day & 1 and hours.start_min <= minute < hours.end_min
    ]
    if not ends:
        return None
    return at - (at + policy.utc_offset_min * MINUTE_S) % DAY_S + max(ends) * MINUTE_S


def _holds(start_min: int, end_min: int, minute: int) -> bool:
    if start_min <= end_min:
        return start_min <= minute < end_min
    return minute >= start_min or minute < end_min  # a cap from 21:00 to 05:00


def _overlap(one: tuple[Hours, ...], other: tuple[Hours, ...]) -> tuple[Hours, ...]:
    return tuple(
        Hours(
            weekdays=a.weekdays & b.weekdays,
            start_min=max(a.start_min, b.start_min),
            end_min=min(a.end_min, b.end_min),
        )
        for a in one
        for b in other
        if a.weekdays & b.weekdays and max(a.start_min, b.start_min) < min(a.end_min, b.end_min)
    )


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    if not one or not other:  # an empty list allows every language
        return one or other
    # no language in common must not read as "any": a tag that nothing carries closes it
    return tuple(tag for tag in one if tag in other) or ("zxx",)
