"""What should sound at a time: the accepted playlist as the policy lets it be.

The device judges a validly signed playlist against the policy once more; what the policy forbids is
blocked here, by name, whoever signed it.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

from loa_protocol.announcing import find_crossing
from loa_protocol.hours import MINUTE_S, is_allowed, local_day, volume_cap
from loa_protocol.objects.playlist import BulletinKind, Item, Playlist, Session
from loa_protocol.objects.policy import Policy

AHEAD_MS = 10_000
"""What sounds an item is opened so long before its start, for RDS to prove itself on FM."""
LEAD_MS = 250
"""Its beginning and its end are asked for so long before, on their instants."""
_ANOTHERS = -1  # in place of an index: a session of a playlist that was replaced
_CENTI_DB_PER_LEVEL = 200  # 2 dB a step: level 1 is 28 dB below level 15, an audible but low voice


class Block(enum.StrEnum):
    """Why the device does not play a signed item."""

    QUIET_HOURS = "blocked_quiet_hours"
    SESSIONS = "blocked_sessions_per_day"
    MINUTES = "blocked_minutes_per_session"
    SLOT = "blocked_outside_session"
    CATEGORY = "blocked_category"
    LANGUAGE = "blocked_language"
    VALIDITY = "blocked_outside_validity"
    KIND = "blocked_kind"  # emergencies come as alerts, never in a playlist
    OVERLAP = "blocked_overlap"  # over another announcement, or over more than one item


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One item with its instants in unix ms, and why it is blocked, if it is.

    *source* is the digest of what was signed; of two at once the higher *rank* sounds.
    """

    item: Item
    session: Session
    start_ms: int
    end_ms: int
    block: Block | None
    source: bytes = field(default=b"", compare=False)
    rank: int = 0


def plan(
    playlist: Playlist, policy: Policy, aired: Collection[int] = (), source: bytes = b""
) -> tuple[Planned, ...]:
    """Return every item of *playlist*, whose digest is *source*, in order of its start.

    Sessions of the same day that were on air already (*aired*: unix seconds of their starts) count
    against the daily limit, also when they were another playlist's.
    """
    late = _sessions_over_the_daily_limit(playlist, policy, aired)
    crossing = find_crossing(playlist)
    planned = []
    for number, item in enumerate(playlist.items):
        if item.session >= len(playlist.sessions):
            continue  # names no session: there is no instant at which it could play
        session = playlist.sessions[item.session]
        start = session.start * 1000 + item.offset_ms
        planned.append(
            Planned(
                item=item,
                session=session,
                start_ms=start,
                end_ms=start + item.duration_ms,
                block=_block(item, session, playlist, policy, is_late=item.session in late)
                or (Block.OVERLAP if number in crossing else None),
                source=source,
            )
        )
    return tuple(sorted(planned, key=lambda p: p.start_ms))


def sounding(planned: tuple[Planned, ...], at_ms: int) -> Planned | None:
    """Return the item that should sound at *at_ms*; of several, the one that began last.

    Only a higher rank comes before that. Announcements sound over it: see `announced`.
    """
    current = [p for p in _due(planned, at_ms) if not p.item.is_announcement]
    rank = max((p.rank for p in current), default=0)
    return next((p for p in reversed(current) if p.rank == rank), None)


def announced(planned: tuple[Planned, ...], at_ms: int) -> Planned | None:
    """Return the announcement that should sound at *at_ms*; no two are planned at once."""
    return next((p for p in _due(planned, at_ms) if p.item.is_announcement), None)


def _due(planned: tuple[Planned, ...], at_ms: int) -> list[Planned]:
    return [p for p in planned if p.block is None and p.start_ms <= at_ms < p.end_ms]


def upcoming(planned: tuple[Planned, ...], from_ms: int, until_ms: int) -> tuple[Planned, ...]:
    """Return the items that begin from *from_ms* up to *until_ms*, blocked ones included."""
    return tuple(p for p in planned if from_ms <= p.start_ms < until_ms)


def allowed_volume(planned: Planned, policy: Policy, at_ms: int) -> int:
    """Return the level at which the item may sound at *at_ms*: asked, capped by the policy."""
    return min(asked_volume(planned), volume_cap(policy, at_ms // 1000))


def asked_volume(planned: Planned) -> int:
    """Return the level that the playlist asks for: the item's own, or else its session's."""
    own = planned.item.volume
    return planned.session.volume if own is None else own


def volume_gain_cdb(level: int) -> int | None:
    """Return the gain of a volume level in hundredths of dB; None is silence (level 0).

    The levels of the trade have no agreed scale: ours is 0 dB at 15 and 2 dB a step.
    """
    return None if level == 0 else -_CENTI_DB_PER_LEVEL * (15 - level)


def level_of(gain_cdb: int | None) -> int:
    """Return the volume level that sounds as *gain_cdb* does: 0 for silence alone."""
    return 0 if gain_cdb is None else max(1, 15 + gain_cdb // _CENTI_DB_PER_LEVEL)


def _sessions_over_the_daily_limit(
    playlist: Playlist, policy: Policy, aired: Collection[int]
) -> frozenset[int]:
    days: dict[int, list[tuple[bool, int, int]]] = defaultdict(list)
    for index, session in enumerate(playlist.sessions):
        is_coming = session.start not in aired  # what was on air counts first
        days[local_day(policy, session.start)].append((is_coming, session.start, index))
    own = {session.start for session in playlist.sessions}
    for start in set(aired) - own:
        days[local_day(policy, start)].append((False, start, _ANOTHERS))
    late = (
        index
        for sessions in days.values()
        for _, _, index in sorted(sessions)[policy.sessions_per_day :]
    )
    return frozenset(late)


def _block(
    item: Item, session: Session, playlist: Playlist, policy: Policy, *, is_late: bool
) -> Block | None:
    end_ms = item.offset_ms + item.duration_ms
    start_s = session.start + item.offset_ms // 1000
    rules = (
        (item.kind is BulletinKind.EMERGENCY, Block.KIND),
        (not playlist.not_before <= start_s < playlist.expires, Block.VALIDITY),
        (item.category in policy.refused_categories, Block.CATEGORY),
        (bool(policy.languages) and item.language not in policy.languages, Block.LANGUAGE),
        (end_ms > session.duration_s * 1000, Block.SLOT),
        (is_late, Block.SESSIONS),
        (end_ms > policy.minutes_per_session * MINUTE_S * 1000, Block.MINUTES),
        (not is_allowed(policy, start_s, session.start - (-end_ms // 1000)), Block.QUIET_HOURS),
    )
    return next((block for holds, block in rules if holds), None)
