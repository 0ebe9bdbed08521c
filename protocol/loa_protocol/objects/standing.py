"""The standing programme: what plays when no playlist is valid (holidays, an officer on leave)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from loa_protocol.errors import MessageError
from loa_protocol.objects.authority import SECONDS
from loa_protocol.objects.playlist import IDENTIFIER, Item, Media, Proof, check_streams
from loa_protocol.objects.policy import MINUTE_OF_DAY, VOLUME
from loa_protocol.schema import Int, ListOf, Nested, Wire, wire
from loa_protocol.scope import SCOPE

MAX_LIFE_S: Final = 366 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklySession(Wire):
    """A session of every week, in the policy's local time."""

    id: str = wire(1, IDENTIFIER)
    weekdays: int = wire(2, Int(1, 127))  # bit 0 is Monday
    start_min: int = wire(3, MINUTE_OF_DAY)
    duration_s: int = wire(4, Int(1, 86_400))
    volume: int = wire(5, VOLUME)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyWindow(Wire):
    """When of every week, and on which frequency, FM may sound at all."""

    frequency_khz: int = wire(1, Int(50_000, 110_000))
    weekdays: int = wire(2, Int(1, 127))
    start_min: int = wire(3, MINUTE_OF_DAY)
    end_min: int = wire(4, MINUTE_OF_DAY)  # excluded; after start
    volume: int = wire(5, VOLUME)  # cap
    proofs: tuple[Proof, ...] = wire(6, ListOf(Nested(Proof, row=True), 8, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingProgramme(Wire):
    """A week that repeats until it expires."""

    scope: str = wire(1, SCOPE)
    epoch: int = wire(2, Int(0, 2**31))
    serial: int = wire(3, Int())
    not_before: int = wire(4, SECONDS)
    expires: int = wire(5, SECONDS)
    media: tuple[Media, ...] = wire(6, ListOf(Nested(Media, row=True), 1024))
    sessions: tuple[WeeklySession, ...] = wire(7, ListOf(Nested(WeeklySession, row=True), 64))
    items: tuple[Item, ...] = wire(8, ListOf(Nested(Item), 512))
    fm_windows: tuple[WeeklyWindow, ...] = wire(9, ListOf(Nested(WeeklyWindow, row=True), 64))

    def check(self) -> None:
        """Raise MessageError where it would run for over a year, or names a stream: it has none.

        What repeats for a year with nobody at the desk is signed sound.
        """
        if not 0 < self.expires - self.not_before <= MAX_LIFE_S:
            raise MessageError("StandingProgramme.expires: a standing programme runs up to a year")
        check_streams("StandingProgramme", self.items, 0)
