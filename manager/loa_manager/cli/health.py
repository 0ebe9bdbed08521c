"""``loa health``: one answer for a monitoring system."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from pathlib import Path

import click

from loa_manager.cli.options import home_option, json_option
from loa_manager.cli.output import Column, show, show_json, wants_json
from loa_manager.cli.status import lost_after_option
from loa_manager.cli.texts import LoaCommand
from loa_manager.health import Check, Level, Limits, worst
from loa_manager.health_facts import examine
from loa_manager.home import Home
from loa_protocol.errors import LoaError
from loa_protocol.language import translator

_ = translator("loa_manager")


def level_text(level: Level) -> str:
    """Return the word for *level* in the language in force."""
    return {
        Level.OK: _("ok"),
        Level.WARNING: _("warning"),
        Level.CRITICAL: _("critical"),
        Level.UNKNOWN: _("unknown"),
    }[level]


def _examine(place: Home, now: datetime, limits: Limits, lost_after: int) -> list[Check]:
    try:
        return examine(place, now, limits=limits, lost_after_s=lost_after)
    except LoaError:
        raise
    except Exception:  # noqa: BLE001 - Python's exit code for a bug, 1, would read as a mere warning
        traceback.print_exc()
        return [Check(id="health", level=Level.UNKNOWN, text=_("the check itself failed"))]


@click.command(cls=LoaCommand, example="loa health --home ls", failure_code=Level.UNKNOWN.value)
@click.option(
    "--lost-percent",
    type=click.IntRange(1, 100),
    default=Limits().lost_percent,
    help="Share of lost clusters from which on the answer is critical.",
)
@lost_after_option
@home_option
@json_option
def health(lost_percent: int, lost_after: int, home: Path) -> None:
    """Tell whether the province is well, by exit code: 0 ok, 1 warning, 2 critical, 3 unknown."""
    limits = Limits(lost_percent=lost_percent)
    place, now = Home.open(home), datetime.now(UTC)
    checks = _examine(place, now, limits, lost_after)
    level = worst(checks)
    rows = [
        {
            "id": check.id,
            "level": check.level.name.lower(),
            "level_text": level_text(check.level),
            "text": check.text,
            "evidence": dict(check.evidence),
        }
        for check in checks
    ]
    context = click.get_current_context()
    if wants_json(context):
        plain = [{k: v for k, v in row.items() if k != "level_text"} for row in rows]
        show_json({"level": level.name.lower(), "checks": plain})
    else:
        columns = [
            Column("level", _("Level")),
            Column("id", _("Check")),
            Column("text", _("Found")),
        ]
        show(rows, columns, title=_("Health: {level}").format(level=level_text(level)))
    context.exit(level.value)
