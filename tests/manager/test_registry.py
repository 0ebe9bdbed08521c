"""Units, stations, clusters and money: imported whole or not at all, exported as they came."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, func, select

from loa_manager import database, tables
from loa_manager.registry.clusters import CLUSTER_COLUMNS, export_clusters, import_clusters
from loa_manager.registry.placements import load_placements, merge_commune
from loa_manager.registry.priority import Need, plan
from loa_manager.registry.stations import (
    STATION_COLUMNS,
    EquipmentClass,
    export_stations,
    import_stations,
    lacking,
)
from loa_manager.registry.units import UNIT_COLUMNS, Unit, UnitTree, import_units, load_units
from loa_protocol.errors import ConfigError
from support import registry
from support.registry import PROVINCE, cluster, shipped, source, station, table, unit


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return registry.new_database(tmp_path)


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with database.writing(engine) as open_connection:
        yield open_connection


def bring_clusters(connection: Connection, *rows: dict[str, object], **options: object) -> object:
    data = source(table(CLUSTER_COLUMNS, *rows))
    return import_clusters(connection, data, province=PROVINCE, **options)  # type: ignore[arg-type]  # test convenience


def count(connection: Connection, name: str) -> int:
    total = connection.scalar(select(func.count()).select_from(tables.METADATA.tables[name]))
    assert total is not None
    return total


def cluster_faults(connection: Connection, *rows: dict[str, object]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        bring_clusters(connection, *rows)
    return caught.value.faults


@pytest.fixture
def commune(connection: Connection) -> Connection:
    registry.load(connection, [unit("C1"), unit("C2")], [station("st1"), station("st2", "C2")], [])
    return connection


# --- INV-2 ----------------------------------------------------------------------------------


@pytest.mark.requirement("INV-2")
def test_the_shipped_tables_come_back_byte_for_byte(connection: Connection) -> None:
    registry.load_village(connection)
    mark = "\ufeff"
    assert mark + export_clusters(connection, province=PROVINCE) == shipped("clusters.csv").decode()
    assert mark + export_stations(connection, province=PROVINCE) == shipped("stations.csv").decode()


@pytest.mark.requirement("INV-2")
def test_a_hundred_clusters_come_back_byte_for_byte(commune: Connection) -> None:
    rows = [
        cluster(
            f"st1/c{n:03d}",
            device_id=f"D{n}",
            latitude=round(21 + (n + 1) / 997, 6),
            longitude=round(106 + (n + 1) / 991, 6),
            modem_id=f"8610000000{n:05d}",
            sim_id=f"00840000000{n:05d}",  # zeros in front must survive
            custodian="Trưởng thôn",
            custodian_phone="0205 3800 000",
            asset_number=f"TS-{n:04d}",
            languages="vi tyz",
            warranty_end="2027-05-01",
        )
        for n in range(100)
    ]
    data = table(CLUSTER_COLUMNS, *rows)
    import_clusters(commune, source(data), province=PROVINCE)
    assert export_clusters(commune, province=PROVINCE) == data


@pytest.mark.requirement("INV-2")
def test_a_missing_commune_code_is_named_with_its_row(commune: Connection) -> None:
    faults = cluster_faults(commune, cluster("st1/c1"), cluster("st1/c2", commune=""))
    assert faults == ("row 3: commune_code: is missing",)


def test_nothing_of_a_faulty_table_is_kept(engine: Engine) -> None:
    with database.writing(engine) as connection:
        registry.load(connection, [unit("C1")], [station("st1")], [])
        before = count(connection, "audit")
    with pytest.raises(ConfigError), database.writing(engine) as connection:
        bring_clusters(connection, cluster("st1/c1"), cluster("st1/c2", commune="C9"))
    with database.reading(engine) as connection:
        assert count(connection, "cluster") == 0
        assert count(connection, "village") == 0
        assert count(connection, "audit") == before


@pytest.mark.parametrize(
    ("facts", "fault"),
    [
        ({"commune": "C9"}, "commune_code C9 is not known"),
        ({"id": "st9/c1"}, "station st9 is not in the registry"),
        ({"id": "c1"}, "does not look like st0137/c01"),
        ({"retired_on": "2023-04-30"}, "retired_on lies before installed_on"),
        ({"technology": "fm"}, "only clusters of technology ip"),
        ({"manual_status": "working", "manual_status_on": "2026-01-01"}, "nothing measures"),
        ({"management": "other", "manual_status": "working"}, "belong together"),
        ({"latitude": "21.8"}, "latitude and longitude belong together"),
        ({"purpose": "new"}, "the money is told in part: programme, sub_project"),
        ({"speaker_count": "0"}, "speaker_count: must lie from 1 to 16"),
        ({"languages": "tiếng Tày"}, "must be language tags"),
        ({"custodian_phone": "gọi cho trưởng thôn"}, "custodian_phone: must look like"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(
    commune: Connection, facts: dict[str, object], fault: str
) -> None:
    identifier = str(facts.pop("id", "st1/c1"))
    place = str(facts.pop("commune", "C1"))
    (found,) = cluster_faults(commune, cluster(identifier, place, **facts))
    assert found.startswith("row 2: ")
    assert fault in found


def test_duplicate_ids_are_named_at_the_second_row(commune: Connection) -> None:
    rows = [cluster("st1/c1"), cluster("st1/c2"), cluster(f"{PROVINCE}/st1/c1")]
    assert cluster_faults(commune, *rows) == (f"row 4: id {PROVINCE}/st1/c1 stands twice",)


@pytest.mark.parametrize("name", ["device_id", "sim_id", "asset_number"])
def test_one_device_cannot_hang_on_two_poles(commune: Connection, name: str) -> None:
    bring_clusters(commune, cluster("st1/c1", **{name: "X12345"}))
    text = f"row 3: {name} X12345 belongs to cluster st1/c1 already"
    assert cluster_faults(commune, cluster("st1/c2"), cluster("st1/c3", **{name: "X12345"})) == (
        text,
    )
    bring_clusters(commune, cluster("st1/c1", **{name: "Y12345"}))  # it may leave its own pole
    bring_clusters(commune, cluster("st1/c3", **{name: "X12345"}))


@pytest.mark.requirement("PWR-2")
def test_odd_wattage_warns_and_stops_nothing(commune: Connection) -> None:
    watts = {f"st1/c{n}": n for n in (49, 50, 120, 121)}
    done = bring_clusters(commune, *(cluster(id_, speaker_watts=w) for id_, w in watts.items()))
    warned = [text.split(": ")[1] for text in done.warnings]  # type: ignore[attr-defined]  # Imported
    assert warned == ["st1/c49", "st1/c121"]


def test_importing_again_changes_nothing(commune: Connection) -> None:
    rows = [cluster("st1/c1") | registry.money("new", 50, 3), cluster("st1/c2")]
    first, again = bring_clusters(commune, *rows), bring_clusters(commune, *rows)
    assert (first.added, first.unchanged) == (2, 0)  # type: ignore[attr-defined]  # Imported
    assert (again.added, again.changed, again.unchanged) == (0, 0, 2)  # type: ignore[attr-defined]  # Imported


@pytest.mark.requirement("REP-5")
def test_a_correction_leaves_what_stood_before_in_the_account(commune: Connection) -> None:
    bring_clusters(commune, cluster("st1/c1", speaker_watts=60))
    bring_clusters(commune, cluster("st1/c1", speaker_watts=80))
    where = tables.audit.c.what == "record_changed"
    (detail,) = commune.scalars(select(tables.audit.c.detail).where(where)).all()
    assert '"before": {"speaker_watts": 60}' in detail
    assert '"after": {"speaker_watts": 80}' in detail


# --- INV-1, INV-4, INV-5 --------------------------------------------------------------------


@pytest.mark.requirement("INV-1")
def test_the_shipped_station_lacks_no_class(connection: Connection) -> None:
    registry.load_village(connection)
    assert lacking(connection, "vn/ls/st0137") == []


@pytest.mark.requirement("INV-1")
@pytest.mark.parametrize("missing", list(EquipmentClass))
def test_a_missing_class_is_named(connection: Connection, missing: EquipmentClass) -> None:
    full = {each.value: "có" for each in EquipmentClass if each is not missing}
    registry.load(connection, [unit("C1")], [station("st1", **full)], [])
    assert lacking(connection, "vn/ls/st1") == [missing]


def test_equipment_taken_out_of_the_table_is_gone(connection: Connection) -> None:
    registry.load(connection, [unit("C1")], [station("st1", microphone="1 micro")], [])
    without = source(table(STATION_COLUMNS, station("st1")))
    assert import_stations(connection, without, province=PROVINCE).changed == 1
    assert EquipmentClass.MICROPHONE in lacking(connection, "vn/ls/st1")


@pytest.mark.requirement("INV-4")
def test_communes_are_planned_in_the_order_of_need(connection: Connection) -> None:
    units = [
        unit("C1", is_border="yes", zone="III"),  # has a station: extension
        unit("C2", zone="III"),
        unit("C3", is_border="yes"),
        unit("C4", zone="I"),
    ]
    registry.load(connection, units, [station("st1")], [])
    wishes = plan(load_units(connection).communes(date(2026, 1, 1)), {"C1"})
    assert [(wish.commune.code, wish.need) for wish in wishes] == [
        ("C3", Need.BORDER_WITHOUT_STATION),
        ("C2", Need.ZONE_III_WITHOUT_STATION),
        ("C1", Need.BORDER_EXTENSION),
        ("C4", Need.OTHER),
    ]


@pytest.mark.requirement("INV-5")
def test_foreign_fm_and_wired_clusters_are_registered(commune: Connection) -> None:
    seen = {"management": "other", "manual_status": "working", "manual_status_on": "2026-11-01"}
    rows = [cluster(f"st1/{kind}", technology=kind, **seen) for kind in ("ip", "fm", "wired")]
    bring_clusters(commune, cluster("st1/c1"), *rows)
    managed = select(tables.cluster.c.scope).where(tables.cluster.c.is_managed)
    assert commune.scalars(managed).all() == ["vn/ls/st1/c1"]
    assert count(commune, "cluster") == 4


# --- ADM-1 ----------------------------------------------------------------------------------


def tree(*rows: tuple[str, str, str, str]) -> UnitTree:
    return UnitTree(
        Unit(
            code=code,
            first_day=date.fromisoformat(first),
            last_day=date.fromisoformat(last) if last else None,
            name=code,
            kind="commune",
            parent=parent or None,
            decree=None,
            is_border=False,
            zone=None,
        )
        for code, parent, first, last in rows
    )


@pytest.mark.requirement("ADM-1")
def test_the_tree_has_a_district_until_it_ends() -> None:
    units = tree(
        ("P", "", "2004-01-01", ""),
        ("D", "P", "2004-01-01", "2025-06-30"),
        ("C", "D", "2004-01-01", "2025-06-30"),
        ("C", "P", "2025-07-01", ""),
    )
    assert [unit.code for unit in units.path("C", date(2025, 6, 30))] == ["C", "D", "P"]
    assert [unit.code for unit in units.path("C", date(2025, 7, 1))] == ["C", "P"]
    assert units.path("C", date(2003, 1, 1)) == []


@pytest.mark.requirement("ADM-1")
@pytest.mark.parametrize("with_district", [True, False])
def test_the_same_commune_loads_with_and_without_district(
    connection: Connection, with_district: bool
) -> None:
    district = [unit("D", kind="district", parent="P")] if with_district else []
    units = [unit("P", kind="province"), *district]
    commune = unit("C1", parent="D" if with_district else "P")
    registry.load(connection, [*units, commune], [station("st1")], [cluster("st1/c1")])
    path = load_units(connection).path("C1", date(2026, 1, 1))
    assert [each.code for each in path] == (["C1", "D", "P"] if with_district else ["C1", "P"])


@pytest.mark.requirement("ADM-1")
def test_a_moved_cluster_stays_where_it_was_before_the_move(commune: Connection) -> None:
    bring_clusters(commune, cluster("st1/c1", "C1"))
    bring_clusters(commune, cluster("st1/c1", "C2"), moved_on=date(2025, 7, 1))
    places = load_placements(commune)["vn/ls/st1/c1"]
    assert [(p.commune, p.first_day, p.last_day) for p in places] == [
        ("C1", date(2023, 5, 1), date(2025, 6, 30)),
        ("C2", date(2025, 7, 1), None),
    ]


def test_a_corrected_commune_leaves_no_false_move(commune: Connection) -> None:
    bring_clusters(commune, cluster("st1/c1", "C1"))
    bring_clusters(commune, cluster("st1/c1", "C2"))
    (place,) = load_placements(commune)["vn/ls/st1/c1"]
    assert (place.commune, place.first_day) == ("C2", date(2023, 5, 1))


@pytest.mark.requirement("ADM-1")
def test_a_merger_moves_everything_that_stands_in_the_commune(commune: Connection) -> None:
    bring_clusters(commune, cluster("st1/c1", "C1"), cluster("st2/c1", "C2"))
    on = date(2025, 7, 1)
    assert merge_commune(commune, "C1", "C2", on=on, source=source("")) == 2  # station and cluster
    places = load_placements(commune)
    assert {scope: p[-1].commune for scope, p in places.items()} == dict.fromkeys(places, "C2")
    assert places["vn/ls/st1/c1"][-1].village == "Thôn 1"


@pytest.mark.parametrize(("old", "new"), [("C1", "C9"), ("C9", "C1")])
def test_a_merger_of_unknown_communes_is_refused(commune: Connection, old: str, new: str) -> None:
    with pytest.raises(ConfigError):
        merge_commune(commune, old, new, on=date(2025, 7, 1), source=source(""))


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([unit("C1"), unit("C1")], "row 3: code C1 stands twice"),
        ([unit("C1"), unit("C1", first_day="2025-07-01")], "already names Xã Thử"),
        ([unit("C1", last_day="2003-01-01")], "row 2: last_day lies before first_day"),
        ([unit("C1", parent="P9")], "row 2: parent P9 is not known on these days"),
        ([unit("C1", parent="C2"), unit("C2", parent="C1")], "C1 lies below itself"),
        ([unit("C 1")], "row 2: code: must look like 06124"),
        ([unit("C1", zone="IV")], "row 2: zone: must be one of I, II, III"),
    ],
)
def test_units_that_contradict_each_other_are_refused(
    connection: Connection, rows: list[dict[str, object]], fault: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        import_units(connection, source(table(UNIT_COLUMNS, *rows)))
    assert any(fault in found for found in caught.value.faults)


def test_a_unit_is_ended_by_importing_its_last_day(connection: Connection) -> None:
    import_units(connection, source(table(UNIT_COLUMNS, unit("C1"))))
    ended = [unit("C1", last_day="2025-06-30"), unit("C1", "Xã Mới", first_day="2025-07-01")]
    done = import_units(connection, source(table(UNIT_COLUMNS, *ended)))
    assert (done.added, done.changed) == (1, 1)
    units = load_units(connection)
    names = [units.at("C1", day) for day in (date(2025, 6, 30), date(2025, 7, 1))]
    assert [each.name if each else None for each in names] == ["Xã Thử", "Xã Mới"]


def test_a_pole_older_than_the_commune_code_is_placed_from_the_codes_first_day(
    connection: Connection,
) -> None:
    registry.load(
        connection,
        [unit("C1", first_day="2025-07-01")],
        [station("st1")],
        [cluster("st1/c1", installed_on="2023-05-01")],
    )
    (place,) = load_placements(connection)["vn/ls/st1/c1"]
    assert place.first_day == date(2025, 7, 1)


# --- INV-3 ----------------------------------------------------------------------------------


@pytest.mark.requirement("INV-3")
def test_tra_vinhs_money_adds_up(connection: Connection) -> None:
    registry.load_tra_vinh(connection)
    f = tables.funding.c
    sums = select(func.sum(f.central_vnd), func.sum(f.local_vnd), func.count())
    assert tuple(connection.execute(sums).one()) == (7_943_000_000, 513_000_000, 104)


@pytest.mark.parametrize(
    ("facts", "fault"),
    [
        ({"commune": "C9"}, "row 2: commune_code C9 is not known"),
        ({"id": "st1/c1"}, "row 2: id st1/c1 is not one word"),
        ({"closed_on": "2020-01-01"}, "row 2: closed_on lies before opened_on"),
        ({"central_vnd": "5"}, "row 2: the money is told in part"),
    ],
)
def test_a_station_that_contradicts_itself_is_refused(
    commune: Connection, facts: dict[str, object], fault: str
) -> None:
    row = station(str(facts.pop("id", "st3")), str(facts.pop("commune", "C1")), **facts)
    with pytest.raises(ConfigError) as caught:
        import_stations(commune, source(table(STATION_COLUMNS, row)), province=PROVINCE)
    (found,) = caught.value.faults
    assert found.startswith(fault)
