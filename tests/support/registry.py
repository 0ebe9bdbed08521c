"""A registry to test with: the fictitious commune, Trà Vinh's figures, and small edits of both."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from loa_manager import database
from loa_manager.csv_import import Column
from loa_manager.registry.clusters import CLUSTER_COLUMNS, import_clusters
from loa_manager.registry.ledger import Source
from loa_manager.registry.stations import STATION_COLUMNS, import_stations
from loa_manager.registry.units import UNIT_COLUMNS, import_units

PROVINCE = "vn/ls"
AT = datetime(2026, 12, 1, 2, 0, tzinfo=UTC)
MILLION = 1_000_000


def new_database(folder: Path, *, is_test: bool = False) -> Engine:
    """Make an empty database of the province vn/ls."""
    engine = database.create(database.file_url(folder / "loa.db"))
    with database.writing(engine) as connection:
        province = database.Province(PROVINCE, is_test=is_test, utc_offset_min=420)
        database.set_province(connection, province, 0)
    return engine


def shipped(name: str) -> bytes:
    """Return one table of the demonstration's registry."""
    return (resources.files("loa_lab") / "material" / "registry" / name).read_bytes()


def source(data: bytes | str, where: str = "table.csv") -> Source:
    """Return a table as an officer brings it."""
    body = data.encode() if isinstance(data, str) else data
    return Source(where=where, data=body, who="cán bộ", at=AT)


def load_village(connection: Connection) -> None:
    """Import the fictitious commune with its station and three clusters."""
    import_units(connection, source(shipped("units.csv"), "units.csv"))
    import_stations(connection, source(shipped("stations.csv"), "stations.csv"), province=PROVINCE)
    import_clusters(connection, source(shipped("clusters.csv"), "clusters.csv"), province=PROVINCE)


def table(columns: tuple[Column, ...], *rows: dict[str, object]) -> str:
    """Return a CSV table; what a row does not name stays empty."""
    names = [column.name for column in columns]
    lines = [",".join(names)]
    for row in rows:
        assert row.keys() <= set(names), row.keys() - set(names)
        lines.append(",".join(str(row.get(name, "")) for name in names))
    return "\n".join(lines) + "\n"


def unit(code: str, name: str = "Xã Thử", **facts: object) -> dict[str, object]:
    """Return a row of units.csv."""
    row = {"code": code, "name": name, "kind": "commune", "first_day": "2004-01-01"}
    return {**row, "is_border": "no", **facts}


def station(identifier: str, commune: str = "C1", **facts: Any) -> dict[str, object]:
    """Return a row of stations.csv."""
    return {
        "id": identifier,
        "name": f"Đài {identifier}",
        "commune_code": commune,
        "opened_on": "2023-03-01",
        **facts,
    }


def cluster(identifier: str, commune: str = "C1", **facts: Any) -> dict[str, object]:
    """Return a row of clusters.csv."""
    row: dict[str, object] = {
        "id": identifier,
        "commune_code": commune,
        "village": "Thôn 1",
        "speaker_count": 2,
        "speaker_watts": 60,
        "installed_on": "2023-05-01",
        "technology": "ip",
        "management": "loa",
    }
    return {**row, **facts}


def money(purpose: str, central: int, local: int, year: int = 2023) -> dict[str, object]:
    """Return the money columns of a row, in million đồng."""
    return {
        "programme": "Giảm nghèo bền vững",
        "sub_project": "Giảm nghèo về thông tin",
        "year": year,
        "decision": "1181/QĐ-UBND",
        "central_vnd": central * MILLION,
        "local_vnd": local * MILLION,
        "purpose": purpose,
    }


def load(
    connection: Connection,
    units: list[dict[str, object]],
    stations: list[dict[str, object]],
    clusters: list[dict[str, object]],
) -> None:
    """Import rows as three tables."""
    import_units(connection, source(table(UNIT_COLUMNS, *units)))
    import_stations(connection, source(table(STATION_COLUMNS, *stations)), province=PROVINCE)
    add_clusters(connection, *clusters)


def add_clusters(connection: Connection, *rows: dict[str, object]) -> None:
    """Import rows of clusters.csv."""
    import_clusters(connection, source(table(CLUSTER_COLUMNS, *rows)), province=PROVINCE)


def load_tra_vinh(connection: Connection) -> None:
    """Import what Trà Vinh published for 2022-24: 6 stations, 98 clusters, 7,943 + 513 million.

    The province gave the totals alone; how they spread over the items here is made up.
    """
    units = [unit(f"C{n}", f"Xã số {n}") for n in range(1, 7)]
    stations = [
        station(f"st{n}", f"C{n}", **money("new", 500, 30, 2022 + n % 3)) for n in range(1, 7)
    ]
    clusters = []
    for n in range(98):
        central = 50 if n else 4943 - 97 * 50  # the first one carries what is left of the sum
        local = 3 if n else 333 - 97 * 3
        facts = money("extension" if n % 2 else "replacement", central, local, 2022 + n % 3)
        place = n % 6 + 1
        clusters.append(cluster(f"st{place}/c{n:02d}", f"C{place}", **facts))
    load(connection, units, stations, clusters)
