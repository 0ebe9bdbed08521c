"""The projector: what endpoints told, as rows that can be asked.

Everything here can be rebuilt from the stored batches (and the register of boards) alone, and comes
out the same; :mod:`loa_manager.expansion` says what a record becomes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Engine,
    Row,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from loa_manager import database, tables
from loa_manager.expansion import Places, Sheet, Told, cluster_at, expand, newer
from loa_manager.ingest import open_batch

GROUP: Final = 500  # batches a transaction
_NAME: Final = "records"
_IN_ONE_QUERY: Final = 500
_ENDED: Final = tuple(  # what the end of a play tells
    column.name for column in tables.play.columns if column.nullable and column.name != "bulletin"
)


def project(engine: Engine) -> int:
    """Expand the batches that are not expanded yet; return how many there were.

    Raises:
        StoreError: the database cannot be written; the next call goes on where this one began.
    """
    done = 0
    while True:
        with database.writing(engine) as connection:
            count = _project_group(connection)
        done += count
        if count < GROUP:
            return done


def rebuild(engine: Engine) -> int:
    """Throw all projected rows away and expand every batch anew, as one change.

    Returns:
        How many batches were expanded.

    Raises:
        StoreError: the database cannot be written; the rows are as they were.
    """
    with database.writing(engine) as connection:
        for table in tables.PROJECTED:
            connection.execute(delete(table))
        done = 0
        while count := _project_group(connection):
            done += count
        return done


def told(rows: Iterable[Row[Any]]) -> Iterator[Told]:
    """Yield every record that rows of the table ``batch`` hold, each once."""
    for row in rows:
        _seal, batch = open_batch(row.data)
        for offset, data in enumerate(batch.records[row.skip : row.skip + row.count]):
            yield Told(row.endpoint, row.epoch, row.first + offset, row.received_ms, data)


def count_unplaced(connection: Connection) -> dict[str, int]:
    """Return how many records fit no row, by reason."""
    table = tables.unplaced
    rows = connection.execute(select(table.c.reason, func.count()).group_by(table.c.reason))
    return {row[0]: row[1] for row in rows}


def _project_group(connection: Connection) -> int:
    cursor = connection.scalar(
        select(tables.projection.c.batch).where(tables.projection.c.name == _NAME)
    )
    rows = connection.execute(
        select(tables.batch)
        .where(tables.batch.c.id > (cursor or 0))
        .order_by(tables.batch.c.id)
        .limit(GROUP)
    ).all()
    if not rows:
        return 0
    places = _places(connection, {row.endpoint for row in rows})
    _write(connection, expand(told(rows), places), places)
    values = {"name": _NAME, "batch": rows[-1].id}
    if cursor is None:
        connection.execute(insert(tables.projection).values(values))
    else:
        connection.execute(update(tables.projection).values(values))
    return len(rows)


def _places(connection: Connection, endpoints: set[str]) -> Places:
    table = tables.installation
    found: dict[str, list[tuple[int, str]]] = {}
    for ids in _portions(sorted(endpoints)):
        match = table.c.endpoint.in_(ids)
        rows = connection.execute(select(table).where(match).order_by(table.c.since_ms))
        for row in rows:
            found.setdefault(row.endpoint, []).append((row.since_ms, row.cluster))
    return found


def _write(connection: Connection, sheet: Sheet, places: Places) -> None:
    _write_plays(connection, sheet)
    for table, rows in (
        (tables.refusal, sheet.refusals),
        (tables.event, sheet.events),
        (tables.order_answer, sheet.answers),
        (tables.unplaced, sheet.unplaced),
    ):
        _insert(connection, table, rows)
    _write_heard(connection, sheet, places)


def _write_plays(connection: Connection, sheet: Sheet) -> None:
    known = _known_plays(connection, {play for _endpoint, play in [*sheet.starts, *sheet.ends]})
    fresh: list[dict[str, Any]] = []
    for key, (each, row) in sheet.starts.items():
        if key in known:
            sheet.put_apart(each, "repeated")
            continue
        end = sheet.ends.pop(key, None)
        fresh.append({**dict.fromkeys(_ENDED), **row, **(end[1] if end else {})})
    _insert(connection, tables.play, fresh)
    late: list[dict[str, Any]] = []
    for key, (each, row) in sheet.ends.items():
        if key not in known:
            sheet.put_apart(each, "no_start")
        elif known[key]:
            sheet.put_apart(each, "repeated")
        else:
            late.append({**row, "at_endpoint": key[0], "at_play": key[1]})
    if late:
        play = tables.play.c
        match = (play.endpoint == bindparam("at_endpoint")) & (play.play == bindparam("at_play"))
        connection.execute(update(tables.play).where(match), late)


def _known_plays(connection: Connection, plays: set[str]) -> dict[tuple[str, str], bool]:
    """Return which of *plays* have a row, and whether it has an end."""
    play = tables.play.c
    found: dict[tuple[str, str], bool] = {}
    for ids in _portions(sorted(plays)):
        query = select(play.endpoint, play.play, play.outcome).where(play.play.in_(ids))
        for row in connection.execute(query):
            found[row.endpoint, row.play] = row.outcome is not None
    return found


def _write_heard(connection: Connection, sheet: Sheet, places: Places) -> None:
    table = tables.last_heard
    known: dict[str, dict[str, Any]] = {}
    for ids in _portions(sorted(sheet.received)):
        for row in connection.execute(select(table).where(table.c.endpoint.in_(ids))):
            known[row.endpoint] = dict(row._mapping)
    fresh: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for endpoint, received_ms in sheet.received.items():
        before = known.get(endpoint)
        facts = before or {column.name: None for column in table.columns}
        if endpoint in sheet.boots:
            facts = {**facts, **newer(before, sheet.boots[endpoint], "boot_epoch")}
        if endpoint in sheet.beats:
            facts = {**facts, **newer(before, sheet.beats[endpoint], "epoch", "sequence")}
        facts["received_ms"] = max(received_ms, facts["received_ms"] or 0)
        facts["cluster"] = cluster_at(places[endpoint], facts["received_ms"])
        facts.pop("endpoint", None)
        if before is None:
            fresh.append({**facts, "endpoint": endpoint})
        else:
            changed.append({**facts, "at_endpoint": endpoint})
    _insert(connection, table, fresh)
    if changed:
        match = table.c.endpoint == bindparam("at_endpoint")
        connection.execute(update(table).where(match), changed)


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _portions(ids: list[str]) -> Iterator[list[str]]:
    return (ids[at : at + _IN_ONE_QUERY] for at in range(0, len(ids), _IN_ONE_QUERY))
