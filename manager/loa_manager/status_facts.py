"""What the records know about every cluster, for :mod:`loa_manager.status` to judge."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, select

from loa_manager import tables
from loa_manager.devices import ACTIVE
from loa_manager.registry.clusters import list_clusters
from loa_manager.status import Facts, Heard, Play
from loa_protocol.objects.playlist import BearerKind
from loa_protocol.record import Evidence, State


def load_facts(connection: Connection, today: date, *, below: str = "") -> list[Facts]:
    """Return what is known of every cluster that stands on *today*, by scope.

    Args:
        connection: One of ``database.reading``.
        today: The local day.
        below: Only clusters whose scope is this or lies below it; all by default.
    """
    table = tables.endpoint
    rows = connection.execute(select(table.c.id, table.c.cluster).where(table.c.state == ACTIVE))
    endpoints = {row.cluster: row.id for row in rows}
    heard = {row.endpoint: _heard(row) for row in connection.execute(select(tables.last_heard))}
    newest, ended = _plays(connection, with_end=False), _plays(connection, with_end=True)
    faults = _open_faults(connection)
    found: list[Facts] = []
    for cluster in list_clusters(connection):
        is_below = not below or f"{cluster.scope}/".startswith(f"{below}/")
        if not (is_below and cluster.stands(today)):
            continue
        endpoint = endpoints.get(cluster.scope)
        found.append(
            Facts(
                cluster=cluster.scope,
                is_managed=cluster.is_managed,
                technology=cluster.technology,
                manual_status=cluster.manual_status,
                endpoint=endpoint,
                heard=heard.get(endpoint or ""),
                newest=newest.get(endpoint or ""),
                ended=ended.get(endpoint or ""),
                open_faults=tuple(faults[cluster.scope]),
            )
        )
    return found


def _heard(row: Row[Any]) -> Heard:
    return Heard(
        received_ms=row.received_ms,
        heartbeat_ms=row.heartbeat_ms,
        state=None if row.state is None else State(row.state),
        faults=tuple(row.faults or ()),
        item=row.item,
        bearer=None if row.bearer is None else BearerKind(row.bearer),
        version=row.version,
    )


def _plays(connection: Connection, *, with_end: bool) -> dict[str, Play]:
    """Return the newest play of each active endpoint; *with_end*: of those that have ended."""
    board, table, other = tables.endpoint, tables.play, tables.play.alias("other")
    # one step back in an index for each board, however many plays there are
    last = select(other.c.play).where(other.c.endpoint == board.c.id)
    if with_end:
        last = last.where(other.c.outcome.is_not(None))
    newest = last.order_by(other.c.began_ms.desc()).limit(1).correlate(board).scalar_subquery()
    same = (table.c.endpoint == board.c.id) & (table.c.play == newest)
    query = select(table).select_from(board.join(table, same)).where(board.c.state == ACTIVE)
    return {row.endpoint: _play(row) for row in connection.execute(query)}


def _play(row: Row[Any]) -> Play:
    segments = row.segments or []
    return Play(
        item=row.item,
        began_ms=row.began_ms,
        duration_ms=row.duration_ms,
        evidence=None if row.evidence is None else Evidence(row.evidence),
        bearer=BearerKind(segments[-1][0]) if segments else None,
        ended_ms=row.ended_ms,
    )


def _open_faults(connection: Connection) -> defaultdict[str, list[str]]:
    table = tables.fault
    found: defaultdict[str, list[str]] = defaultdict(list)
    rows = connection.execute(
        select(table.c.cluster, table.c.kind).where(table.c.closed_on.is_(None))
    )
    for row in rows:
        found[row.cluster].append(row.kind)
    return found
