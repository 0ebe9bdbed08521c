"""A schedule with weekdays becomes the standing programme: one week that repeats. Pure.

The schedule is laid out on one real week by the same code as a playlist, so that it is judged by
the same rules; then what stands on several days becomes one entry with those weekdays.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from loa_manager.publish.drafts import Prepared, prepare
from loa_manager.publish.entries import Schedule
from loa_manager.publish.media import Kept
from loa_manager.publish.places import Fault
from loa_protocol.errors import ConfigError
from loa_protocol.hours import MINUTE_S, minute_of_day, weekday
from loa_protocol.language import translator
from loa_protocol.objects.playlist import BearerKind, FmWindow, Item, Playlist, Session
from loa_protocol.objects.policy import Policy
from loa_protocol.objects.standing import StandingProgramme, WeeklySession, WeeklyWindow

_ = translator("loa_manager")

_DATE: Final = len("-20270118")
_DAY_MIN: Final = 1440


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """Number and validity of a standing programme."""

    epoch: int
    serial: int
    not_before: int
    expires: int


def prepare_week(
    schedule: Schedule, kept: Mapping[str, Kept], policy: Policy, now_s: int
) -> Prepared:
    """Lay *schedule* out on the week after *now_s*, whatever days its header names."""
    today = datetime.datetime.fromtimestamp(now_s, datetime.UTC).date()
    monday = today + datetime.timedelta(days=7 - today.weekday())
    week = dataclasses.replace(schedule, first=monday, last=monday + datetime.timedelta(days=6))
    faults = [
        Fault(session.place, _("a standing programme has weekdays, no dates"))
        for session in schedule.sessions
        if session.date is not None
    ]
    faults += [
        Fault(session.place, _("a standing programme begins on a whole minute"))
        for session in schedule.sessions
        if session.start_s % MINUTE_S
    ]
    faults += [
        Fault(item.place, _("a standing programme has no unsigned streams; use a file or fm"))
        for session in schedule.sessions
        for item in session.items
        if item.stream is not None
    ]
    prepared = prepare(week, kept, policy, position=(1, 1), now_s=now_s)
    return dataclasses.replace(prepared, faults=[*faults, *prepared.faults])


def compose_programme(week: Playlist, policy: Policy, term: Term) -> StandingProgramme:
    """Return the programme that repeats *week*.

    Args:
        week: Of seven days from a Monday on.
        policy: Gives local time.
        term: Number and validity.

    Raises:
        ConfigError: an FM window runs over midnight, or there is more than a programme may hold.
    """
    made = _Programme(week, policy)
    for index, session in enumerate(week.sessions):
        made.add(session, [item for item in week.items if item.session == index])
    if len(made.sessions) > 64 or len(made.items) > 512 or len(made.windows) > 64:
        fault = _("a standing programme holds 64 sessions, 512 items and 64 FM windows")
        raise ConfigError(_("standing programme"), [fault])
    return StandingProgramme(
        scope=week.scope,
        epoch=term.epoch,
        serial=term.serial,
        not_before=term.not_before,
        expires=term.expires,
        media=week.media,
        sessions=tuple(made.sessions.values()),
        items=tuple(made.items),
        fm_windows=tuple(made.windows),
    )


@dataclass(slots=True)
class _Programme:
    week: Playlist
    policy: Policy
    sessions: dict[str, WeeklySession] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)
    windows: list[WeeklyWindow] = field(default_factory=list)

    def add(self, session: Session, items: list[Item]) -> None:
        name, day = session.id[:-_DATE], 1 << weekday(self.policy, session.start)
        known = self.sessions.get(name)
        self.sessions[name] = WeeklySession(
            id=name,
            weekdays=day | (known.weekdays if known else 0),
            start_min=minute_of_day(self.policy, session.start),
            duration_s=session.duration_s,
            volume=session.volume,
        )
        index = list(self.sessions).index(name)
        for item in items:
            bearers = tuple(
                dataclasses.replace(bearer, reference=self._window(bearer.reference, day))
                if bearer.kind is BearerKind.FM
                else bearer
                for bearer in item.bearers
            )
            if known is None:
                id_ = f"{name}{item.id[len(session.id) :]}"
                placed = dataclasses.replace(item, id=id_, session=index, bearers=bearers)
                self.items.append(placed)

    def _window(self, reference: int, day: int) -> int:
        """Return the weekly window for that of the week, on one more day."""
        wanted = self._weekly(self.week.fm_windows[reference], day)
        for number, known in enumerate(self.windows):
            if dataclasses.replace(known, weekdays=day) == wanted:
                self.windows[number] = dataclasses.replace(known, weekdays=known.weekdays | day)
                return number
        self.windows.append(wanted)
        return len(self.windows) - 1

    def _weekly(self, window: FmWindow, day: int) -> WeeklyWindow:
        start = minute_of_day(self.policy, window.start)
        end = start - (-(window.end - window.start) // MINUTE_S)
        if end > _DAY_MIN:
            fault = _("FM cannot sound over midnight in a standing programme")
            raise ConfigError(_("standing programme"), [fault])
        return WeeklyWindow(
            frequency_khz=window.frequency_khz,
            weekdays=day,
            start_min=start,
            end_min=end,
            volume=window.volume,
            proofs=window.proofs,
        )
