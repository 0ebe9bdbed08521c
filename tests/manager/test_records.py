"""The projector: rows from evidence, once, whatever the order, and the same when rebuilt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, Table, select

from loa_manager import database, records, tables
from loa_manager.expansion import Told, cluster_at, expand
from loa_manager.ingest import Ingest
from loa_manager.keyring import Identity
from loa_protocol import cbor
from loa_protocol.objects.playlist import BearerKind, Mark
from loa_protocol.record import (
    Evidence,
    Happening,
    Outcome,
    Record,
    Refused,
    Segment,
    State,
)
from support import registry
from support.province import province
from support.telling import AT_MS, Teller, ended, started

CLUSTERS = ("vn/ls/st0137/c01", "vn/ls/st0137/c02", "vn/ls/st0137/c03")


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = registry.new_database(tmp_path)
    with database.writing(engine) as connection:
        registry.load_village(connection)
    return engine


@pytest.fixture
def ingest(engine: Engine) -> Iterator[Ingest]:
    online = province().online
    ingest = Ingest(engine, Identity("ingest", online.signer, online.chain))
    yield ingest
    ingest.close()


@pytest.fixture
def teller(engine: Engine) -> Teller:
    teller = Teller()
    with database.writing(engine) as connection:
        teller.register(connection, CLUSTERS[0])
    teller.boot()
    return teller


def rows(engine: Engine, table: Table) -> list[dict[str, Any]]:
    with database.reading(engine) as connection:
        found = connection.execute(select(table).order_by(*table.primary_key.columns))
        return [dict(row._mapping) for row in found]


def everything(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    return {table.name: rows(engine, table) for table in tables.PROJECTED}


def bring(
    ingest: Ingest, engine: Engine, *tellers: Teller, size: int = 60, at_ms: int = AT_MS
) -> None:
    for teller in tellers:
        ingest.take_many(teller.everything(size), at_ms)
    records.project(engine)


def test_a_play_is_one_row_with_start_end_segments_and_evidence(
    engine: Engine, ingest: Ingest, teller: Teller
) -> None:
    segments = (
        Segment(bearer=BearerKind.FM, start_ms=AT_MS, end_ms=AT_MS + 9000),
        Segment(bearer=BearerKind.MEDIA, start_ms=AT_MS + 9000, end_ms=AT_MS + 60_000),
    )
    teller.play(1, segments=segments, language="tyz")
    bring(ingest, engine, teller)
    (row,) = rows(engine, tables.play)
    assert row["segments"] == [[1, AT_MS, AT_MS + 9000], [3, AT_MS + 9000, AT_MS + 60_000]]
    assert (row["cluster"], row["language"]) == (CLUSTERS[0], "tyz")
    assert (row["outcome"], row["evidence"]) == (Outcome.COMPLETE, Evidence.OUTPUT)
    assert (row["started_ms"], row["ended_ms"]) == (AT_MS, AT_MS + 60_000)


def test_a_play_without_its_end_waits_for_it(
    engine: Engine, ingest: Ingest, teller: Teller
) -> None:
    teller.tell(started(1, AT_MS))
    bring(ingest, engine, teller)
    (waiting,) = rows(engine, tables.play)
    teller.tell(ended(1, AT_MS, outcome=Outcome.INTERRUPTED))
    bring(ingest, engine, teller)
    (row,) = rows(engine, tables.play)
    assert (waiting["outcome"], waiting["segments"]) == (None, None)
    assert row["outcome"] == Outcome.INTERRUPTED


@pytest.mark.parametrize("together", [True, False])
def test_a_play_told_twice_counts_once(
    engine: Engine, ingest: Ingest, teller: Teller, together: bool
) -> None:
    teller.play(1)
    if not together:
        bring(ingest, engine, teller)
    teller.boot()  # the board had to tell it again in a new place
    teller.play(1)
    bring(ingest, engine, teller, size=1)
    assert len(rows(engine, tables.play)) == 1
    with database.reading(engine) as connection:
        assert records.count_unplaced(connection) == {"repeated": 2}


def test_an_end_without_a_start_is_kept_and_counted(
    engine: Engine, ingest: Ingest, teller: Teller
) -> None:
    teller.tell(ended(1, AT_MS))
    bring(ingest, engine, teller)
    assert rows(engine, tables.play) == []
    with database.reading(engine) as connection:
        assert records.count_unplaced(connection) == {"no_start": 1}


@pytest.mark.parametrize(
    "data",
    [
        cbor.encode({1: 77, 2: AT_MS, 3: 3, 4: {1: "later"}}),  # a kind of a later version
        cbor.encode({1: 5, 2: AT_MS, 3: 3, 4: {1: "name", 2: "", 9: "later"}}),  # a later field
        b"\xff\x00not cbor",
    ],
)
def test_records_of_later_versions_are_kept_and_counted(
    engine: Engine, ingest: Ingest, teller: Teller, data: bytes
) -> None:
    teller.epochs[1].append(data)
    teller.play(1)
    bring(ingest, engine, teller)
    (row,) = rows(engine, tables.unplaced)
    assert (row["reason"], row["data"], row["sequence"]) == ("unknown", data, 1)
    assert len(rows(engine, tables.play)) == 1  # what follows is not lost


def test_refusals_and_events_are_rows(engine: Engine, ingest: Ingest, teller: Teller) -> None:
    digest = bytes([5]) * 32
    teller.tell(Refused(what="playlist", reason="threshold", detail="1 holders", digest=digest))
    teller.tell(Happening(name="blocked_quiet_hours", detail="i7"))
    bring(ingest, engine, teller)
    (refusal,) = rows(engine, tables.refusal)
    (event,) = rows(engine, tables.event)
    assert (refusal["reason"], refusal["digest"]) == ("threshold", digest.hex())
    assert (event["name"], event["cluster"]) == ("blocked_quiet_hours", CLUSTERS[0])


def test_the_newest_heartbeat_is_remembered_with_its_arrival(
    engine: Engine, ingest: Ingest, teller: Teller
) -> None:
    teller.beat(AT_MS + 1)
    teller.beat(AT_MS + 2, state=State.FAULT, faults=("speaker_open",))
    bring(ingest, engine, teller, at_ms=AT_MS + 500)
    (row,) = rows(engine, tables.last_heard)
    assert (row["state"], row["faults"]) == (State.FAULT, ["speaker_open"])
    assert (row["received_ms"], row["heartbeat_ms"]) == (AT_MS + 500, AT_MS + 2)
    assert (row["booted_ms"], row["version"]) == (AT_MS, "0.1.0")


@pytest.mark.parametrize("together", [True, False])
def test_a_hole_filled_late_brings_no_old_heartbeat_back(
    engine: Engine, ingest: Ingest, teller: Teller, together: bool
) -> None:
    teller.beat(AT_MS + 1, state=State.FAULT)
    late = teller.batch(0, 2)
    teller.boot(AT_MS + 10)
    teller.beat(AT_MS + 11)
    ingest.take(teller.batch(0, 2), AT_MS + 20)
    ingest.take(teller.batch(0, 2), AT_MS + 20)
    if not together:
        records.project(engine)
    ingest.take(late, AT_MS + 30)
    records.project(engine)
    (row,) = rows(engine, tables.last_heard)
    assert (row["state"], row["booted_ms"]) == (State.CONNECTED, AT_MS + 10)
    assert row["received_ms"] == AT_MS + 30


def test_expanding_again_changes_nothing(engine: Engine, ingest: Ingest, teller: Teller) -> None:
    teller.play(1)
    bring(ingest, engine, teller)
    before = everything(engine)
    assert records.project(engine) == 0
    assert everything(engine) == before


def test_rows_that_were_tampered_with_are_put_right_by_rebuilding(
    engine: Engine, ingest: Ingest, teller: Teller
) -> None:
    for n in range(5):
        teller.play(n, evidence=Evidence.UNVERIFIED)
        teller.beat(AT_MS + n)
    teller.tell(Happening(name="rds", detail=""))
    bring(ingest, engine, teller, size=3)
    before = everything(engine)
    with database.writing(engine) as connection:
        connection.execute(tables.play.update().values(evidence=int(Evidence.CONTENT)))
        connection.execute(tables.event.delete())
    assert records.rebuild(engine) == 6
    assert everything(engine) == before


def test_more_batches_than_one_group_are_all_expanded(
    engine: Engine, ingest: Ingest, teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "GROUP", 3)
    for n in range(10):
        teller.play(n)
    ingest.take_many(teller.everything(2), AT_MS)
    assert records.project(engine) == 11
    assert len(rows(engine, tables.play)) == 10
    assert records.rebuild(engine) == 11
    assert len(rows(engine, tables.play)) == 10


def test_marked_plays_keep_their_mark(engine: Engine, ingest: Ingest, teller: Teller) -> None:
    teller.play(1, mark=Mark.COMMISSIONING)
    bring(ingest, engine, teller)
    assert [row["mark"] for row in rows(engine, tables.play)] == [Mark.COMMISSIONING]


def test_plays_belong_to_the_pole_of_their_time(
    engine: Engine, ingest: Ingest, teller: Teller
) -> None:
    with database.writing(engine) as connection:
        teller.register(connection, CLUSTERS[1], at_ms=AT_MS + 1000)
    teller.play(1, AT_MS)
    teller.play(2, AT_MS + 1000)
    bring(ingest, engine, teller)
    found = {row["item"]: row["cluster"] for row in rows(engine, tables.play)}
    assert found == {"i1": CLUSTERS[0], "i2": CLUSTERS[1]}


def test_a_board_without_a_clock_is_placed_by_arrival() -> None:
    body = Happening(name="boot", detail="")
    data = Record(at_ms=1000, trust=0, body=body).to_bytes()  # type: ignore[arg-type]  # T0
    places = {"e": [(0, "first"), (AT_MS, "second")]}
    sheet = expand([Told("e", 1, 0, AT_MS + 1, data)], places)
    assert [row["cluster"] for row in sheet.events] == ["second"]


@given(st.lists(st.integers(0, 50), min_size=1, unique=True).map(sorted), st.integers(-5, 60))
def test_a_board_hung_where_it_was_put_last(since: list[int], at: int) -> None:
    places = [(each, f"c{each}") for each in since]
    wanted = max((each for each in since if each <= at), default=since[0])
    assert cluster_at(places, at) == f"c{wanted}"


@given(st.binary(max_size=200))
def test_any_stored_bytes_expand_to_something(data: bytes) -> None:
    sheet = expand([Told("e", 1, 0, AT_MS, data)], {"e": [(0, "c")]})
    assert sheet.received == {"e": AT_MS}
