"""``loa records``: the rows expanded from what endpoints told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from loa_manager import database
from loa_manager import records as projector
from loa_manager.cli import books
from loa_manager.cli.local_time import LocalTime
from loa_manager.cli.options import home_option, json_option
from loa_manager.cli.output import LOCAL, Column, show, show_facts, show_json, wants_json
from loa_manager.cli.status import evidence_text
from loa_manager.cli.texts import LoaGroup
from loa_manager.played import list_plays
from loa_manager.registry.stations import id_of, scope_of
from loa_protocol.language import translator
from loa_protocol.record import Evidence

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


@records.command(example="loa records plays st0137/c04 --home ls")
@click.argument("scope", default="")
@click.option("--since", type=LocalTime(), help="From this local time on; a week by default.")
@click.option("--most", type=click.IntRange(1, 10_000), default=50, help="The newest; 50.")
@click.option("--drift", is_flag=True, help="Show also how far it was from its instants at worst.")
@home_option
@json_option
def plays(scope: str, since: datetime | None, most: int, drift: bool, home: Path) -> None:
    """List what was played in SCOPE, with what was measured of it and whether it can be heard.

    SCOPE is a station or cluster such as st0137; without it, the whole province. Where a stream
    sounded that nobody had signed, its host stands beside the play.
    """
    begin = since or datetime.now(UTC) - timedelta(days=7)
    with books.reading(home) as opened:
        province = opened.province.scope
        place = scope_of(scope, province) if scope else province
        since_ms = int(begin.timestamp() * 1000)
        found = list_plays(opened.connection, place, since_ms=since_ms, most=most)
    if wants_json(click.get_current_context()):
        show_json(found)
        return
    rows = [_row(each, province) for each in found]
    has_unsigned = any(row["unsigned"] for row in rows)
    columns = {
        "cluster": _("Cluster"),
        "at": _("At"),
        "item": _("Item"),
        "outcome": _("Outcome"),
        "evidence": _("Evidence"),
        "loudness": _("Loudness"),
        "silent": _("Silent"),
        "recorded": _("Recording"),
        **({"drift": _("Drift")} if drift else {}),
        **({"unsigned": _("UNSIGNED sound from")} if has_unsigned else {}),
    }
    show(rows, [Column(*each) for each in columns.items()])


def _row(facts: dict[str, Any], province: str) -> dict[str, Any]:
    at_ms, loudness = facts["started_ms"] or facts["planned_ms"], facts["loudness_lufs"]
    silent_ms, grade, drift_ms = facts["silent_ms"], facts["evidence"], facts["drift_ms"]
    return {
        "cluster": id_of(facts["cluster"], province),
        "at": f"{datetime.fromtimestamp(at_ms / 1000, LOCAL):%d/%m/%Y %H:%M:%S}",
        "item": facts["item"],
        "outcome": _outcome_text(facts["outcome"]),
        "evidence": None if grade is None else evidence_text(Evidence[grade.upper()]),
        "loudness": None if loudness is None else f"{loudness:.1f} LUFS",
        "silent": None if silent_ms is None else f"{silent_ms / 1000:.1f} s",
        "recorded": bool(facts["recorded"]),
        "drift": None if drift_ms is None else f"{drift_ms:+d} ms",
        "unsigned": facts["unsigned_host"],
    }


def _outcome_text(word: str | None) -> str | None:
    names = {
        "complete": _("complete"),
        "stopped": _("stopped"),
        "interrupted": _("interrupted"),
        "broken": _("broken off"),
        "preempted": _("gave way to an alert"),
    }
    return None if word is None else names[word]
