"""What stations and clusters have in common on the command line: tables in, tables out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import click
from sqlalchemy import Connection

from loa_manager.cli import books
from loa_manager.cli.output import Column, show
from loa_manager.cli.unit import show_imported
from loa_manager.registry.clusters import Cluster
from loa_manager.registry.ledger import Imported, Source
from loa_manager.registry.stations import Station, id_of


class Import(Protocol):
    """What takes all rows of a table into the records, or none."""

    def __call__(self, connection: Connection, source: Source, *, province: str) -> Imported:
        """Take them; *province* is its scope."""


class Export(Protocol):
    """What returns the table that an :class:`Import` reads."""

    def __call__(self, connection: Connection, *, province: str) -> str:
        """Return it; *province* is its scope."""


def take(home: Path, source: Source, import_all: Import) -> None:
    """Take the table *source* into the records of *home*, and print what that changed."""
    with books.writing(home) as opened:
        done = import_all(opened.connection, source, province=opened.province.scope)
    show_imported(done)


def write_out(home: Path, export_all: Export) -> None:
    """Write the records of *home* to standard output as a table."""
    with books.reading(home) as opened:
        text = export_all(opened.connection, province=opened.province.scope)
    click.echo(books.EXCEL_MARK + text, nl=False)


def show_places(
    home: Path,
    list_all: Callable[[Connection], Sequence[Station | Cluster]],
    columns: Sequence[Column],
) -> None:
    """Print the id of each place and those of its fields that *columns* name."""
    with books.reading(home) as opened:
        province, found = opened.province.scope, list_all(opened.connection)
    rows = []
    for each in found:
        # people and JSON read "managed" where the code has is_managed
        facts = {name.removeprefix("is_"): value for name, value in asdict(each).items()}
        rows.append({**facts, "id": id_of(each.scope, province)})
    show(rows, columns)
