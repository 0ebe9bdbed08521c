"""Tables that people bring: any bytes are a table with these columns, or a list of faults."""

from __future__ import annotations

from loa_manager.csv_import import Faults, read_lines
from loa_manager.registry.clusters import CLUSTER_COLUMNS
from loa_manager.registry.stations import STATION_COLUMNS
from loa_manager.registry.units import UNIT_COLUMNS
from loa_protocol.errors import ConfigError


def fuzz(data: bytes) -> None:
    """Read *data* as each of the tables."""
    for columns in (UNIT_COLUMNS, STATION_COLUMNS, CLUSTER_COLUMNS):
        try:
            read_lines(data, columns, Faults("fuzz"))
        except ConfigError:
            continue
