"""``loa database``: the tables themselves."""

from __future__ import annotations

from pathlib import Path

import click

from loa_manager import database as store
from loa_manager.cli.options import home_option, json_option
from loa_manager.cli.output import show_facts
from loa_manager.cli.texts import LoaGroup
from loa_manager.home import Home
from loa_protocol.language import translator

_ = translator("loa_manager")


@click.group(cls=LoaGroup)
def database() -> None:
    """Look after the database."""


@database.command(example="loa database upgrade --home ls")
@home_option
@json_option
def upgrade(home: Path) -> None:
    """Bring the tables to the form of this version; make a copy of the file before."""
    engine = store.create(Home.open(home).database_url)
    version = store.revision(engine)
    engine.dispose()
    show_facts({"version": version}, {"version": _("Version of the tables")})
