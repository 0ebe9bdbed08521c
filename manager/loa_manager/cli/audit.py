"""``loa audit``: the account of who did what."""

from __future__ import annotations

from pathlib import Path

import click

from loa_manager import audit as account
from loa_manager.cli import books
from loa_manager.cli.options import home_option, json_option
from loa_manager.cli.output import show_facts
from loa_manager.cli.texts import LoaGroup
from loa_protocol.errors import StoreError
from loa_protocol.language import translator

_ = translator("loa_manager")


@click.group(cls=LoaGroup)
def audit() -> None:
    """Read the account of who did what, when."""


@audit.command(example="loa audit verify --home ls")
@home_option
@json_option
def verify(home: Path) -> None:
    """Check that no row of the account was changed or removed; name the first that was."""
    with books.reading(home) as opened:
        verdict = account.verify(opened.connection)
    if verdict.broken is not None:
        text = _("row {position} was changed or removed; {rows} rows before it are whole")
        raise StoreError("audit", text.format(position=verdict.broken, rows=verdict.rows))
    show_facts(
        {"rows": verdict.rows, "newest": verdict.newest},
        {"rows": _("Rows"), "newest": _("Newest hash")},
        title=_("The account is whole"),
    )
