"""The schedule on the calendar: which session on which day, which item at which offset.

Pure. Local time is the policy's; Vietnam has no summer time, so one offset serves the whole week.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from loa_manager.publish.entries import ItemEntry, Schedule, SessionEntry
from loa_manager.publish.order import Choice, Terms, choose, is_collision, put_in_order
from loa_manager.publish.places import Fault
from loa_protocol.hours import DAY_S, MINUTE_S
from loa_protocol.language import translator
from loa_protocol.objects.playlist import BulletinKind

_ = translator("loa_manager")

_EPOCH: Final = datetime.date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Placed:
    """An item and when it sounds, in ms from its session's start."""

    entry: ItemEntry
    offset_ms: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Slot:
    """A session on one day; *start* in unix seconds."""

    entry: SessionEntry
    date: datetime.date
    start: int
    items: tuple[Placed, ...]
    choice: Choice = Choice.COMMUNE  # who has put its priorities in order

    @property
    def end(self) -> int:
        """When it is over, unix seconds."""
        return self.start + self.entry.length_s


def lay_out(
    schedule: Schedule,
    durations: Mapping[str, int],
    *,
    utc_offset_min: int,
    terms: Terms | None = None,
) -> tuple[list[Slot], list[Fault]]:
    """Return the slots of *schedule* by start, and what does not fit together.

    Args:
        schedule: What the officer wrote.
        durations: Length of each media file in ms; files without one are left out silently, for
            whoever measured them has said why.
        utc_offset_min: Of local time, by the policy.
        terms: What the policy says where priorities meet; without, only the officer decides.
    """
    faults: list[Fault] = []
    slots: list[Slot] = []
    for session in schedule.sessions:
        placed = _Placing(session, durations, faults)
        for date in _dates(schedule, session, faults):
            start = _midnight(date, utc_offset_min) + session.start_s
            choice = Choice.COMMUNE if session.is_decided else Choice.OPEN
            if terms is not None:
                choice = choose(start, terms, is_decided=session.is_decided)
            slots.append(Slot(session, date, start, placed.by(choice), choice))
    slots.sort(key=lambda slot: slot.start)
    _check_ends(slots, end_of(schedule, utc_offset_min), faults)
    _check_overlaps(slots, faults)
    return slots, faults


def in_order(items: Sequence[ItemEntry], choice: Choice = Choice.COMMUNE) -> list[ItemEntry]:
    """Return *items* as they play: priority ahead of normal between two times that are given.

    An item with ``at`` stays where it is written, and those after it follow it. Where priorities
    of the commune and of a higher level meet, *choice* says who has put them in order.
    Announcements, which sound over others, come last.
    """
    over = [item for item in items if item.over_cdb is not None]
    return [item for run in _runs(items) for item in put_in_order(run, choice)] + over


def start_of(schedule: Schedule, utc_offset_min: int) -> int:
    """Return the first local midnight, unix seconds."""
    return _midnight(schedule.first, utc_offset_min)


def end_of(schedule: Schedule, utc_offset_min: int) -> int:
    """Return the local midnight at which the last day ends, unix seconds."""
    return _midnight(schedule.last, utc_offset_min) + DAY_S


def clock(seconds: int) -> str:
    """Return a time of day or a length as h:mm:ss, for people."""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _midnight(date: datetime.date, utc_offset_min: int) -> int:
    return (date - _EPOCH).days * DAY_S - utc_offset_min * MINUTE_S


def _dates(
    schedule: Schedule, session: SessionEntry, faults: list[Fault]
) -> Sequence[datetime.date]:
    count = (schedule.last - schedule.first).days + 1
    every = [schedule.first + datetime.timedelta(days=n) for n in range(count)]
    if session.date is not None:
        dates = [date for date in every if date == session.date]
    else:
        dates = [date for date in every if date.weekday() in session.days]
    if not dates:
        faults.append(Fault(session.place, _("falls on no day of the schedule")))
    return dates


class _Placing:
    """The items of one session at their instants, for each way in which they may be ordered."""

    def __init__(
        self, session: SessionEntry, durations: Mapping[str, int], faults: list[Fault]
    ) -> None:
        self._session, self._durations, self._faults = session, durations, faults
        self._found: dict[Choice, tuple[Placed, ...]] = {}

    def by(self, choice: Choice) -> tuple[Placed, ...]:
        if choice not in self._found:
            # the same fault on another day, in another order, is told once
            faults: list[Fault] = [] if self._found else self._faults
            self._found[choice] = _place_items(self._session, self._durations, faults, choice)
        return self._found[choice]


def _place_items(
    session: SessionEntry, durations: Mapping[str, int], faults: list[Fault], choice: Choice
) -> tuple[Placed, ...]:
    placed: list[Placed] = []
    free_ms = 0
    for run in _runs(session.items):
        is_open = choice is Choice.OPEN and is_collision(run)
        shared: int | None = None  # where all priorities of an undecided run stand for now
        for item in put_in_order(run, choice):
            offset = _offset(session, item, free_ms, faults)
            length = None if item.length_s is None else item.length_s * 1000
            is_given = item.file is None or item.is_live or item.stream is not None
            duration = length if is_given else durations.get(item.file or "")
            if duration is None:  # the file's own fault was named where it was measured
                free_ms = offset + (length or 0)
                continue
            _check_length(session, item, offset, duration, faults)
            free_ms = offset + max(duration, length or 0)
            if is_open and item.kind is BulletinKind.PRIORITY:
                offset = shared = offset if shared is None else shared
            placed.append(Placed(item, offset, duration))
    return *placed, *_place_announcements(session, durations, faults)


def _place_announcements(
    session: SessionEntry, durations: Mapping[str, int], faults: list[Fault]
) -> list[Placed]:
    """Return what sounds over the other items; it moves none of them."""
    placed = []
    for item in session.items:
        duration = durations.get(item.file or "")
        if item.over_cdb is not None and duration is not None:
            offset = _offset(session, item, 0, faults)
            _check_length(session, item, offset, duration, faults)
            placed.append(Placed(item, offset, duration))
    return placed


def _runs(items: Sequence[ItemEntry]) -> list[list[ItemEntry]]:
    """Return *items* in the portions within which their order is free: an ``at`` ends one.

    Announcements are in none of them.
    """
    runs: list[list[ItemEntry]] = [[]]
    for item in items:
        if item.over_cdb is not None:
            continue
        if item.at_s is None:
            runs[-1].append(item)
        else:
            runs += [[item], []]
    return runs


def _offset(session: SessionEntry, item: ItemEntry, free_ms: int, faults: list[Fault]) -> int:
    if item.at_s is None:
        return free_ms
    offset = (item.at_s - session.start_s) % DAY_S * 1000  # a session may run over midnight
    if offset >= session.length_s * 1000:
        faults.append(Fault(item.place, _("at lies outside the session")))
    elif offset < free_ms:
        before = clock((session.start_s + free_ms // 1000) % DAY_S)
        fault = _("begins before the item before it ends, at {time}").format(time=before)
        faults.append(Fault(item.place, fault))
    return offset


def _check_length(
    session: SessionEntry, item: ItemEntry, offset: int, duration: int, faults: list[Fault]
) -> None:
    if item.length_s is not None and duration > item.length_s * 1000:
        fault = _("plays for {played}, longer than its length of {length}")
        texts = {"played": clock(-(-duration // 1000)), "length": clock(item.length_s)}
        faults.append(Fault(item.place, fault.format(**texts)))
    over_ms = offset + duration - session.length_s * 1000
    if over_ms > 0:
        fault = _("ends {over} after its session")
        faults.append(Fault(item.place, fault.format(over=clock(-(-over_ms // 1000)))))
    if any(end > duration for _start, end in item.expected_silence):
        faults.append(Fault(item.place, _("expected_silence goes beyond the end of the item")))


def _check_ends(slots: Sequence[Slot], end: int, faults: list[Fault]) -> None:
    places = dict.fromkeys(slot.entry.place for slot in slots if slot.end > end)
    faults.extend(Fault(place, _("runs beyond the schedule's last day")) for place in places)


def _check_overlaps(slots: Sequence[Slot], faults: list[Fault]) -> None:
    """Name each pair of entries that overlap, once, with the first day on which they do."""
    named: set[tuple[str, str]] = set()
    longest: Slot | None = None
    for slot in slots:
        if longest is not None and slot.start < longest.end:
            pair = longest.entry.place, slot.entry.place
            if pair not in named:
                named.add(pair)
                fault = _("overlaps with {other} on {date}")
                texts = {"other": pair[0], "date": slot.date.isoformat()}
                faults.append(Fault(pair[1], fault.format(**texts)))
        if longest is None or slot.end > longest.end:
            longest = slot
