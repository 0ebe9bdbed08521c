"""``loa station``: the communes' stations and what they consist of."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import click

from loa_manager.cli import books
from loa_manager.cli.options import home_option, json_option
from loa_manager.cli.output import Column, say, show, show_facts
from loa_manager.cli.registry_table import show_places, take, write_out
from loa_manager.cli.texts import LoaGroup
from loa_manager.cli.unit import DAY
from loa_manager.registry.placements import load_placements
from loa_manager.registry.priority import Need, plan
from loa_manager.registry.stations import (
    STATION_COLUMNS,
    EquipmentClass,
    export_stations,
    import_stations,
    lacking,
    list_stations,
    scope_of,
)
from loa_manager.registry.units import load_units
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator

_ = translator("loa_manager")

HELPS = {
    "id": "One word that never changes, such as st0137.",
    "name": "Name of the station.",
    "commune_code": "Code of the commune it belongs to.",
    "opened_on": "Day it went on the air, 2026-07-01 or 01/07/2026.",
    "closed_on": "Its last day.",
    "receiver_cluster": "Receiver and speaker clusters.",
    "programme_device": "Device to manage, store and produce programmes.",
    "loudspeaker": "Loudspeakers.",
    "microphone": "Microphones.",
    "other_material": "Other devices and materials.",
    "cluster_software": "System software that runs the clusters.",
    "province_software": "Software of the province's system.",
    "programme": "Programme that paid.",
    "sub_project": "Sub-project of it.",
    "year": "Budget year.",
    "decision": "Number of the decision.",
    "central_vnd": "Money of the central budget, whole đồng.",
    "local_vnd": "Money of the local budget, whole đồng.",
    "purpose": "new, extension or replacement.",
}


def class_name(each: EquipmentClass) -> str:
    """Return what people call a class of equipment."""
    return {
        EquipmentClass.CLUSTER: _("receiver and speaker clusters"),
        EquipmentClass.PRODUCTION: _("device to manage, store and produce programmes"),
        EquipmentClass.SPEAKER: _("loudspeakers"),
        EquipmentClass.MICROPHONE: _("microphone"),
        EquipmentClass.OTHER: _("other devices and materials"),
        EquipmentClass.CLUSTER_SOFTWARE: _("system software of the clusters"),
        EquipmentClass.PROVINCE_SOFTWARE: _("software of the province's system"),
    }[each]


@click.group(cls=LoaGroup)
def station() -> None:
    """Keep the stations: place, equipment, money."""


@station.command("import", example="loa station import --home ls stations.csv")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@home_option
@json_option
def import_command(file: Path, home: Path) -> None:
    """Add the stations of the CSV FILE, or change those it knows; all rows or none."""
    take(home, books.table_from(file), import_stations)


_ADD = (
    "loa station add --home ls --id st0137 --name 'Đài xã' --commune-code 06124"
    " --opened-on 2026-07-01"
)


@station.command(example=_ADD)
@books.column_options(STATION_COLUMNS, HELPS)
@home_option
@json_option
def add(home: Path, **options: str | None) -> None:
    """Add one station."""
    source = books.table_of_one("loa station add", STATION_COLUMNS, options)
    take(home, source, import_stations)


@station.command(example="loa station check --home ls st0137")
@click.argument("identifier", metavar="ID")
@home_option
@json_option
def check(identifier: str, home: Path) -> None:
    """Tell whether the station ID has every class of equipment; name what it lacks."""
    with books.reading(home) as opened:
        scope = scope_of(identifier, opened.province.scope)
        known = {each.scope for each in list_stations(opened.connection)}
        if scope not in known:
            raise ConfigError(identifier, [_("not in the registry")])
        missing = lacking(opened.connection, scope)
    if missing:
        texts = [_("no {name} ({code})").format(name=class_name(m), code=m) for m in missing]
        raise ConfigError(identifier, texts)
    show_facts({"station": scope, "complete": True}, {"complete": _("Complete")})


@station.command(example="loa station export --home ls > stations.csv")
@home_option
def export(home: Path) -> None:
    """Write all stations as the CSV table that import reads."""
    write_out(home, export_stations)


@station.command("list", example="loa station list --home ls")
@home_option
@json_option
def list_command(home: Path) -> None:
    """List the stations."""
    show_places(
        home,
        list_stations,
        [
            Column("id", _("Id")),
            Column("name", _("Name")),
            Column("commune", _("Commune")),
            Column("opened_on", _("Opened on")),
            Column("closed_on", _("Closed on")),
        ],
    )


@station.command("plan", example="loa station plan --home ls")
@click.option("--on", type=DAY, help="The day to look at (default: today).")
@home_option
@json_option
def plan_command(on: date | None, home: Path) -> None:
    """List the communes in the programme's order of need."""
    asked = on or datetime.now(UTC).date()
    with books.reading(home) as opened:
        places = load_placements(opened.connection)
        open_now = {s.scope for s in list_stations(opened.connection) if s.is_open(asked)}
        with_station = {
            place.commune for scope in open_now for place in places[scope] if place.holds(asked)
        }
        wishes = plan(load_units(opened.connection).communes(asked), with_station)
    needs = {
        Need.BORDER_WITHOUT_STATION: _("border commune without a station"),
        Need.ZONE_III_WITHOUT_STATION: _("zone III commune without a station"),
        Need.BORDER_EXTENSION: _("extension in a border commune"),
        Need.OTHER: _("other"),
    }
    rows = [
        {
            "order": number,
            "code": wish.commune.code,
            "name": wish.commune.name,
            "need": wish.need.name.lower(),
            "need_text": needs[wish.need],
        }
        for number, wish in enumerate(wishes, start=1)
    ]
    show(
        rows,
        [
            Column("order", _("No."), right=True),
            Column("code", _("Code")),
            Column("name", _("Name")),
            Column("need", _("Need")),
        ],
    )
    if not wishes:
        say(_("No communes on that day; import units first."))
