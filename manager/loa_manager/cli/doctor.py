"""``loa doctor``: what is wrong, and how a running system measures against a security standard."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from loa_manager.cli.health import level_text
from loa_manager.cli.options import home_option, json_option
from loa_manager.cli.output import Column, say, show, show_json, wants_json
from loa_manager.cli.progress import progress
from loa_manager.cli.table import hanging
from loa_manager.cli.texts import LoaCommand
from loa_manager.doctor import security, trouble
from loa_manager.doctor.finding import Finding, Result, count
from loa_manager.health import Check, Level, worst
from loa_manager.home import Home
from loa_protocol.exit_codes import FOUND
from loa_protocol.language import translator

_ = translator("loa_manager")
_BAD: Final = (Level.CRITICAL, Level.UNKNOWN)
_COLOURS: Final = {
    Result.PASS: "green",
    Result.FAIL: "red",
    Result.NOT_APPLICABLE: "bright_black",
    Level.OK: "green",
    Level.WARNING: "yellow",
    Level.CRITICAL: "red",
    Level.UNKNOWN: "red",
}


@click.command(cls=LoaCommand, example="loa doctor --home ls --security")
@click.option(
    "--security",
    "is_security",
    is_flag=True,
    help="Measure the provisions of ETSI EN 303 645 that a running system can show.",
)
@click.option(
    "--board",
    "board_home",
    type=click.Path(path_type=Path, file_okay=False),
    help="Look at the board whose folder this is, on this machine, too.",
)
@home_option
@json_option
def doctor(is_security: bool, board_home: Path | None, home: Path) -> None:
    """Say what is wrong with the province, or with the board on this machine.

    Ends with 7 when something is. With --security a table of what was measured: pass, fail, or not
    applicable, each with its evidence. It says what was measured, and claims nothing else.
    """
    now = datetime.now(UTC)
    place = Home(home.expanduser())
    if is_security:
        bad = _show_security(Home.open(home), now, board_home)
    elif board_home is not None and not place.root_path.is_file():
        bad = _show_checks(trouble.examine_board(board_home))  # a board's machine has no province
    else:
        board = [] if board_home is None else trouble.examine_board(board_home)
        bad = _show_checks([*trouble.examine(Home.open(home), now), *board])
    if bad:
        click.get_current_context().exit(FOUND)


def _show_security(place: Home, now: datetime, board_home: Path | None) -> bool:
    steps = security.measures(place, now, board_home)
    found: list[Finding] = []
    with progress(_("Measuring")) as begin:
        advance = begin("", len(steps))
        for group in security.examine(steps):
            found += group
            advance(1)
    found = security.in_order(found)
    counts = count(found)
    source = _("provision numbers from a public copy of table B.1; the standard was not read")
    if wants_json(click.get_current_context()):
        rows = [each.facts() for each in found]
        show_json({"provisions": "ETSI EN 303 645, table B.1", **counts, "measures": rows})
    else:
        _show_findings(found)
        say(_("{passed} pass, {failed} fail, {not_applicable} not applicable").format(**counts))
        say(source)
    return counts["failed"] > 0


def _show_findings(found: Sequence[Finding]) -> None:
    words = {
        Result.PASS: _("pass"),
        Result.FAIL: _("fail"),
        Result.NOT_APPLICABLE: _("not applicable"),
    }
    if sys.stdout.isatty():
        _draw(
            [(words[e.result], e.result, ", ".join(e.provisions), e.text, e.where) for e in found]
        )
        return
    rows = [
        {
            "provisions": ", ".join(each.provisions) or None,
            "result": words[each.result],
            "id": each.id,
            "text": each.text,
            "where": each.where or None,
        }
        for each in found
    ]
    columns = [
        Column("provisions", _("Provision")),
        Column("result", _("Result")),
        Column("id", _("Check")),
        Column("text", _("Measured")),
        Column("where", _("Where")),
    ]
    show(rows, columns)


def _show_checks(checks: Sequence[Check]) -> bool:
    level = worst(checks)
    if wants_json(click.get_current_context()):
        rows = [
            {
                "id": each.id,
                "level": each.level.name.lower(),
                "text": each.text,
                "evidence": dict(each.evidence),
            }
            for each in checks
        ]
        show_json({"level": level.name.lower(), "checks": rows})
    elif sys.stdout.isatty():
        _draw([(level_text(each.level), each.level, each.id, each.text, "") for each in checks])
    else:
        rows = [
            {"level": level_text(each.level), "id": each.id, "text": each.text} for each in checks
        ]
        columns = [
            Column("level", _("Level")),
            Column("id", _("Check")),
            Column("text", _("Found")),
        ]
        show(rows, columns)
    return level in _BAD


def _draw(rows: Sequence[tuple[str, Result | Level, str, str, str]]) -> None:
    """Print a block for each row, its word in colour: the texts are too long for a table's cell."""
    room, indent = shutil.get_terminal_size().columns, " " * 4
    for word, kind, name, text, where in rows:
        click.echo(f"{click.style(word, fg=_COLOURS[kind], bold=True)}  {name}")
        click.echo(hanging(text, room, indent))
        if where:
            click.echo(click.style(hanging(where, room, indent), dim=True))
