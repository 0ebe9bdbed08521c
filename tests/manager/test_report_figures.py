"""The figures of the report: known answers, each with the records behind it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_manager.registry.money import Purpose
from loa_manager.registry.placements import Placement
from loa_manager.registry.units import Unit, UnitTree
from loa_manager.reports.facts import Facts, Item, PlayFact, day_ms
from loa_manager.reports.figures import LEVEL_NOT_SHOWN, Cell, Figures, compute
from loa_manager.reports.period import parse_period
from loa_protocol.objects.authority import Level
from loa_protocol.objects.playlist import Mark
from loa_protocol.record import Evidence

OFFSET = 420
HOUR = 3_600_000


def unit(code: str, first: date = date(2004, 1, 1), last: date | None = None) -> Unit:
    return Unit(
        code=code,
        first_day=first,
        last_day=last,
        name=f"Xã {code}",
        kind="commune",
        parent=None,
        decree=None,
        is_border=False,
        zone=None,
    )


def item(identifier: str, first: date, commune: str = "C1", **facts: Any) -> Item:
    places = facts.pop(
        "places",
        (
            Placement(
                scope=identifier, first_day=first, last_day=None, commune=commune, village="V"
            ),
        ),
    )
    base: dict[str, Any] = {"last_day": None, "technology": "ip", "is_managed": True}
    return Item(id=identifier, first_day=first, places=places, **{**base, **facts})


def play(number: int, day: date, cluster: str = "c1", **facts: Any) -> PlayFact:
    base: dict[str, Any] = {
        "began_ms": day_ms(day, OFFSET) + 6 * HOUR,
        "on_air_ms": HOUR,
        "evidence": Evidence.OUTPUT,
        "evidence_ms": HOUR,
        "language": "vi",
        "level": Level.COMMUNE,
        "has_bulletin": False,
        "mark": Mark.NONE,
    }
    return PlayFact(id=f"p{number}", cluster=cluster, **{**base, **facts})


def facts(
    period: str,
    *,
    stations: Iterable[Item] = (),
    clusters: Iterable[Item] = (),
    plays: Iterable[PlayFact] = (),
    **more: Any,
) -> Facts:
    asked = parse_period(period)
    base: dict[str, Any] = {
        "as_of": asked.last,
        "is_test": False,
        "utc_offset_min": OFFSET,
        "units": UnitTree([unit("C1"), unit("C2")]),
        "reachable": frozenset(),
    }
    return Facts(
        period=asked,
        stations=tuple(stations),
        clusters=tuple(clusters),
        plays=tuple(plays),
        **{**base, **more},
    )


def value(figures: Figures, key: str, name: str = "") -> float:
    return float(next((c.value for c in figures[key] if c.name == name), Decimal(0)))


def ids(figures: Figures, key: str, name: str = "") -> tuple[str, ...]:
    return next((c.ids for c in figures[key] if c.name == name), ())


CLUSTERS = (
    item("c1", date(2023, 2, 1), purpose=Purpose.NEW, central_vnd=30_000_000, local_vnd=500_000),
    item("c2", date(2023, 6, 30), purpose=Purpose.EXTENSION, central_vnd=20_000_000),
    item("c3", date(2023, 7, 1), "C2", purpose=Purpose.REPLACEMENT, local_vnd=7_000_000),
    item("c4", date(2022, 1, 1), purpose=Purpose.NEW, central_vnd=9_000_000),
    item("c5", date(2022, 1, 1), last_day=date(2023, 3, 31)),
    item("c6", date(2023, 9, 1), technology="fm", is_managed=False),
)
STATIONS = (
    item("s1", date(2023, 1, 1), purpose=Purpose.NEW, central_vnd=100_000_000),
    item("s2", date(2023, 8, 1), "C2", purpose=Purpose.REPLACEMENT, local_vnd=40_000_000),
)


@pytest.mark.requirement("REP-3")
@pytest.mark.parametrize(
    ("period", "answers"),
    [
        (
            "2023H1",
            {
                "stations_total": 1,
                "stations_new": 1,
                "stations_upgraded": 0,
                "communes_without_station": 1,
                "installed": 3,
                "monitored": 3,
                "clusters_new": 1,
                "clusters_extension": 1,
                "clusters_replacement": 0,
                "villages_covered": 1,
                "money_central": 150,
                "money_local": 0.5,
                "money_total": 150.5,
            },
        ),
        (
            "2023H2",
            {
                "stations_total": 2,
                "stations_new": 0,
                "stations_upgraded": 1,
                "communes_without_station": 0,
                "installed": 5,
                "monitored": 4,
                "clusters_new": 0,
                "clusters_extension": 0,
                "clusters_replacement": 1,
                "villages_covered": 2,
                "money_central": 0,
                "money_local": 47,
                "money_total": 47,
            },
        ),
    ],
)
def test_known_records_give_known_figures(period: str, answers: dict[str, float]) -> None:
    figures = compute(facts(period, stations=STATIONS, clusters=CLUSTERS))
    assert {key: value(figures, key) for key in answers} == answers


FLOWS = (
    *("stations_new", "stations_upgraded", "clusters_new", "clusters_extension"),
    *("clusters_replacement", "money_central", "money_local", "money_total"),
    *("hours_verified", "hours_unverified"),
)
DAYS = st.dates(date(2022, 6, 1), date(2024, 6, 1))


@pytest.mark.requirement("REP-1")
@given(
    st.lists(
        st.tuples(DAYS, st.sampled_from(Purpose), st.integers(0, 10**9), st.integers(0, 10**9)),
        max_size=12,
    ),
    st.lists(st.tuples(DAYS, st.integers(0, 5), st.sampled_from(Evidence)), max_size=12),
)
def test_the_flows_of_two_halves_are_the_years(
    bought: list[tuple[date, Purpose, int, int]], played: list[tuple[date, int, Evidence]]
) -> None:
    items = [
        item(f"c{n}", day, purpose=purpose, central_vnd=central, local_vnd=local)
        for n, (day, purpose, central, local) in enumerate(bought)
    ]
    plays = [
        play(n, day, on_air_ms=hours * HOUR, evidence=evidence)
        for n, (day, hours, evidence) in enumerate(played)
    ]
    half, rest, year = (
        compute(facts(period, stations=items, clusters=items, plays=plays))
        for period in ("2023H1", "2023H2", "2023")
    )
    for key in FLOWS:
        assert value(half, key) + value(rest, key) == pytest.approx(value(year, key), abs=1e-9)
        assert sorted(ids(half, key) + ids(rest, key)) == sorted(ids(year, key))


@pytest.mark.requirement("REP-4")
def test_counts_equal_the_records_they_name() -> None:
    figures = compute(
        facts(
            "2023",
            stations=STATIONS,
            clusters=CLUSTERS,
            plays=[play(1, date(2023, 12, 30))],
            reachable=frozenset({"c1", "c3"}),
        )
    )
    summed = {key for key in figures if "money" in key or "hours" in key}
    for key in figures.keys() - summed:
        for cell in figures[key]:
            assert cell.value == len(cell.ids) == len(set(cell.ids)), key


@pytest.mark.requirement("REP-4")
def test_installed_reachable_and_verified_sounding_are_three_figures() -> None:
    clusters = [item(f"c{n}", date(2023, 1, 1)) for n in range(1, 5)]
    plays = [
        play(1, date(2023, 12, 30), "c1"),
        play(2, date(2023, 12, 30), "c2", evidence=Evidence.UNVERIFIED),
    ]
    heard = frozenset({"c1", "c2", "c3", "gone"})
    figures = compute(facts("2023", clusters=clusters, plays=plays, reachable=heard))
    found = {key: ids(figures, key) for key in ("installed", "reachable", "verified_sounding")}
    assert found == {
        "installed": ("c1", "c2", "c3", "c4"),
        "reachable": ("c1", "c2", "c3"),
        "verified_sounding": ("c1",),
    }


@pytest.mark.requirement("INV-5")
def test_foreign_and_fm_clusters_are_installed_but_not_monitored() -> None:
    clusters = [
        item("ours", date(2023, 1, 1)),
        item("foreign", date(2023, 1, 1), is_managed=False),
        item("fm", date(2023, 1, 1), is_managed=False, technology="fm"),
    ]
    figures = compute(facts("2023", clusters=clusters))
    assert (value(figures, "installed"), value(figures, "monitored")) == (3, 1)
    assert ids(figures, "monitored") == ("ours",)


@pytest.mark.parametrize(
    ("day", "evidence", "counts"),
    [
        (date(2023, 12, 2), Evidence.OUTPUT, True),
        (date(2023, 12, 2), Evidence.CONTENT, True),
        (date(2023, 12, 1), Evidence.OUTPUT, False),  # 31 days before the end
        (date(2023, 12, 31), Evidence.UNVERIFIED, False),
        (date(2023, 12, 31), Evidence.SILENT, False),
    ],
)
def test_sounding_needs_output_within_thirty_days(
    day: date, evidence: Evidence, counts: bool
) -> None:
    plays = [play(1, day, evidence=evidence)]
    figures = compute(facts("2023", clusters=[item("c1", date(2023, 1, 1))], plays=plays))
    assert value(figures, "verified_sounding") == counts


def test_a_short_period_looks_back_thirty_days_for_sound_but_counts_its_own_hours() -> None:
    plays = [play(1, date(2023, 5, 20)), play(2, date(2023, 6, 2))]
    clusters = [item("c1", date(2023, 1, 1)), item("c2", date(2023, 1, 1))]
    both = compute(facts("2023-06-01..2023-06-05", clusters=clusters, plays=plays))
    assert value(both, "verified_sounding") == 1
    assert (value(both, "hours_verified"), ids(both, "hours_verified")) == (1, ("p2",))


@pytest.mark.requirement("HLT-2", "REP-3")
def test_verified_and_unverified_hours_stand_apart() -> None:
    plays = [
        play(1, date(2023, 3, 1), evidence_ms=HOUR // 2),  # a sensor confirmed half of it
        play(2, date(2023, 3, 1), evidence=Evidence.UNVERIFIED, evidence_ms=0),
        play(3, date(2023, 3, 1), evidence=Evidence.SILENT),  # nothing came out: no time on air
        play(4, date(2023, 3, 1), evidence_ms=5 * HOUR),  # never more than was on the air
    ]
    figures = compute(facts("2023", plays=plays))
    assert value(figures, "hours_verified") == 1.5
    assert value(figures, "hours_unverified") == 1.5
    assert ids(figures, "hours_unverified") == ("p1", "p2")


@pytest.mark.requirement("MSG-6", "REP-3")
def test_hours_are_told_by_language() -> None:
    plays = [play(1, date(2023, 3, 1), language="tyz"), play(2, date(2023, 3, 1))]
    plays.append(play(3, date(2023, 3, 2), language="tyz", evidence=Evidence.UNVERIFIED))
    figures = compute(facts("2023", plays=plays))
    assert value(figures, "language_hours_verified", "tyz") == 1
    assert value(figures, "language_hours_unverified", "tyz") == 1
    assert value(figures, "language_hours_verified", "vi") == 1


def test_a_higher_level_counts_only_with_its_bulletin() -> None:
    plays = [
        play(1, date(2023, 3, 1), level=Level.CENTRAL),
        play(2, date(2023, 3, 1), level=Level.CENTRAL, has_bulletin=True),
        play(3, date(2023, 3, 1), level=Level.PROVINCE),
        play(4, date(2023, 3, 1), level=Level.COMMUNE),
    ]
    figures = compute(facts("2023", plays=plays))
    found = {cell.name: cell.ids for cell in figures["level_hours_verified"]}
    assert found == {"central": ("p2",), "commune": ("p4",), LEVEL_NOT_SHOWN: ("p1", "p3")}


def test_time_with_an_unsigned_stream_is_told_apart_by_host_and_counts_as_a_whole() -> None:
    plays = [
        play(1, date(2023, 3, 1), unsigned_host="radio.example", evidence_ms=HOUR // 2),
        play(2, date(2023, 3, 2), unsigned_host="radio.example"),
        play(3, date(2023, 3, 2), unsigned_host="dai.example", evidence=Evidence.SILENT),
        play(4, date(2023, 3, 3)),
    ]
    figures = compute(facts("2023", plays=plays))
    assert figures["hours_unsigned"] == [Cell("radio.example", Decimal(2), ("p1", "p2"))]
    assert value(figures, "hours_verified") == 2.5
    assert compute(facts("2023", plays=plays[3:]))["hours_unsigned"] == []


@pytest.mark.parametrize("mark", [Mark.TEST, Mark.DRILL, Mark.COMMISSIONING])
def test_marked_plays_are_in_no_figure_of_a_real_province(mark: Mark) -> None:
    clusters = [item("c1", date(2023, 1, 1))]
    asked = facts("2023", clusters=clusters, plays=[play(1, date(2023, 12, 31), mark=mark)])
    real, test = compute(asked), compute(replace(asked, is_test=True))
    assert (value(real, "hours_verified"), value(real, "verified_sounding")) == (0, 0)
    assert (value(test, "hours_verified"), value(test, "verified_sounding")) == (1, 1)


@pytest.mark.requirement("ADM-1")
def test_a_moved_cluster_counts_where_it_stood_and_the_total_stays() -> None:
    places = (
        Placement(
            scope="c1",
            first_day=date(2023, 1, 1),
            last_day=date(2025, 6, 30),
            commune="C1",
            village="V",
        ),
        Placement(scope="c1", first_day=date(2025, 7, 1), last_day=None, commune="C2", village="V"),
    )
    moved = item("c1", date(2023, 1, 1), places=places)
    before, after = (compute(facts(p, clusters=[moved])) for p in ("2025H1", "2025H2"))
    assert [cell.name for cell in before["commune_clusters"]] == ["C1"]
    assert [cell.name for cell in after["commune_clusters"]] == ["C2"]
    assert before["installed"] == after["installed"] == [Cell("", Decimal(1), ("c1",))]


def test_a_period_that_still_runs_is_told_up_to_today() -> None:
    today = date(2023, 8, 15)
    figures = compute(facts("2023H2", clusters=CLUSTERS, as_of=today))
    assert ids(figures, "installed") == ("c1", "c2", "c3", "c4")  # c6 comes in September
    assert value(figures, "clusters_replacement") == 1


def test_days_begin_at_local_midnight() -> None:
    evening = day_ms(date(2023, 7, 1), OFFSET) - 1
    last_of_june = play(1, date(2023, 7, 1), began_ms=evening)
    first, second = (compute(facts(p, plays=[last_of_june])) for p in ("2023H1", "2023H2"))
    assert (value(first, "hours_verified"), value(second, "hours_verified")) == (1, 0)
