"""``loa unit``: the administrative units, as they were and are."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import click

from loa_manager.cli import books
from loa_manager.cli.options import home_option, json_option
from loa_manager.cli.output import Column, show, show_facts
from loa_manager.cli.texts import LoaGroup
from loa_manager.csv_import import CellError, day
from loa_manager.registry.ledger import Imported, Source
from loa_manager.registry.placements import merge_commune
from loa_manager.registry.units import import_units, load_units
from loa_protocol.language import translator

_ = translator("loa_manager")


class DayType(click.ParamType[date]):
    """A day on the command line, as 2026-07-01 or 01/07/2026."""

    name = "day"

    def convert(
        self, value: str | date, param: click.Parameter | None, ctx: click.Context | None
    ) -> date:
        """Parse it; another form is wrong usage."""
        try:
            return value if isinstance(value, date) else day(value)
        except CellError as error:
            self.fail(str(error), param, ctx)


DAY = DayType()


@click.group(cls=LoaGroup)
def unit() -> None:
    """Keep the administrative units: provinces, communes and what lies between."""


@unit.command("import", example="loa unit import --home ls units.csv")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@home_option
@json_option
def import_command(file: Path, home: Path) -> None:
    """Add the units of the CSV FILE, or change those it knows; all rows or none."""
    source = books.table_from(file)
    with books.writing(home) as opened:
        done = import_units(opened.connection, source)
    show_imported(done)


@unit.command(example="loa unit merge --home ls 06001 06099 --on 2025-07-01")
@click.argument("old")
@click.argument("new")
@click.option("--on", type=DAY, required=True, help="First day under the new code.")
@home_option
@json_option
def merge(old: str, new: str, on: date, home: Path) -> None:
    """Move all stations and clusters of the commune OLD to the commune NEW from a day on."""
    source = Source(where="loa unit merge", data=b"", who=books.who(), at=datetime.now(UTC))
    with books.writing(home) as opened:
        moved = merge_commune(opened.connection, old, new, on=on, source=source)
    show_facts({"moved": moved}, {"moved": _("Moved")})


@unit.command("list", example="loa unit list --home ls --on 2025-06-30")
@click.option("--on", type=DAY, help="The day to look at (default: today).")
@home_option
@json_option
def list_command(on: date | None, home: Path) -> None:
    """List the units of a day."""
    with books.reading(home) as opened:
        tree = load_units(opened.connection)
    asked = on or datetime.now(UTC).date()
    rows = [
        {"code": each.code, "name": each.name, "kind": each.kind, "parent": each.parent}
        for each in tree
        if each.holds(asked)
    ]
    show(
        rows,
        [
            Column("code", _("Code")),
            Column("name", _("Name")),
            Column("kind", _("Kind")),
            Column("parent", _("Parent")),
        ],
    )


def show_imported(done: Imported) -> None:
    """Print what an import did, warnings last."""
    show_facts(
        {
            "added": done.added,
            "changed": done.changed,
            "unchanged": done.unchanged,
            "warnings": list(done.warnings),
            "warnings_text": "\n" + "\n".join(done.warnings) if done.warnings else "-",
        },
        {
            "added": _("Added"),
            "changed": _("Changed"),
            "unchanged": _("Unchanged"),
            "warnings": _("Warnings"),
        },
    )
