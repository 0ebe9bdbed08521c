"""What the policy says to a playlist, by the same arithmetic as on the device.

Pure. The reasons are the device's own, so that what is flagged at the desk is what the pole would
report. *Forbidden* items are never played by any device; *warnings* are, but not as asked.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from loa_manager.publish.values import plain
from loa_protocol.announcing import find_crossing
from loa_protocol.hours import (
    MINUTE_S,
    is_allowed,
    local_day,
    may_stream_throughout,
    next_cap_change,
    volume_cap,
)
from loa_protocol.objects.playlist import BulletinKind, Item, Playlist, Session, Stream
from loa_protocol.objects.policy import Policy


class Reason(enum.StrEnum):
    """Why an item will not play, or not as asked."""

    QUIET_HOURS = "blocked_quiet_hours"
    SESSIONS = "blocked_sessions_per_day"
    MINUTES = "blocked_minutes_per_session"
    SLOT = "blocked_outside_session"
    CATEGORY = "blocked_category"
    LANGUAGE = "blocked_language"
    VALIDITY = "blocked_outside_validity"
    KIND = "blocked_kind"
    OVERLAP = "blocked_overlap"
    STREAM_HOST = "blocked_stream_host"  # these two where nothing else carries the item
    STREAM_HOURS = "blocked_stream_hours"
    NO_HOST = "stream_host_not_named"  # and these where the device plays it by other ways
    NO_HOURS = "stream_outside_its_hours"
    UNSIGNED = "unsigned_stream"  # whatever the policy says: whoever signs has to know
    VOLUME = "volume_capped"
    SLOT_HOURS = "session_reaches_quiet_hours"
    POLICY_ENDS = "policy_ends_before"

    @property
    def is_forbidden(self) -> bool:
        """Whether the device refuses to play the item."""
        return self.value.startswith("blocked_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing the policy says; *item* is None where it is about the whole session.

    *limit* is the number of the rule: a level, a count, minutes; 0 where it has none. *host* is
    the host of an unsigned stream.
    """

    reason: Reason
    session: Session
    item: Item | None
    start_ms: int
    limit: int = 0
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """An item at its instant; *volume* is what will sound, *reasons* why it will not.

    *hosts* are those of the streams by which it may sound unsigned, one for each such bearer.
    """

    session: Session
    item: Item
    start_ms: int
    end_ms: int
    volume: int
    reasons: tuple[Reason, ...]
    hosts: tuple[str, ...] = ()


def judge(playlist: Playlist, policy: Policy) -> list[Finding]:
    """Return everything that *policy* says to *playlist*, in the order of time."""
    late = _sessions_over_the_daily_limit(playlist, policy)
    crossing = find_crossing(playlist)
    items: dict[int, list[tuple[int, Item]]] = defaultdict(list)
    for number, item in enumerate(playlist.items):
        items[item.session].append((number, item))
    findings: list[Finding] = []
    for index, session in enumerate(playlist.sessions):
        findings += _judge_session(session, policy)
        for number, item in items[index]:
            findings += _judge_item(item, session, playlist, policy, is_late=index in late)
            findings += _judge_own(item, session, policy, is_crossing=number in crossing)
            findings += _judge_streams(item, session, playlist, policy)
    return sorted(findings, key=lambda finding: finding.start_ms)


def streams_of(item: Item, playlist: Playlist) -> list[Stream]:
    """Return the streams that nobody signed by which *item* may sound."""
    streams = playlist.streams or ()
    return [streams[each.reference - 1] for each in item.bearers if each.is_unsigned]


def plays(playlist: Playlist, policy: Policy, from_s: int, until_s: int) -> list[Play]:
    """Return the items that begin from *from_s* up to *until_s*, forbidden ones included."""
    reasons: dict[str, list[Reason]] = defaultdict(list)
    for finding in judge(playlist, policy):
        if finding.item is not None:
            reasons[finding.item.id].append(finding.reason)
    found = []
    for item in playlist.items:
        if item.session >= len(playlist.sessions):
            continue
        session = playlist.sessions[item.session]
        start = _start_ms(item, session)
        if from_s * 1000 <= start < until_s * 1000:
            play = Play(
                session=session,
                item=item,
                start_ms=start,
                end_ms=start + item.duration_ms,
                volume=min(_asked_volume(item, session), volume_cap(policy, start // 1000)),
                reasons=tuple(reasons[item.id]),
                hosts=tuple(stream.host for stream in streams_of(item, playlist)),
            )
            found.append(play)
    return sorted(found, key=lambda play: play.start_ms)


def _asked_volume(item: Item, session: Session) -> int:
    return session.volume if item.volume is None else item.volume


def _judge_session(session: Session, policy: Policy) -> Iterator[Finding]:
    start, end = session.start, session.start + session.duration_s
    if (cap := _lowest_cap(policy, start, end)) < session.volume:
        yield Finding(
            reason=Reason.VOLUME, session=session, item=None, start_ms=start * 1000, limit=cap
        )
    if not is_allowed(policy, start, end):
        yield Finding(reason=Reason.SLOT_HOURS, session=session, item=None, start_ms=start * 1000)
    if end > policy.expires:
        yield Finding(reason=Reason.POLICY_ENDS, session=session, item=None, start_ms=start * 1000)


def _judge_item(
    item: Item, session: Session, playlist: Playlist, policy: Policy, *, is_late: bool
) -> Iterator[Finding]:
    end_ms = item.offset_ms + item.duration_ms
    start_s = session.start + item.offset_ms // 1000
    end_s = session.start - (-end_ms // 1000)
    most_ms = policy.minutes_per_session * MINUTE_S * 1000
    rules = (
        (item.kind is BulletinKind.EMERGENCY, Reason.KIND, 0),
        (not playlist.not_before <= start_s < playlist.expires, Reason.VALIDITY, 0),
        (plain(item.category) in map(plain, policy.refused_categories), Reason.CATEGORY, 0),
        (bool(policy.languages) and item.language not in policy.languages, Reason.LANGUAGE, 0),
        (end_ms > session.duration_s * 1000, Reason.SLOT, 0),
        (is_late, Reason.SESSIONS, policy.sessions_per_day),
        (end_ms > most_ms, Reason.MINUTES, policy.minutes_per_session),
        (not is_allowed(policy, start_s, end_s), Reason.QUIET_HOURS, 0),
    )
    for holds, reason, limit in rules:
        if holds:
            yield Finding(
                reason=reason,
                session=session,
                item=item,
                start_ms=_start_ms(item, session),
                limit=limit,
            )


def _judge_own(
    item: Item, session: Session, policy: Policy, *, is_crossing: bool
) -> Iterator[Finding]:
    """Judge what an item has of its own: its volume, and its place over another item."""
    start_ms = _start_ms(item, session)
    if is_crossing:
        yield Finding(reason=Reason.OVERLAP, session=session, item=item, start_ms=start_ms)
    if item.volume is not None:
        end_s = -((-start_ms - item.duration_ms) // 1000)
        if (cap := _lowest_cap(policy, start_ms // 1000, end_s)) < item.volume:
            yield Finding(
                reason=Reason.VOLUME, session=session, item=item, start_ms=start_ms, limit=cap
            )


def _judge_streams(
    item: Item, session: Session, playlist: Playlist, policy: Policy
) -> Iterator[Finding]:
    """Judge the streams that nobody signed; only the whole of the item is enough."""
    start_ms = _start_ms(item, session)
    streams = streams_of(item, playlist)
    is_alone = len(streams) == len(item.bearers)
    for stream in streams:
        reasons = [Reason.UNSIGNED]
        if stream.host not in policy.unsigned_streams:
            reasons.append(Reason.STREAM_HOST if is_alone else Reason.NO_HOST)
        elif not may_stream_throughout(policy, stream.url, start_ms, start_ms + item.duration_ms):
            reasons.append(Reason.STREAM_HOURS if is_alone else Reason.NO_HOURS)
        for reason in reasons:
            yield Finding(
                reason=reason, session=session, item=item, start_ms=start_ms, host=stream.host
            )


def _start_ms(item: Item, session: Session) -> int:
    return session.start * 1000 + item.offset_ms


def _lowest_cap(policy: Policy, start: int, end: int) -> int:
    at, lowest = start, volume_cap(policy, start)
    while (at := next_cap_change(policy, at)) < end:
        lowest = min(lowest, volume_cap(policy, at))
    return lowest


def _sessions_over_the_daily_limit(playlist: Playlist, policy: Policy) -> frozenset[int]:
    days: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for index, session in enumerate(playlist.sessions):
        days[local_day(policy, session.start)].append((session.start, index))
    return frozenset(
        index
        for sessions in days.values()
        for _start, index in sorted(sessions)[policy.sessions_per_day :]
    )
