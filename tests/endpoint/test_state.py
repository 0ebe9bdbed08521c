"""Positions, the floor and events seen: never back, whatever happens to the power."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loa_endpoint.store.database import DamagedError
from loa_endpoint.store.state import State
from loa_protocol.envelope import Kind
from loa_protocol.errors import StoreError
from loa_protocol.replay import Seen
from loa_protocol.trust import Position
from support.loop_disk import loop_disk

SUBJECT = (Kind.PLAYLIST, "vn/ls/st0137")


def position(serial: int, *, epoch: int = 1, content: int = 0) -> Position:
    return Position(epoch, serial, bytes([content]) * 32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def test_what_was_kept_is_there_after_a_restart(path: Path) -> None:
    state = State.open(path, create=True)
    state.raise_position(SUBJECT, position(3))
    state.raise_position((Kind.POLICY, "vn/ls"), position(1))
    state.raise_floor(1_800_000_000_000)
    state.remember(Seen(b"i" * 16, 500))
    state.count("refused.signature", 2)
    state.set_fact("hold", b"all")
    state.close()

    state = State.open(path)
    assert state.positions() == {SUBJECT: position(3), (Kind.POLICY, "vn/ls"): position(1)}
    assert state.floor_ms() == 1_800_000_000_000
    assert state.seen() == {b"i" * 16: 500}
    assert state.counters() == {"refused.signature": 2}
    assert state.fact("hold") == b"all"


@pytest.mark.requirement("SEC-3")
@pytest.mark.parametrize(
    "lower",
    [position(2), position(9, epoch=0), position(3, content=1)],
    ids=["serial", "epoch", "other bytes"],
)
def test_a_position_never_falls(path: Path, lower: Position) -> None:
    state = State.open(path, create=True)
    state.raise_position(SUBJECT, position(3))
    with pytest.raises(ValueError, match="PLAYLIST"):
        state.raise_position(SUBJECT, lower)
    assert state.positions()[SUBJECT] == position(3)


def test_the_same_position_again_is_no_error(path: Path) -> None:
    state = State.open(path, create=True)
    state.raise_position(SUBJECT, position(3))
    state.raise_position(SUBJECT, position(3))
    state.raise_position(SUBJECT, position(1, epoch=2))
    assert state.positions() == {SUBJECT: position(1, epoch=2)}


@pytest.mark.requirement("TIM-4")
@given(st.lists(st.integers(0, 2**50), min_size=1, max_size=8))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_floor_is_the_highest_ever_told(path: Path, told: list[int]) -> None:
    state = State.open(path, create=True)
    before = state.floor_ms() or 0
    for each in told:
        state.raise_floor(each)
    assert state.floor_ms() == max(before, *told)
    state.close()


def test_only_a_reset_lowers_the_floor(path: Path) -> None:
    state = State.open(path, create=True)
    assert state.floor_ms() is None
    state.raise_floor(2**49)
    state.reset_floor(1000)
    assert state.floor_ms() == 1000


def test_epochs_are_never_given_twice(path: Path) -> None:
    state = State.open(path, create=True)
    given_out = [state.next_epoch(), state.next_epoch(), state.next_epoch(at_least=50)]
    state.close()
    state = State.open(path)
    given_out += [state.next_epoch(), state.next_epoch(at_least=3)]
    assert given_out == [1, 2, 50, 51, 52]


def test_events_are_forgotten_when_their_time_has_passed(path: Path) -> None:
    state = State.open(path, create=True)
    state.remember(Seen(b"a", 100))
    state.remember(Seen(b"b", 200))
    state.forget_events(100)
    assert state.seen() == {b"b": 200}


def test_a_fact_can_be_taken_away(path: Path) -> None:
    state = State.open(path, create=True)
    state.set_fact("hold", b"all")
    state.set_fact("hold", None)
    assert state.fact("hold") is None


def test_a_missing_state_is_not_made_up(path: Path) -> None:
    with pytest.raises(StoreError, match="not there") as caught:
        State.open(path)
    assert caught.value.where == str(path)
    assert not path.exists()


def test_a_second_agent_is_told_that_the_first_has_it_open(path: Path) -> None:
    first = State.open(path, create=True)
    with pytest.raises(StoreError, match="another program"):
        State.open(path)
    first.close()
    State.open(path).close()


@pytest.mark.parametrize("at", [0, 5000], ids=["its head", "a page"])
def test_a_damaged_state_is_moved_aside_and_named_not_remade(path: Path, at: int) -> None:
    state = State.open(path, create=True)
    for serial in range(60):
        state.raise_position((Kind.PLAYLIST, f"vn/ls/st{serial:04}"), position(serial))
    state.close()
    raw = bytearray(path.read_bytes())
    raw[at : at + 3000] = b"\xa5" * 3000
    path.write_bytes(raw)

    with pytest.raises(DamagedError) as caught:
        State.open(path)
    assert caught.value.where == str(path)
    assert caught.value.kept_as.read_bytes() == raw
    with pytest.raises(StoreError, match="not there"):
        State.open(path)
    assert State.open(path, create=True).positions() == {}


def test_two_damaged_states_are_both_kept(path: Path) -> None:
    kept = []
    for content in (b"one" * 2000, b"two" * 2000):
        path.write_bytes(content)
        with pytest.raises(DamagedError) as caught:
            State.open(path)
        kept.append(caught.value.kept_as.read_bytes())
    assert kept == [b"one" * 2000, b"two" * 2000]


def test_the_file_is_a_plain_sqlite_database_with_its_room_allocated(path: Path) -> None:
    State.open(path, create=True).close()
    with sqlite3.connect(path) as connection:
        free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    assert free * 4096 > 800_000


@pytest.mark.requirement("SEC-3")
@pytest.mark.needs("loop-mount")
def test_a_power_cut_never_takes_an_acknowledged_position_back(tmp_path: Path) -> None:
    """A child raises positions and tells each one kept; the power goes in the middle."""
    with loop_disk(tmp_path) as disk:
        told = 0
        for cut in range(4):
            told = _raise_until_the_power_goes(disk.path / "state.db", told + 1, 20 + 7 * cut)
            disk.cut_power()
            state = State.open(disk.path / "state.db")
            assert state.positions()[SUBJECT].serial >= told
            told = state.positions()[SUBJECT].serial
            state.close()


def _raise_until_the_power_goes(path: Path, first: int, count: int) -> int:
    code = f"""
import sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from loa_endpoint.store.state import State
from loa_protocol.envelope import Kind
from loa_protocol.trust import Position
state = State.open(Path({str(path)!r}), create=True)
serial = {first}
while True:
    state.raise_position((Kind.PLAYLIST, "vn/ls/st0137"), Position(1, serial, bytes(32)))
    print(serial, flush=True)
    serial += 1
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    last = 0
    for line in child.stdout:
        last = int(line)
        if last >= first + count:
            break
    child.kill()
    for line in child.stdout:
        last = int(line)
    child.wait()
    return last
