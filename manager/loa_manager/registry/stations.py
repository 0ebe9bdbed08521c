"""Stations: seven classes of equipment (Circular 39/2020 Art. 4(1)), place and money (INV-1)."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, delete, select

from loa_manager import tables
from loa_manager.csv_import import (
    Column,
    Faults,
    Line,
    day,
    matching,
    read_lines,
    words,
    write_lines,
)
from loa_manager.registry.ledger import Imported, Ledger, Source
from loa_manager.registry.money import FUNDING_COLUMNS, FUNDING_NAMES, funding_faults, put_funding
from loa_manager.registry.placements import Placement, load_placements, place
from loa_manager.registry.units import UnitTree, load_units
from loa_protocol.language import translator
from loa_protocol.scope import is_scope

_ = translator("loa_manager")


class EquipmentClass(enum.StrEnum):
    """What a station consists of: five kinds of hardware and two of software."""

    CLUSTER = "receiver_cluster"
    PRODUCTION = "programme_device"
    SPEAKER = "loudspeaker"
    MICROPHONE = "microphone"
    OTHER = "other_material"
    CLUSTER_SOFTWARE = "cluster_software"
    PROVINCE_SOFTWARE = "province_software"


_ID: Final = re.compile(r"[a-z0-9][a-z0-9/-]{0,270}")
STATION_COLUMNS: Final = (
    Column("id", matching(_ID, "st0137"), required=True),
    Column("name", words(100), required=True),
    Column("commune_code", words(16), required=True),
    Column("opened_on", day, required=True),
    Column("closed_on", day),
    *(Column(each.value, words(200)) for each in EquipmentClass),
    *FUNDING_COLUMNS,
)


def scope_of(identifier: str, province: str) -> str:
    """Return the scope that *identifier* names; people may leave the province's part away."""
    inside = identifier == province or identifier.startswith(f"{province}/")
    return identifier if inside else f"{province}/{identifier}"


def id_of(scope: str, province: str) -> str:
    """Return *scope* as people write it, without the province's part."""
    return scope.removeprefix(f"{province}/")


def import_stations(connection: Connection, source: Source, *, province: str) -> Imported:
    """Add the stations of a table and change those that are known.

    Raises:
        ConfigError: anything is wrong with the table; nothing was changed.
    """
    faults = source.faults()
    lines = read_lines(source.data, STATION_COLUMNS, faults)
    tree = load_units(connection)
    check_stations(lines, tree, province, faults)
    if source.is_single:
        taken = set(connection.scalars(select(tables.station.c.scope)).all())
        check_new(lines, taken, province, faults)
    faults.raise_any()
    ledger = Ledger(connection, source)
    places = load_placements(connection)
    for line in lines:
        _put(ledger, line.values, tree, province=province, places=places)
    return ledger.close("station_import", [])


def check_stations(lines: list[Line], tree: UnitTree, province: str, faults: Faults) -> None:
    """Add to *faults* what is wrong with the stations of a table beyond its cells."""
    seen: set[str] = set()
    for line in lines:
        values = line.values
        scope = scope_of(values["id"], province)
        if scope in seen:
            faults.add(line.number, _("id {id} stands twice").format(id=values["id"]))
        seen.add(scope)
        if not is_scope(scope) or scope.count("/") != province.count("/") + 1:
            faults.add(line.number, _("id {id} is not one word").format(id=values["id"]))
        closed = values["closed_on"]
        if closed is not None and closed < values["opened_on"]:
            faults.add(line.number, _("closed_on lies before opened_on"))
        for text in [*commune_faults(values, tree, "opened_on"), *funding_faults(values)]:
            faults.add(line.number, text)


def check_new(lines: list[Line], taken: set[str], province: str, faults: Faults) -> None:
    """Add to *faults* the ids that are in the registry already."""
    for line in lines:
        if scope_of(line.values["id"], province) in taken:
            text = _("{id} is in the registry already; correct it by importing a table")
            faults.add(line.number, text.format(id=line.values["id"]))


def commune_faults(values: Mapping[str, Any], tree: UnitTree, since: str) -> Iterator[str]:
    """Tell whether the row's commune code never named a commune from the day *since* on."""
    if tree.first_known(values["commune_code"], values[since]) is None:
        yield _("commune_code {code} is not known").format(code=values["commune_code"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """One station as it stands now."""

    scope: str
    name: str
    commune: str
    opened_on: date
    closed_on: date | None

    def is_open(self, on: date) -> bool:
        """Tell whether it was on the air on the day *on*."""
        return self.opened_on <= on and (self.closed_on is None or on <= self.closed_on)


def list_stations(connection: Connection) -> list[Station]:
    """Return all stations, closed ones too, by scope."""
    places = load_placements(connection)
    rows = connection.execute(select(tables.station).order_by(tables.station.c.scope))
    return [Station(commune=places[row.scope][-1].commune, **row._mapping) for row in rows]


def lacking(connection: Connection, station: str) -> list[EquipmentClass]:
    """Return the classes of equipment that the station lacks; empty when it is complete."""
    table = tables.equipment
    found = set(
        connection.scalars(select(table.c["class"]).where(table.c.station == station)).all()
    )
    return [each for each in EquipmentClass if each.value not in found]


def export_stations(connection: Connection, *, province: str) -> str:
    """Return all stations as the table that :func:`import_stations` reads."""
    places = load_placements(connection)
    equipment: dict[str, dict[str, str]] = {}
    for row in connection.execute(select(tables.equipment)):
        equipment.setdefault(row.station, {})[row._mapping["class"]] = row.description
    money = {row.scope: dict(row._mapping) for row in connection.execute(select(tables.funding))}
    empty = dict.fromkeys([*EquipmentClass, *FUNDING_NAMES])
    rows = [
        {
            **empty,
            **equipment.get(row.scope, {}),
            **money.get(row.scope, {}),
            "id": id_of(row.scope, province),
            "name": row.name,
            "commune_code": places[row.scope][-1].commune,
            "opened_on": row.opened_on,
            "closed_on": row.closed_on,
        }
        for row in connection.execute(select(tables.station).order_by(tables.station.c.scope))
    ]
    return write_lines(rows, STATION_COLUMNS)


def _put(
    ledger: Ledger,
    values: Mapping[str, Any],
    tree: UnitTree,
    *,
    province: str,
    places: Mapping[str, list[Placement]],
) -> None:
    scope = scope_of(values["id"], province)
    facts = {name: values[name] for name in ("name", "opened_on", "closed_on")}
    wanted = placement_of(scope, values, tree, since="opened_on")
    present = places[scope][-1] if scope in places else None
    ledger.count(
        [
            ledger.put(tables.station, {"scope": scope}, facts),
            place(ledger, wanted, present, moved_on=None),
            _put_equipment(ledger, scope, values),
            put_funding(ledger, scope, values),
        ]
    )


def placement_of(scope: str, values: Mapping[str, Any], tree: UnitTree, *, since: str) -> Placement:
    """Return where a row says that *scope* stands, from the first day its commune is known."""
    first = tree.first_known(values["commune_code"], values[since])
    assert first is not None  # commune_faults has seen to it
    return Placement(
        scope=scope,
        first_day=first,
        last_day=None,
        commune=values["commune_code"],
        village=values.get("village"),
    )


def _put_equipment(ledger: Ledger, scope: str, values: Mapping[str, Any]) -> str:
    outcomes = {"unchanged"}
    for each in EquipmentClass:
        key = {"station": scope, "class": each.value}
        if values[each] is not None:
            outcomes.add(ledger.put(tables.equipment, key, {"description": values[each]}))
            continue
        table = tables.equipment
        match = (table.c.station == scope) & (table.c["class"] == each.value)
        if ledger.connection.execute(delete(table).where(match)).rowcount:
            outcomes.add("changed")
    return "changed" if outcomes - {"unchanged"} else "unchanged"
