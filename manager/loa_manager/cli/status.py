"""``loa status``: what every cluster is doing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from loa_manager.cli import books
from loa_manager.cli.options import home_option, json_option
from loa_manager.cli.output import Column, say, show, show_json, wants_json
from loa_manager.cli.texts import LoaCommand
from loa_manager.registry.clusters import list_clusters
from loa_manager.registry.stations import id_of, list_stations, scope_of
from loa_manager.status import LOST_AFTER_S, ClusterStatus, count, derive
from loa_manager.status_facts import load_facts
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator
from loa_protocol.objects.playlist import BearerKind
from loa_protocol.record import Evidence, State

_ = translator("loa_manager")
lost_after_option = click.option(
    "--lost-after",
    type=click.IntRange(min=1),
    default=LOST_AFTER_S,
    help="Seconds of silence after which a cluster counts as lost.",
)
STATES = [state.name.lower() for state in reversed(State)]


@click.command(cls=LoaCommand, example="loa status --home ls st0137")
@click.argument("scope", default="")
@click.option("--state", type=click.Choice(STATES), help="Only clusters in this state.")
@lost_after_option
@home_option
@json_option
def status(scope: str, state: str | None, lost_after: int, home: Path) -> None:
    """Show what every cluster does: state, item, bearer, last heard, evidence.

    SCOPE is a station or cluster such as st0137; without it, the whole province.
    """
    now = datetime.now(UTC)
    with books.reading(home) as opened:
        offset = timedelta(minutes=opened.province.utc_offset_min)
        below = _known_scope(opened, scope) if scope else ""
        facts = load_facts(opened.connection, (now + offset).date(), below=below)
        province = opened.province.scope
    now_ms = round(now.timestamp() * 1000)
    statuses = [derive(each, now_ms, lost_after_s=lost_after) for each in facts]
    counts = count(statuses)
    shown = [s for s in statuses if state is None or (s.state and s.state.name.lower() == state)]
    rows = [_row(each, province) for each in shown]
    if wants_json(click.get_current_context()):
        plain = [{k: v for k, v in row.items() if not k.endswith("_text")} for row in rows]
        show_json({**counts, "clusters": plain})
        return
    show(rows, _columns())
    say(_summary(counts))


def _known_scope(opened: books.Books, identifier: str) -> str:
    scope, province = scope_of(identifier, opened.province.scope), opened.province.scope
    stations = {each.scope for each in list_stations(opened.connection)}
    clusters = {each.scope for each in list_clusters(opened.connection)}
    if scope not in {province} | stations | clusters:
        raise ConfigError(identifier, [_("not in the registry")])
    return scope


def _row(each: ClusterStatus, province: str) -> dict[str, Any]:
    heard = None if each.heard_ms is None else datetime.fromtimestamp(each.heard_ms / 1000, UTC)
    return {
        "cluster": id_of(each.cluster, province),
        "state": each.state.name.lower() if each.state else None,
        "state_text": _state_text(each),
        "manual_status": each.manual_status,
        "technology": each.technology,
        "endpoint": each.endpoint,
        "item": each.item,
        "bearer": each.bearer.name.lower() if each.bearer else None,
        "bearer_text": bearer_text(each.bearer),
        "heard": heard,
        "evidence": each.evidence.name.lower() if each.evidence is not None else None,
        "evidence_text": evidence_text(each.evidence),
        "faults": list(each.faults),
        "faults_text": ", ".join(each.faults) or None,
    }


def _columns() -> list[Column]:
    return [
        Column("cluster", _("Cluster")),
        Column("state", _("State")),
        Column("item", _("Playing")),
        Column("bearer", _("Bearer")),
        Column("heard", _("Last heard")),
        Column("evidence", _("Evidence of the last play")),
        Column("faults", _("Faults")),
    ]


def _state_text(each: ClusterStatus) -> str:
    if each.state is None:
        manual = {
            "working": _("seen working by a person"),
            "broken": _("seen broken by a person"),
            "unknown": _("not monitored"),
        }
        return manual[each.manual_status or "unknown"]
    return {
        State.LOST: _("lost contact"),
        State.FAULT: _("fault"),
        State.PLAYING: _("playing"),
        State.CONNECTED: _("connected"),
    }[each.state]


def bearer_text(bearer: BearerKind | None) -> str | None:
    """Return what people call a way for sound to reach the board; None for none."""
    names = {
        BearerKind.FM: _("FM"),
        BearerKind.STREAM: _("IP stream"),
        BearerKind.MEDIA: _("cached file"),
    }
    return None if bearer is None else names[bearer]


def evidence_text(evidence: Evidence | None) -> str | None:
    """Return what people call a grade of evidence; None for none."""
    names = {
        Evidence.SILENT: _("silent"),
        Evidence.UNVERIFIED: _("unverified"),
        Evidence.OUTPUT: _("output measured"),
        Evidence.CONTENT: _("content recognised"),
    }
    return None if evidence is None else names[evidence]


def _summary(counts: dict[str, int]) -> str:
    text = _(
        "{fleet} monitored: {lost} lost, {fault} with faults, {playing} playing,"
        " {connected} connected; {unmonitored} not monitored"
    )
    return text.format(**counts)
