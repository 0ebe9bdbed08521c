"""``loa records``: the rows expanded from what endpoints told."""

from __future__ import annotations

from pathlib import Path

import click

from loa_manager import database
from loa_manager import records as projector
from loa_manager.cli import books
from loa_manager.cli.options import home_option, json_option
from loa_manager.cli.output import show_facts
from loa_manager.cli.texts import LoaGroup
from loa_protocol.language import translator

_ = translator("loa_manager")


@click.group(cls=LoaGroup)
def records() -> None:
    """Look after the rows that are expanded from signed batches."""


@records.command(example="loa records rebuild --home ls")
@home_option
@json_option
def rebuild(home: Path) -> None:
    """Expand every stored batch anew; batches that arrive meanwhile wait."""
    with books.engine_of(home) as engine:
        batches = projector.rebuild(engine)
        with database.reading(engine) as connection:
            apart = projector.count_unplaced(connection)
    show_facts(
        {"batches": batches, "unplaced": apart, "unplaced_text": sum(apart.values())},
        {"batches": _("Batches expanded"), "unplaced": _("Records kept apart")},
    )
