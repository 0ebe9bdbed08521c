"""The standing programme as a playlist of some days, so that one schedule serves both."""

from __future__ import annotations

from dataclasses import replace

from loa_protocol.hours import MINUTE_S, is_weekday, local_day, midnight
from loa_protocol.objects.playlist import BearerKind, FmWindow, Item, Playlist, Session
from loa_protocol.objects.policy import Policy
from loa_protocol.objects.standing import StandingProgramme, WeeklySession, WeeklyWindow


def expand(programme: StandingProgramme, policy: Policy, now_s: int, *, days: int) -> Playlist:
    """Return what *programme* means from the local day of *now_s* on, for *days* days.

    Items keep their ids; an id and an instant name a play.
    """
    week = _Week(programme, policy)
    first = local_day(policy, now_s)
    for day in range(first, first + days):
        week.add(day)
    return Playlist(
        scope=programme.scope,
        epoch=programme.epoch,
        serial=programme.serial,
        not_before=programme.not_before,
        expires=programme.expires,
        media=programme.media,
        sessions=tuple(week.sessions),
        items=tuple(week.items),
        fm_windows=tuple(week.windows),
    )


class _Week:
    """Days being written out, one after the other."""

    def __init__(self, programme: StandingProgramme, policy: Policy) -> None:
        self._programme, self._policy = programme, policy
        self.sessions: list[Session] = []
        self.items: list[Item] = []
        self.windows: list[FmWindow] = []

    def add(self, day: int) -> None:
        """Write out the local day *day* (days since 1970-01-01)."""
        start, places = midnight(self._policy, day), {}
        for number, window in enumerate(self._programme.fm_windows):
            if is_weekday(window.weekdays, day):
                places[number] = len(self.windows)
                self.windows.append(_window(window, start))
        for index, weekly in enumerate(self._programme.sessions):
            if is_weekday(weekly.weekdays, day):
                mine = (item for item in self._programme.items if item.session == index)
                self.items += [self._item(item, places) for item in mine]
                self.sessions.append(_session(weekly, start))

    def _item(self, item: Item, windows: dict[int, int]) -> Item:
        """Return *item* of the session that is written next, its FM bearers at today's windows."""
        bearers = tuple(
            replace(bearer, reference=windows[bearer.reference])
            if bearer.kind is BearerKind.FM
            else bearer
            for bearer in item.bearers
            if bearer.kind is not BearerKind.FM or bearer.reference in windows
        )
        return replace(item, session=len(self.sessions), bearers=bearers)


def _session(weekly: WeeklySession, midnight_s: int) -> Session:
    start = midnight_s + weekly.start_min * MINUTE_S
    return Session(id=weekly.id, start=start, duration_s=weekly.duration_s, volume=weekly.volume)


def _window(weekly: WeeklyWindow, midnight_s: int) -> FmWindow:
    return FmWindow(
        frequency_khz=weekly.frequency_khz,
        start=midnight_s + weekly.start_min * MINUTE_S,
        end=midnight_s + weekly.end_min * MINUTE_S,
        volume=weekly.volume,
        proofs=weekly.proofs,
    )
