"""``loa cluster``: every pole, with what a handover paper says of it."""

from __future__ import annotations

from datetime import date
from functools import partial
from pathlib import Path

import click

from loa_manager.cli import books
from loa_manager.cli.options import home_option, json_option
from loa_manager.cli.output import Column
from loa_manager.cli.registry_table import show_places, take, write_out
from loa_manager.cli.station import HELPS as STATION_HELPS
from loa_manager.cli.texts import LoaGroup
from loa_manager.cli.unit import DAY
from loa_manager.registry.clusters import (
    CLUSTER_COLUMNS,
    export_clusters,
    import_clusters,
    list_clusters,
)
from loa_protocol.language import translator

_ = translator("loa_manager")

HELPS = {
    **STATION_HELPS,
    "id": "Station and pole, such as st0137/c01; never changes.",
    "commune_code": "Code of the commune it stands in.",
    "village": "Village it stands in.",
    "device_id": "Serial number of the device.",
    "latitude": "Decimal degrees north.",
    "longitude": "Decimal degrees east.",
    "speaker_count": "Number of horns.",
    "speaker_watts": "Power of all horns together, in watts.",
    "modem_id": "IMEI of the modem.",
    "sim_id": "Number of the SIM card (ICCID).",
    "installed_on": "Day it was taken over, 2026-07-01 or 01/07/2026.",
    "retired_on": "Day it was taken down.",
    "technology": "ip, fm or wired.",
    "management": "loa where one of our endpoints is in it, else other.",
    "custodian": "Who looks after it.",
    "custodian_phone": "Telephone of that person.",
    "supplier": "Who supplied it.",
    "warranty_end": "Last day of the warranty.",
    "asset_number": "Number in the asset register.",
    "languages": "Languages spoken there, such as “vi tyz nut”.",
    "manual_status": "working, broken or unknown, where nothing measures it.",
    "manual_status_on": "Day somebody looked.",
}


@click.group(cls=LoaGroup)
def cluster() -> None:
    """Keep the clusters: place, device, power, custodian, money."""


@cluster.command("import", example="loa cluster import --home ls clusters.csv")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--moved-on",
    type=DAY,
    help="Clusters whose commune or village differs moved there on this day.",
)
@home_option
@json_option
def import_command(file: Path, moved_on: date | None, home: Path) -> None:
    """Add the clusters of the CSV FILE, or change those it knows; all rows or none."""
    take(home, books.table_from(file), partial(import_clusters, moved_on=moved_on))


_ADD = (
    "loa cluster add --home ls --id st0137/c04 --commune-code 06124 --village 'Bản Khuổi'"
    " --speaker-count 2 --speaker-watts 60 --installed-on 2026-07-01 --technology ip"
    " --management loa"
)


@cluster.command(example=_ADD)
@books.column_options(CLUSTER_COLUMNS, HELPS)
@home_option
@json_option
def add(home: Path, **options: str | None) -> None:
    """Add one cluster."""
    source = books.table_of_one("loa cluster add", CLUSTER_COLUMNS, options)
    take(home, source, import_clusters)


@cluster.command(example="loa cluster export --home ls > clusters.csv")
@home_option
def export(home: Path) -> None:
    """Write all clusters as the CSV table that import reads."""
    write_out(home, export_clusters)


@cluster.command("list", example="loa cluster list --home ls")
@home_option
@json_option
def list_command(home: Path) -> None:
    """List the clusters."""
    show_places(
        home,
        list_clusters,
        [
            Column("id", _("Id")),
            Column("commune", _("Commune")),
            Column("village", _("Village")),
            Column("technology", _("Technology")),
            Column("managed", _("Managed")),
            Column("installed_on", _("Installed on")),
            Column("retired_on", _("Retired on")),
        ],
    )
