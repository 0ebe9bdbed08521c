"""What figures are computed from, as plain values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Final

from loa_manager.registry.money import Purpose
from loa_manager.registry.placements import Placement
from loa_manager.registry.units import UnitTree
from loa_manager.reports.period import Period
from loa_protocol.objects.authority import Level
from loa_protocol.objects.playlist import Mark
from loa_protocol.record import Evidence

REACHABLE_DAYS: Final = 7  # requirements, "Words of the report"
SOUNDING_DAYS: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A station or a cluster: since when, where, paid by whom."""

    id: str
    first_day: date
    last_day: date | None
    places: tuple[Placement, ...]
    technology: str = ""
    is_managed: bool = False
    purpose: Purpose | None = None
    central_vnd: int = 0
    local_vnd: int = 0

    def stands(self, on: date) -> bool:
        """Tell whether it was there on the day *on*."""
        return self.first_day <= on and (self.last_day is None or on <= self.last_day)

    def place(self, on: date) -> Placement | None:
        """Return where it stood on the day *on*."""
        return next((place for place in self.places if place.holds(on)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayFact:
    """One play: *on_air_ms* is its segments without the silence in them."""

    id: str
    cluster: str
    began_ms: int
    on_air_ms: int
    evidence: Evidence
    evidence_ms: int
    language: str
    level: Level
    has_bulletin: bool
    mark: Mark
    unsigned_host: str | None = None  # whose stream sounded in it without a signature

    @property
    def verified_ms(self) -> int:
        """How much of it a sensor confirmed."""
        return min(self.evidence_ms, self.on_air_ms) if self.evidence >= Evidence.OUTPUT else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything behind one report; days are local.

    *as_of* is the last day of the period, or today where the period still runs. *reachable* holds
    the clusters with an accepted batch in the last seven days up to then. *plays* reach back to the
    first day of the period and 30 days before *as_of*, whichever is earlier.
    """

    period: Period
    as_of: date
    is_test: bool
    utc_offset_min: int
    units: UnitTree
    stations: tuple[Item, ...]
    clusters: tuple[Item, ...]
    reachable: frozenset[str]
    plays: Iterable[PlayFact]


def day_ms(day: date, utc_offset_min: int) -> int:
    """Return the unix ms at which the local *day* begins."""
    zone = timezone(timedelta(minutes=utc_offset_min))
    return round(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)
