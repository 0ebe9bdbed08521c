"""What a standing programme lets sound, and when: the week that an approver answers for. Pure.

Times are the policy's local time, as the programme has them.
"""

from __future__ import annotations

from typing import Any, Final

from loa_protocol.hours import DAY_S, MINUTE_S
from loa_protocol.objects.standing import StandingProgramme, WeeklySession

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MINUTES: Final = 60


def week_facts(programme: StandingProgramme) -> dict[str, Any]:
    """Return the items of *programme* by day and time, and when FM may sound."""
    return {
        "serial": programme.serial,
        "sessions": len(programme.sessions),
        "items": len(programme.items),
        "week": _items(programme),
        "fm_windows": [
            {
                "days": day_names(window.weekdays),
                "start": _clock(window.start_min * MINUTE_S),
                "end": _clock(window.end_min * MINUTE_S),
                "frequency_khz": window.frequency_khz,
                "volume": window.volume,
                "proofs": [proof.kind.name.lower() for proof in window.proofs],
            }
            for window in programme.fm_windows
        ],
    }


def day_names(weekdays: int) -> list[str]:
    """Return the days of a bit field whose bit 0 is Monday."""
    return [name for bit, name in enumerate(DAYS) if weekdays >> bit & 1]


def _items(programme: StandingProgramme) -> list[dict[str, Any]]:
    """Return what sounds, in the order of the first day and the time; a session without items too.

    An item of a session that is not there never sounds.
    """
    rows = []
    for index, session in enumerate(programme.sessions):
        mine = [item for item in programme.items if item.session == index]
        common = {
            "session": session.id,
            "days": day_names(session.weekdays),
            "volume": session.volume,
        }
        if not mine:
            rows.append((_order(session, 0), {**common, **_span(session, 0, session.duration_s)}))
        for item in mine:
            begins_s, length_s = item.offset_ms / 1000, item.duration_ms / 1000
            facts = {
                **common,
                **_span(session, begins_s, length_s),
                "title": item.title,
                "kind": item.kind.name.lower(),
                "level": item.level.name.lower(),
                "language": item.language,
                "category": item.category,
                "bearers": [bearer.kind.name.lower() for bearer in item.bearers],
            }
            rows.append((_order(session, begins_s), facts))
    return [facts for _key, facts in sorted(rows, key=lambda row: row[0])]


def _order(session: WeeklySession, begins_s: float) -> tuple[int, float]:
    first = (session.weekdays & -session.weekdays).bit_length()
    return first, session.start_min * MINUTE_S + begins_s


def _span(session: WeeklySession, begins_s: float, length_s: float) -> dict[str, Any]:
    start_s = session.start_min * MINUTE_S + begins_s
    return {
        "start": _clock(round(start_s)),
        "end": _clock(round(start_s + length_s)),
        "length_s": round(length_s),
    }


def _clock(second_of_day: int) -> str:
    """Return a time of day; the seconds only where there are some. Past midnight it begins anew."""
    minutes, seconds = divmod(second_of_day % DAY_S, MINUTE_S)
    hours, minutes = divmod(minutes, _MINUTES)
    return f"{hours:02}:{minutes:02}" + (f":{seconds:02}" if seconds else "")
