"""Clusters: one pole each, with everything a handover paper says of it (INV-2, INV-5)."""

from __future__ import annotations

import enum
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, select

from loa_manager import tables
from loa_manager.csv_import import (
    CellError,
    Column,
    Faults,
    Line,
    choice,
    day,
    degrees,
    matching,
    read_lines,
    show_degrees,
    whole,
    words,
    write_lines,
)
from loa_manager.registry.ledger import Imported, Ledger, Source
from loa_manager.registry.money import FUNDING_COLUMNS, FUNDING_NAMES, funding_faults, put_funding
from loa_manager.registry.placements import Placement, load_placements, place
from loa_manager.registry.stations import (
    check_new,
    commune_faults,
    id_of,
    placement_of,
    scope_of,
)
from loa_manager.registry.units import UnitTree, load_units
from loa_protocol.language import translator
from loa_protocol.scope import is_scope

_ = translator("loa_manager")

WATTS_MIN, WATTS_MAX = 50, 120  # PWR-2: the trade's bounds for all horns of a pole together


class Technology(enum.StrEnum):
    """How sound reaches a cluster."""

    IP = "ip"
    FM = "fm"
    WIRED = "wired"


class ManualStatus(enum.StrEnum):
    """What a person saw at a cluster that nothing measures."""

    WORKING = "working"
    BROKEN = "broken"
    UNKNOWN = "unknown"


_ID: Final = re.compile(r"[a-z0-9][a-z0-9/-]{0,270}")
_TAG: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_NUMBER: Final = re.compile(r"[0-9A-Za-z]{5,32}")
_PHONE: Final = re.compile(r"\+?[0-9][0-9 .-]{5,18}")
OURS, OTHERS = "loa", "other"


def _languages(text: str) -> str:
    tags = text.replace(",", " ").replace(";", " ").split()
    if not all(_TAG.fullmatch(tag) for tag in tags) or len(" ".join(tags)) > 120:
        raise CellError(_("must be language tags such as “vi tyz nut hmn”"))
    return " ".join(tags)


CLUSTER_COLUMNS: Final = (
    Column("id", matching(_ID, "st0137/c01"), required=True),
    Column("commune_code", words(16), required=True),
    Column("village", words(64), required=True),
    Column("device_id", words(64)),
    Column("latitude", degrees(90), show_degrees),
    Column("longitude", degrees(180), show_degrees),
    Column("speaker_count", whole(1, 16), required=True),
    Column("speaker_watts", whole(1, 2000), required=True),
    Column("modem_id", matching(_NUMBER, "861107030012345")),
    Column("sim_id", matching(_NUMBER, "8984040001234567890")),
    Column("installed_on", day, required=True),
    Column("retired_on", day),
    Column("technology", choice(*Technology), required=True),
    Column("management", choice(OURS, OTHERS), required=True),
    Column("custodian", words(100)),
    Column("custodian_phone", matching(_PHONE, "0205 3800 000")),
    Column("supplier", words(100)),
    Column("warranty_end", day),
    Column("asset_number", words(40)),
    Column("languages", _languages),
    Column("manual_status", choice(*ManualStatus)),
    Column("manual_status_on", day),
    *FUNDING_COLUMNS,
)
_PLAIN: Final = tuple(
    column.name
    for column in CLUSTER_COLUMNS
    if column.name not in {"id", "commune_code", "village", "management", *FUNDING_NAMES}
)
_UNIQUE: Final = ("device_id", "sim_id", "asset_number")


def import_clusters(
    connection: Connection, source: Source, *, province: str, moved_on: date | None = None
) -> Imported:
    """Add the clusters of a table and change those that are known.

    Args:
        connection: One of ``database.writing``: all rows go in, or none.
        source: The table and who brought it.
        province: Scope of the province.
        moved_on: The day on which known clusters whose commune or village differs moved there;
            None when the table corrects where they stand.

    Raises:
        ConfigError: anything is wrong with the table; nothing was changed.
    """
    faults = source.faults()
    lines = read_lines(source.data, CLUSTER_COLUMNS, faults)
    tree = load_units(connection)
    stations = set(connection.scalars(select(tables.station.c.scope)).all())
    check_clusters(lines, tree, stations, province=province, faults=faults)
    _check_unique(connection, lines, province, faults)
    if source.is_single:
        taken = set(connection.scalars(select(tables.cluster.c.scope)).all())
        check_new(lines, taken, province, faults)
    faults.raise_any()
    ledger = Ledger(connection, source)
    places = load_placements(connection)
    for line in lines:
        wanted = placement_of(
            scope_of(line.values["id"], province), line.values, tree, since="installed_on"
        )
        present = places[wanted.scope][-1] if wanted.scope in places else None
        _put(ledger, line.values, wanted, present, moved_on=moved_on)
    return ledger.close("cluster_import", list(_warnings(lines)))


def check_clusters(
    lines: list[Line], tree: UnitTree, stations: set[str], *, province: str, faults: Faults
) -> None:
    """Add to *faults* what is wrong with the clusters of a table beyond its cells."""
    seen = Counter(scope_of(line.values["id"], province) for line in lines)
    met: set[str] = set()
    for line in lines:
        scope = scope_of(line.values["id"], province)
        if seen[scope] > 1 and scope in met:
            faults.add(line.number, _("id {id} stands twice").format(id=line.values["id"]))
        met.add(scope)
        if not is_scope(scope) or scope.count("/") != province.count("/") + 2:
            text = _("id {id} does not look like st0137/c01")
            faults.add(line.number, text.format(id=line.values["id"]))
        elif scope.rsplit("/", 1)[0] not in stations:
            text = _("station {id} is not in the registry")
            faults.add(line.number, text.format(id=id_of(scope.rsplit("/", 1)[0], province)))
        found = [*commune_faults(line.values, tree, "installed_on"), *_faults(line.values)]
        for text in [*found, *funding_faults(line.values)]:
            faults.add(line.number, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One cluster as it stands now."""

    scope: str
    commune: str
    village: str | None
    technology: str
    is_managed: bool
    installed_on: date
    retired_on: date | None
    manual_status: str | None
    manual_status_on: date | None

    def stands(self, on: date) -> bool:
        """Tell whether it was installed and not yet retired on the day *on*."""
        return self.installed_on <= on and (self.retired_on is None or on <= self.retired_on)


def list_clusters(connection: Connection) -> list[Cluster]:
    """Return all clusters, retired ones too, by scope."""
    places = load_placements(connection)
    names = [field.name for field in fields(Cluster) if field.name not in {"commune", "village"}]
    return [
        Cluster(
            commune=places[row.scope][-1].commune,
            village=places[row.scope][-1].village,
            **{name: row._mapping[name] for name in names},
        )
        for row in connection.execute(select(tables.cluster).order_by(tables.cluster.c.scope))
    ]


def export_clusters(connection: Connection, *, province: str) -> str:
    """Return all clusters as the table that :func:`import_clusters` reads."""
    places = load_placements(connection)
    money = {row.scope: dict(row._mapping) for row in connection.execute(select(tables.funding))}
    rows = []
    for row in connection.execute(select(tables.cluster).order_by(tables.cluster.c.scope)):
        present = places[row.scope][-1]
        rows.append(
            {
                **dict.fromkeys(FUNDING_NAMES),
                **money.get(row.scope, {}),
                **{name: row._mapping[name] for name in _PLAIN},
                "id": id_of(row.scope, province),
                "commune_code": present.commune,
                "village": present.village,
                "management": OURS if row.is_managed else OTHERS,
                "languages": row.languages or None,
            }
        )
    return write_lines(rows, CLUSTER_COLUMNS)


def _faults(values: Mapping[str, Any]) -> Iterator[str]:
    retired = values["retired_on"]
    if retired is not None and retired < values["installed_on"]:
        yield _("retired_on lies before installed_on")
    if values["management"] == OURS:
        if values["technology"] != Technology.IP:
            yield _("only clusters of technology ip can be managed by loa")
        if values["manual_status"] is not None:
            yield _("manual_status is only for clusters that nothing measures")
    if (values["manual_status"] is None) != (values["manual_status_on"] is None):
        yield _("manual_status and manual_status_on belong together")
    if (values["latitude"] is None) != (values["longitude"] is None):
        yield _("latitude and longitude belong together")


def _check_unique(connection: Connection, lines: list[Line], province: str, faults: Faults) -> None:
    fresh = {scope_of(line.values["id"], province) for line in lines}
    for name in _UNIQUE:
        column = tables.cluster.c[name]
        rows = connection.execute(select(column, tables.cluster.c.scope).where(column.is_not(None)))
        taken = {row[0]: id_of(row[1], province) for row in rows if row[1] not in fresh}
        for line in lines:
            value, here = line.values[name], line.values["id"]
            if value is None:
                continue
            if taken.setdefault(value, here) != here:
                text = _("{name} {value} belongs to cluster {id} already")
                faults.add(line.number, text.format(name=name, value=value, id=taken[value]))


def _put(
    ledger: Ledger,
    values: Mapping[str, Any],
    wanted: Placement,
    present: Placement | None,
    *,
    moved_on: date | None,
) -> None:
    facts = {name: values[name] for name in _PLAIN}
    facts["languages"] = facts["languages"] or ""
    facts["is_managed"] = values["management"] == OURS
    facts["station"] = wanted.scope.rsplit("/", 1)[0]
    ledger.count(
        [
            ledger.put(tables.cluster, {"scope": wanted.scope}, facts),
            place(ledger, wanted, present, moved_on=moved_on),
            put_funding(ledger, wanted.scope, values),
        ]
    )


def _warnings(lines: list[Line]) -> Iterator[str]:
    for line in lines:
        watts = line.values["speaker_watts"]
        if not WATTS_MIN <= watts <= WATTS_MAX:
            text = _("row {row}: {id}: {watts} W of loudspeakers; usual are {low} to {high} W")
            yield text.format(
                row=line.number, id=line.values["id"], watts=watts, low=WATTS_MIN, high=WATTS_MAX
            )
