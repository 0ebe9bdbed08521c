"""What one key may use of the server's disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from loa_manager import allowance as allowance_module
from loa_manager import database, tables
from loa_manager import ingest as ingest_module
from loa_manager.allowance import Allowance
from loa_manager.ingest import Ingest
from loa_manager.keyring import Identity
from support import registry
from support.province import NOW, province
from support.telling import Teller

NOW_MS = NOW.unix_s * 1000
DAY_MS = 86_400_000


def test_so_much_at_once_and_more_as_time_goes_by() -> None:
    measure = Allowance(10, 1)
    measure.use("a", 12, 100)
    assert measure.left("a", 100) == -2
    assert measure.left("a", 105) == 3
    assert measure.left("a", 1000) == 10
    assert measure.left("b", 100) == 10, "each has their own"


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(0, 5)), max_size=30))
def test_nobody_uses_more_than_the_measure_however_the_clock_jumps(
    steps: list[tuple[float, float]],
) -> None:
    measure, now_s, used, forward = Allowance(10, 0.5), 0.0, 0.0, 0.0
    for step, amount in steps:
        now_s += step
        forward += max(0.0, step)
        if measure.left("a", now_s) > 0:
            measure.use("a", amount, now_s)
            used += amount
    assert used <= 10 + 5 + forward * 0.5 + 1e-6


def test_those_who_have_all_of_theirs_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance_module, "_TIDY_AT", 3)
    measure = Allowance(10, 1)
    for n in range(100):
        measure.use(f"{n}", 1, n * 10)
    assert len(measure._left) <= 3
    measure.use("busy", 9, 1000)
    for n in range(9):
        measure.use(f"x{n}", 1, 1001)
    assert measure.left("busy", 1001) == 2


# --- boards


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_module, "AT_ONCE", 3 * ingest_module.LEAST)
    monkeypatch.setattr(ingest_module, "A_DAY", ingest_module.LEAST)


@pytest.fixture
def ingest(tmp_path: Path, small: None) -> Iterator[Ingest]:
    engine, online = registry.new_database(tmp_path), province().online
    with database.writing(engine) as connection:
        registry.load_village(connection)
    made = Ingest(engine, Identity("ingest", online.signer, online.chain))
    yield made
    made.close()
    engine.dispose()


def board(ingest: Ingest, cluster: str) -> Teller:
    made = Teller()
    with database.writing(ingest._engine) as connection:
        made.register(connection, cluster)
    return made


def test_one_hostile_board_does_not_fill_the_disk_and_the_others_go_on(ingest: Ingest) -> None:
    hostile, good = (board(ingest, f"vn/ls/st0137/c0{n}") for n in (1, 2))
    batches = []
    for _ in range(5):
        hostile.boot()
        batches.append(hostile.batch(0, 1))
    reasons = [ingest.take(each, NOW_MS).reason for each in batches]
    assert reasons == ["stored"] * 3 + ["too_many"] * 2
    good.boot()
    assert ingest.take(good.batch(0, 1), NOW_MS).reason == "stored"
    told = ingest.take(batches[3], NOW_MS + DAY_MS)
    assert (told.reason, told.receipt is not None) == ("stored", True), (
        "it waits, and loses nothing"
    )
    with database.reading(ingest._engine) as connection:
        assert connection.scalar(select(func.count()).select_from(tables.batch)) == 5
