"""The figures of the programme's report, each with the records behind it (REP-3, REP-4). Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Final

from loa_manager.registry.money import Purpose
from loa_manager.reports.facts import SOUNDING_DAYS, Facts, Item, PlayFact, day_ms
from loa_protocol.objects.authority import Level
from loa_protocol.objects.playlist import Mark
from loa_protocol.record import Evidence

MILLION: Final = Decimal(1_000_000)
HOUR_MS: Final = Decimal(3_600_000)
_HOURS: Final = Decimal("0.001")
UPGRADES: Final = (Purpose.EXTENSION, Purpose.REPLACEMENT)
LEVEL_NOT_SHOWN: Final = "not_shown"  # a higher level is named, but no bulletin of it


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure; *name* tells apart the cells of one key (a language, a commune)."""

    name: str
    value: Decimal
    ids: tuple[str, ...]


Figures = dict[str, list[Cell]]


def compute(facts: Facts) -> Figures:
    """Return every figure of *facts* by its key."""
    figures: Figures = {}
    figures.update(_stations(facts))
    figures.update(_clusters(facts))
    figures.update(_money(facts))
    figures.update(_plays(facts))
    return figures


def _count(ids: Iterable[str], name: str = "") -> Cell:
    found = tuple(sorted(ids))
    return Cell(name, Decimal(len(found)), found)


def _one(ids: Iterable[str]) -> list[Cell]:
    return [_count(ids)]


def _begun(items: Iterable[Item], facts: Facts, *purposes: Purpose) -> list[str]:
    return [
        item.id
        for item in items
        if facts.period.first <= item.first_day <= facts.as_of and item.purpose in purposes
    ]


def _stations(facts: Facts) -> Figures:
    standing = [item for item in facts.stations if item.stands(facts.as_of)]
    places = [(item, item.place(facts.as_of)) for item in standing]
    with_station = {place.commune for _item, place in places if place is not None}
    communes = [unit.code for unit in facts.units.communes(facts.as_of)]
    return {
        "stations_total": _one(item.id for item in standing),
        "stations_new": _one(_begun(facts.stations, facts, Purpose.NEW)),
        "stations_upgraded": _one(_begun(facts.stations, facts, *UPGRADES)),
        "communes_total": _one(communes),
        "communes_without_station": _one(code for code in communes if code not in with_station),
        "commune_stations": _by(standing, _commune_of(facts)),
    }


def _clusters(facts: Facts) -> Figures:
    standing = [item for item in facts.clusters if item.stands(facts.as_of)]
    ids = {item.id for item in standing}
    places = [place for item in standing if (place := item.place(facts.as_of)) is not None]
    villages = {f"{place.commune}/{place.village}" for place in places if place.village}
    figures: Figures = {
        "installed": _one(ids),
        "monitored": _one(item.id for item in standing if item.is_managed),
        "reachable": _one(facts.reachable & ids),
        "villages_covered": _one(villages),
        "technology_clusters": _by(standing, lambda item: item.technology),
        "commune_clusters": _by(standing, _commune_of(facts)),
    }
    for purpose in Purpose:
        figures[f"clusters_{purpose}"] = _one(_begun(facts.clusters, facts, purpose))
    return figures


def _commune_of(facts: Facts) -> Callable[[Item], str]:
    def commune(item: Item) -> str:
        place = item.place(facts.as_of)
        return "" if place is None else place.commune

    return commune


def _by(items: Iterable[Item], name: Callable[[Item], str]) -> list[Cell]:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for item in items:
        groups[name(item)].append(item.id)
    return [_count(ids, group) for group, ids in sorted(groups.items())]


def _money(facts: Facts) -> Figures:
    paid = [
        item
        for item in (*facts.stations, *facts.clusters)
        if item.purpose is not None and facts.period.first <= item.first_day <= facts.as_of
    ]
    total = {item.id: item.central_vnd + item.local_vnd for item in paid}
    by_purpose = []
    for purpose in Purpose:
        part = {item.id: total[item.id] for item in paid if item.purpose is purpose}
        by_purpose.append(_sum(part, purpose.value))
    return {
        "money_central": [_sum({item.id: item.central_vnd for item in paid})],
        "money_local": [_sum({item.id: item.local_vnd for item in paid})],
        "money_total": [_sum(total)],
        "purpose_money": by_purpose,
    }


def _sum(amounts: dict[str, int], name: str = "") -> Cell:
    ids = tuple(sorted(each for each, amount in amounts.items() if amount))
    return Cell(name, Decimal(sum(amounts.values())) / MILLION, ids)


@dataclass(slots=True)
class _Hours:
    """Time on air of one group of plays."""

    ms: int = 0
    ids: list[str] = field(default_factory=list)

    def add(self, ms: int, play: PlayFact) -> None:
        if ms:
            self.ms += ms
            self.ids.append(play.id)

    def cell(self, name: str) -> Cell:
        hours = (Decimal(self.ms) / HOUR_MS).quantize(_HOURS)
        return Cell(name, hours.normalize() if hours else Decimal(0), tuple(sorted(self.ids)))


def _plays(facts: Facts) -> Figures:
    groups: defaultdict[str, defaultdict[str, _Hours]] = defaultdict(lambda: defaultdict(_Hours))
    since_day = facts.as_of - timedelta(days=SOUNDING_DAYS - 1)
    since_ms = day_ms(since_day, facts.utc_offset_min)
    first_ms = day_ms(facts.period.first, facts.utc_offset_min)
    end_ms = day_ms(facts.as_of + timedelta(days=1), facts.utc_offset_min)
    sounding: set[str] = set()
    for play in facts.plays:
        if play.began_ms >= end_ms or (play.mark is not Mark.NONE and not facts.is_test):
            continue  # tests, drills and commissioning are no programme
        if play.began_ms >= since_ms and play.evidence >= Evidence.OUTPUT:
            sounding.add(play.cluster)
        if play.began_ms < first_ms or play.evidence is Evidence.SILENT:
            continue
        unverified_ms = play.on_air_ms - play.verified_ms
        for key, name in (("", ""), ("language_", play.language), ("level_", _level(play))):
            groups[f"{key}hours_verified"][name].add(play.verified_ms, play)
            groups[f"{key}hours_unverified"][name].add(unverified_ms, play)
        if play.unsigned_host is not None:
            groups["hours_unsigned"][play.unsigned_host].add(play.on_air_ms, play)
    standing = {item.id for item in facts.clusters if item.stands(facts.as_of)}
    figures: Figures = {"verified_sounding": _one(sounding & standing)}
    for prefix in ("", "language_", "level_"):
        for kind in ("hours_verified", "hours_unverified"):
            found = groups[f"{prefix}{kind}"] or ({} if prefix else {"": _Hours()})
            cells = [hours.cell(name) for name, hours in sorted(found.items())]
            figures[f"{prefix}{kind}"] = cells
    unsigned = sorted(groups["hours_unsigned"].items())
    figures["hours_unsigned"] = [hours.cell(host) for host, hours in unsigned]
    return figures


def _level(play: PlayFact) -> str:
    if play.level is not Level.COMMUNE and not play.has_bulletin:
        return LEVEL_NOT_SHOWN
    return play.level.name.lower()
