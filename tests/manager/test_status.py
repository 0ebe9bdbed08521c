"""What a cluster is doing: four states that sum to the fleet, none where nothing measures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from loa_manager import database, records, tables
from loa_manager.ingest import Ingest
from loa_manager.keyring import Identity
from loa_manager.status import SILENT, Facts, Heard, Play, count, derive
from loa_manager.status_facts import load_facts
from loa_protocol.objects.playlist import BearerKind
from loa_protocol.record import Evidence, State
from support import registry
from support.province import province
from support.telling import AT_MS, Teller, started

NOW = AT_MS
HEARD = Heard(received_ms=NOW - 60_000, heartbeat_ms=NOW - 60_000, state=State.CONNECTED)
FACTS = Facts(cluster="vn/ls/st1/c1", is_managed=True, technology="ip", heard=HEARD)
OPEN = Play(item="i1", began_ms=NOW - 10_000, duration_ms=60_000)
ENDED = Play(
    item="i0",
    began_ms=NOW - 100_000,
    duration_ms=60_000,
    evidence=Evidence.OUTPUT,
    bearer=BearerKind.MEDIA,
    ended_ms=NOW - 40_000,
)
TODAY = date(2026, 12, 1)


def state(facts: Facts) -> State | None:
    return derive(facts, NOW).state


@pytest.mark.requirement("HLT-1")
def test_each_state_has_its_cause() -> None:
    assert state(FACTS) is State.CONNECTED
    assert state(replace(FACTS, newest=OPEN)) is State.PLAYING
    assert state(replace(FACTS, heard=replace(HEARD, faults=("no_sim",)))) is State.FAULT
    assert state(replace(FACTS, heard=replace(HEARD, received_ms=NOW - 901_000))) is State.LOST
    assert state(replace(FACTS, heard=None)) is State.LOST


@pytest.mark.requirement("HLT-1")
def test_lost_comes_before_fault_and_fault_before_playing() -> None:
    playing = replace(FACTS, newest=OPEN)
    broken = replace(playing, open_faults=("speaker_open",))
    gone = replace(broken, heard=replace(HEARD, received_ms=NOW - 10**7))
    assert [state(each) for each in (playing, broken, gone)] == [
        State.PLAYING,
        State.FAULT,
        State.LOST,
    ]


@pytest.mark.requirement("HLT-1")
@given(
    st.lists(
        st.builds(
            Facts,
            cluster=st.just("vn/ls/st1/c1"),
            is_managed=st.booleans(),
            technology=st.just("ip"),
            manual_status=st.sampled_from([None, "working", "broken", "unknown"]),
            heard=st.sampled_from(
                [None, HEARD, replace(HEARD, received_ms=0), replace(HEARD, faults=("x",))]
            ),
            newest=st.sampled_from([None, OPEN, ENDED]),
            ended=st.sampled_from([None, ENDED, replace(ENDED, evidence=Evidence.SILENT)]),
            open_faults=st.sampled_from([(), ("mains",)]),
        ),
        max_size=200,
    )
)
def test_the_four_states_sum_to_the_monitored_fleet(fleet: list[Facts]) -> None:
    counts = count(derive(each, NOW) for each in fleet)
    four = counts["lost"] + counts["fault"] + counts["playing"] + counts["connected"]
    assert four == counts["fleet"] == sum(each.is_managed for each in fleet)
    assert counts["unmonitored"] == len(fleet) - four


@pytest.mark.requirement("INV-5")
@pytest.mark.parametrize("manual", ["working", "broken", "unknown", None])
def test_a_foreign_cluster_has_no_state_whatever_is_heard(manual: str | None) -> None:
    facts = replace(FACTS, is_managed=False, manual_status=manual, newest=OPEN)
    status = derive(facts, NOW)
    assert (status.state, status.manual_status) == (None, manual or "unknown")


@pytest.mark.requirement("HLT-2")
def test_a_silent_play_is_a_fault_and_never_ok() -> None:
    silent = replace(FACTS, ended=replace(ENDED, evidence=Evidence.SILENT))
    status = derive(silent, NOW)
    assert (status.state, status.faults) == (State.FAULT, (SILENT,))


@pytest.mark.requirement("HLT-2")
@pytest.mark.parametrize("evidence", list(Evidence))
def test_the_grade_of_evidence_is_shown_as_it_is(evidence: Evidence) -> None:
    assert derive(replace(FACTS, ended=replace(ENDED, evidence=evidence)), NOW).evidence is evidence


def test_no_evidence_is_shown_as_none() -> None:
    assert derive(FACTS, NOW).evidence is None


def test_what_sounds_is_told_by_the_newest_word() -> None:
    beat = replace(
        HEARD, heartbeat_ms=NOW - 5, state=State.PLAYING, item="i9", bearer=BearerKind.FM
    )
    told = derive(replace(FACTS, heard=beat, newest=OPEN), NOW)
    assert (told.item, told.bearer) == ("i9", BearerKind.FM)
    started_since = derive(replace(FACTS, newest=OPEN), NOW)
    assert (started_since.item, started_since.bearer) == ("i1", None)


def test_a_quiet_heartbeat_after_the_end_is_connected() -> None:
    quiet = replace(HEARD, heartbeat_ms=NOW - 5)
    assert state(replace(FACTS, heard=quiet, newest=ENDED, ended=ENDED)) is State.CONNECTED


def test_an_end_after_the_heartbeat_of_a_play_is_connected() -> None:
    beat = replace(HEARD, state=State.PLAYING, item="i0", heartbeat_ms=ENDED.began_ms + 1)
    assert state(replace(FACTS, heard=beat, newest=ENDED, ended=ENDED)) is State.CONNECTED


def test_a_play_whose_end_never_came_is_over_after_its_time() -> None:
    old = replace(OPEN, began_ms=NOW - 130_000)
    assert state(replace(FACTS, newest=old)) is State.CONNECTED


def test_a_lost_cluster_plays_nothing_that_we_know() -> None:
    lost = replace(FACTS, heard=replace(HEARD, received_ms=0), newest=OPEN)
    assert derive(lost, NOW).item is None


# --- from the records -----------------------------------------------------------------------


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = registry.new_database(tmp_path)
    with database.writing(engine) as connection:
        registry.load(connection, [registry.unit("C1")], [registry.station("st1")], [])
    return engine


@pytest.fixture
def ingest(engine: Engine) -> Iterator[Ingest]:
    online = province().online
    ingest = Ingest(engine, Identity("ingest", online.signer, online.chain))
    yield ingest
    ingest.close()


def add(engine: Engine, *clusters: dict[str, object]) -> None:
    with database.writing(engine) as connection:
        registry.add_clusters(connection, *clusters)


@pytest.mark.requirement("HLT-1")
def test_a_mix_of_two_hundred_is_counted_as_it_is(engine: Engine, ingest: Ingest) -> None:
    kinds = ["connected", "playing", "fault", "lost", "never"]
    mix = [kind for kind, _n in product(kinds, range(40))]
    add(engine, *(registry.cluster(f"st1/c{n}") for n in range(len(mix))))
    fresh: list[bytes] = []
    old: list[bytes] = []
    for n, kind in enumerate(mix):
        if kind == "never":
            continue
        board = Teller()
        with database.writing(engine) as connection:
            board.register(connection, f"vn/ls/st1/c{n}")
        board.boot(NOW - 10**6)
        faults = ("speaker_open",) if kind == "fault" else ()
        board.beat(NOW - 20_000, state=State.FAULT if faults else State.CONNECTED, faults=faults)
        if kind == "playing":
            board.tell(started(n + 1, NOW - 5000), NOW - 5000)
        (old if kind == "lost" else fresh).extend(board.everything())
    ingest.take_many(old, NOW - 10**7)
    ingest.take_many(fresh, NOW - 1000)
    records.project(engine)
    with database.reading(engine) as connection:
        counts = count(derive(each, NOW) for each in load_facts(connection, TODAY))
    assert counts == {
        "fleet": 200,
        "lost": 80,
        "fault": 40,
        "playing": 40,
        "connected": 40,
        "unmonitored": 0,
    }


def test_evidence_and_item_come_from_the_newest_plays(engine: Engine, ingest: Ingest) -> None:
    add(engine, registry.cluster("st1/c1"))
    board = Teller()
    with database.writing(engine) as connection:
        board.register(connection, "vn/ls/st1/c1")
    board.boot(NOW - 10**6)
    board.play(1, NOW - 300_000, evidence=Evidence.CONTENT)
    board.play(2, NOW - 200_000, evidence=Evidence.UNVERIFIED)
    board.tell(started(3, NOW - 5000), NOW - 5000)
    ingest.take_many(board.everything(), NOW)
    records.project(engine)
    with database.reading(engine) as connection:
        (facts,) = load_facts(connection, TODAY)
    status = derive(facts, NOW)
    assert (status.state, status.item) == (State.PLAYING, "i3")
    assert status.evidence is Evidence.UNVERIFIED


def test_retired_clusters_are_no_fleet_and_a_part_can_be_asked_for(engine: Engine) -> None:
    add(
        engine,
        registry.cluster("st1/c1"),
        registry.cluster("st1/c10"),
        registry.cluster("st1/c2", retired_on="2026-11-30"),
    )
    with database.reading(engine) as connection:
        assert [f.cluster for f in load_facts(connection, TODAY)] == [
            "vn/ls/st1/c1",
            "vn/ls/st1/c10",
        ]
        only = load_facts(connection, TODAY, below="vn/ls/st1/c1")
    assert [facts.cluster for facts in only] == ["vn/ls/st1/c1"]


def test_an_open_repair_is_a_fault(engine: Engine) -> None:
    add(engine, registry.cluster("st1/c1"))
    with database.writing(engine) as connection:
        connection.execute(
            tables.fault.insert().values(
                cluster="vn/ls/st1/c1", kind="horn_stolen", opened_on=TODAY
            )
        )
        (facts,) = load_facts(connection, TODAY)
    assert facts.open_faults == ("horn_stolen",)


def test_a_board_that_was_replaced_tells_nothing_of_the_new_one(
    engine: Engine, ingest: Ingest
) -> None:
    add(engine, registry.cluster("st1/c1"))
    old, new = Teller(), Teller()
    with database.writing(engine) as connection:
        old.register(connection, "vn/ls/st1/c1")
    old.boot()
    ingest.take_many(old.everything(), NOW)
    records.project(engine)
    with database.writing(engine) as connection:
        new.register(connection, "vn/ls/st1/c1", at_ms=NOW)
        (facts,) = load_facts(connection, TODAY)
    assert (facts.endpoint, facts.heard) == (new.id, None)
