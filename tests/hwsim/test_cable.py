"""The null-modem cable, sound and faulty."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import serial
from hypothesis import given
from hypothesis import strategies as st

from loa_hwsim.cable import Cable, CableLine, End
from loa_hwsim.transport import RunningClock
from support.waiting import eventually

sends = st.lists(st.tuples(st.sampled_from(End), st.binary(max_size=30)), max_size=8)


def received(cable: Cable, sent: list[tuple[End, bytes]]) -> dict[End, bytes]:
    got = {End.BOARD: b"", End.TECHNICIAN: b""}
    for sender, data in sent:
        for end, piece in cable.carry(sender, data):
            got[end] += piece
    return got


@given(sends)
def test_a_sound_cable_carries_everything_to_the_other_end(sent: list[tuple[End, bytes]]) -> None:
    got = received(Cable(), sent)
    for end in End:
        assert got[end] == b"".join(data for sender, data in sent if sender is end.other)


@given(sends, st.integers(1, 100))
def test_a_cut_cable_has_carried_just_so_many_bytes(
    sent: list[tuple[End, bytes]], limit: int
) -> None:
    cable = Cable(cut_after=limit)
    total = sum(len(data) for _, data in sent)
    got = received(cable, sent)
    assert len(got[End.BOARD]) + len(got[End.TECHNICIAN]) == min(total, limit)
    assert cable.is_cut == (total >= limit)
    cable.mend()
    assert cable.carry(End.BOARD, b"again") == [(End.TECHNICIAN, b"again")]


def test_an_echoing_end_hears_itself() -> None:
    cable = Cable(echoing=frozenset({End.BOARD}))
    assert cable.carry(End.BOARD, b"a") == [(End.BOARD, b"a"), (End.TECHNICIAN, b"a")]
    assert cable.carry(End.TECHNICIAN, b"b") == [(End.BOARD, b"b")]


@given(sends)
def test_garbage_comes_between_the_data_and_replaces_none(sent: list[tuple[End, bytes]]) -> None:
    cable = Cable(garbage=1.0)
    for sender, data in sent:
        pieces = cable.carry(sender, data)
        assert len(pieces) == (2 if data else 0)
        assert not pieces or pieces[-1] == (sender.other, data)


def test_the_same_seed_makes_the_same_garbage() -> None:
    assert Cable(seed=1).noise(20) == Cable(seed=1).noise(20)
    assert Cable(seed=1).noise(20) != Cable(seed=2).noise(20)


@pytest.fixture
async def plug(tmp_path: Path) -> AsyncIterator[Callable[..., CableLine]]:
    made: list[CableLine] = []

    def make(cable: Cable, **settings: object) -> CableLine:
        links = {End.BOARD: tmp_path / "bench", End.TECHNICIAN: tmp_path / "technician"}
        line = CableLine(links, cable, RunningClock(), **settings)  # type: ignore[arg-type]
        line.plug()
        made.append(line)
        return line

    yield make
    for line in made:
        line.unplug()


def host(path: Path) -> serial.Serial:
    return serial.Serial(str(path), 115_200, timeout=5)


async def test_two_hosts_talk_over_it(plug: Callable[..., CableLine], tmp_path: Path) -> None:
    noted: list[tuple[str, bytes]] = []
    plug(Cable(), record=lambda _when, direction, data: noted.append((direction, data)))
    every = bytes(range(256))
    with host(tmp_path / "bench") as board, host(tmp_path / "technician") as technician:
        technician.write(every)
        assert await asyncio.to_thread(board.read, 256) == every
        board.write(b"answer")
        assert await asyncio.to_thread(technician.read, 6) == b"answer"
    assert b"".join(data for direction, data in noted if direction == "bench>") == every
    assert b"".join(data for direction, data in noted if direction == "bench<") == b"answer"


async def test_a_pulled_cable_hangs_up_both_ends_until_it_is_mended(
    plug: Callable[..., CableLine], tmp_path: Path
) -> None:
    cuts: list[None] = []
    line = plug(Cable(cut_after=5), on_cut=lambda: cuts.append(None))
    with host(tmp_path / "bench") as board, host(tmp_path / "technician") as technician:
        technician.write(b"hello world")
        await eventually(lambda: cuts)
        for end in (board, technician):
            with pytest.raises(serial.SerialException):
                await asyncio.to_thread(end.read, 12)
    assert not (tmp_path / "bench").is_symlink()
    line.mend()
    with host(tmp_path / "bench") as board, host(tmp_path / "technician") as technician:
        technician.write(b"hello world")
        assert await asyncio.to_thread(board.read, 11) == b"hello world"
    assert len(cuts) == 1


async def test_a_silent_cut_leaves_the_ports_and_carries_nothing(
    plug: Callable[..., CableLine], tmp_path: Path
) -> None:
    cuts: list[None] = []
    line = plug(Cable(cut_after=5, hangs_up=False), on_cut=lambda: cuts.append(None))
    with host(tmp_path / "bench") as board, host(tmp_path / "technician") as technician:
        technician.write(b"hello world")
        assert await asyncio.to_thread(board.read, 5) == b"hello"
        await eventually(lambda: cuts)
        technician.write(b"anybody?")
        board.timeout = 0.1
        assert await asyncio.to_thread(board.read, 1) == b""
        line.mend()
        board.timeout = 5
        technician.write(b"again")
        assert await asyncio.to_thread(board.read, 5) == b"again"


async def test_injected_noise_reaches_both_ends(
    plug: Callable[..., CableLine], tmp_path: Path
) -> None:
    line = plug(Cable())
    with host(tmp_path / "bench") as board, host(tmp_path / "technician") as technician:
        line.inject(b"noise")
        assert await asyncio.to_thread(board.read, 5) == b"noise"
        assert await asyncio.to_thread(technician.read, 5) == b"noise"
