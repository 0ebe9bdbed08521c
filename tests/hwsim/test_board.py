"""A whole pole's hardware in this process: ports, sound and scripted faults together."""

from __future__ import annotations

import asyncio
import os
import wave
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serial

from loa_hwsim.air import Programme, Transmitter
from loa_hwsim.board import Board, BoardSetting
from loa_hwsim.faults import Fault, FaultPlan, Kind, Place
from loa_hwsim.transcript import parse_entry
from loa_hwsim.transport import RunningClock
from loa_protocol.errors import StoreError
from loa_protocol.line_map import LineReading, LineState
from loa_protocol.modbus import Reply, ReplyDecoder, read_request, write_request
from support.waiting import eventually

READ_ALL = read_request(20, 4, 0, 15)
TONE = (np.sin(np.arange(48_000 * 20) * 0.05) * 10_000).astype(np.int16)


class LeapingClock(RunningClock):
    """A clock that a test can set forward."""

    def __init__(self) -> None:
        super().__init__()
        self._ahead_ms = 0.0

    def now_ms(self) -> float:
        return super().now_ms() + self._ahead_ms

    def leap_to(self, after_ms: float) -> None:
        """Set the clock to so many ms after the start, if it is not past that."""
        self._ahead_ms += max(self.start_ms + after_ms - self.now_ms(), 0.0)


FaultFacts = tuple[Kind, Place, int, int | None, dict[str, float]]
LATER = 5000  # ms after the start: far enough for the slowest machine


class Pole:
    """A running board and what it reported."""

    def __init__(self, folder: Path, *faults: FaultFacts) -> None:
        self.clock = LeapingClock()
        start = self.clock.start_ms
        plan = FaultPlan(
            [
                Fault(
                    kind=kind,
                    place=place,
                    start_ms=start + begin,
                    end_ms=None if length is None else start + begin + length,
                    numbers=numbers,
                )
                for kind, place, begin, length, numbers in faults
            ]
        )
        station = Transmitter(
            frequency_khz=91_000,
            pi=0x7301,
            ps="LANGSON",
            level_dbuv=48.0,
            programmes=(Programme(start, TONE),),
        )
        self.folder, self.facts = folder, list[Mapping[str, object]]()
        setting = BoardSetting(
            folder=folder,
            hears=folder / "horn.wav",
            transmitters=(station,),
            faults=plan,
            transcript=True,
        )
        self.board = Board(setting, self.clock, self.facts.append)
        self.task = asyncio.create_task(self.board.run())

    def told(self, event: str) -> list[Mapping[str, object]]:
        return [fact for fact in self.facts if fact["event"] == event]

    def has_begun(self, kind: Kind) -> bool:
        return any(f["kind"] == kind and f["begins"] for f in self.told("fault"))

    def is_over(self, kind: Kind) -> bool:
        return any(f["kind"] == kind and not f["begins"] for f in self.told("fault"))

    def open(self, name: str, baud: int = 115_200) -> serial.Serial:
        return serial.Serial(str(self.folder / name), baud, timeout=5)


@pytest.fixture
async def pole(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    made: list[Pole] = []

    async def make(*faults: FaultFacts) -> Pole:
        one = Pole(tmp_path / "pole", *faults)
        made.append(one)
        await eventually(lambda: one.told("ready"))
        return one

    yield make
    for one in made:
        one.task.cancel()
        await asyncio.gather(one.task, return_exceptions=True)


async def tune(host: serial.Serial) -> None:
    host.write(b"x\n")
    assert await asyncio.to_thread(host.read_until, b"OK\n") == b"\nOK\n"
    host.write(b"T91000\n")
    assert (await asyncio.to_thread(host.read_until, b"V0\n")).endswith(b"T91000,10\nV0\n")


async def line(host: serial.Serial, first: bytes) -> bytes:
    """Return the next whole line that begins with *first*."""
    while True:
        got = bytes(await asyncio.to_thread(host.read_until, b"\n"))
        assert got.endswith(b"\n"), "the tuner is silent"
        if got.startswith(first):
            return got


async def ask(host: serial.Serial, frame: bytes) -> Reply:
    host.write(frame)
    decoder = ReplyDecoder()
    decoder.expect(frame)
    replies: list[Reply] = []
    while not replies:
        byte = await asyncio.to_thread(host.read, 1)
        assert byte, "the board is silent"
        replies = decoder.feed(byte)
    return replies[0]


async def read(host: serial.Serial) -> LineReading:
    return LineReading.from_registers((await ask(host, READ_ALL)).registers)


async def hang_up(host: serial.Serial) -> None:
    """Read until the port is gone."""
    with pytest.raises(serial.SerialException):
        await asyncio.to_thread(_read_on, host)


def _read_on(host: serial.Serial) -> None:
    while True:
        host.read(64)


async def test_everything_is_there_and_goes_away_again(pole: Any, tmp_path: Path) -> None:
    one = await pole()
    (ready,) = one.told("ready")
    for name in ("tuner", "bus", "bench", "technician"):
        assert ready[name] == str(one.folder / name)
        assert (one.folder / name).is_symlink()
    assert ready["linein"] == f"fifo:{one.folder / 'linein.fifo'}"
    assert (one.folder / "linein.fifo").is_fifo()
    one.task.cancel()
    await asyncio.gather(one.task, return_exceptions=True)
    assert sorted(each.name for each in one.folder.iterdir()) == ["transcript.log"]


async def test_the_tuner_is_heard_on_the_line_in(pole: Any) -> None:
    one = await pole()
    fd = os.open(one.folder / "linein.fifo", os.O_RDONLY | os.O_NONBLOCK)
    with one.open("tuner") as host:
        await tune(host)
        assert (await line(host, b"S")).startswith(b"Sm5")
        assert await line(host, b"P7301\n") == b"P7301\n"
        assert len(await line(host, b"R7301")) == 20
    loudness: list[float] = []

    def has_tone() -> bool:
        try:
            block = np.frombuffer(os.read(fd, 1920), "<i2").astype(float)
        except BlockingIOError:
            return False
        loudness.append(float(np.sqrt(np.mean(block**2))))
        return loudness[-1] > 6000

    await eventually(has_tone)
    os.close(fd)


@pytest.mark.requirement("HLT-2")
async def test_the_line_board_measures_what_the_sound_card_writes(pole: Any) -> None:
    one = await pole()
    with one.open("bus", 9600) as host:
        quiet = await read(host)
        assert (quiet.state, quiet.level_mv) == (LineState.OK, 0)
        with wave.open(str(one.folder / "horn.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(48_000)
            file.writeframes(TONE[:48_000].tobytes())
        loud = await read(host)
        while not loud.level_mv:
            assert loud.uptime_s < 30, "nothing was heard"
            loud = await read(host)
        assert loud.level_mv == pytest.approx(30_500, rel=0.05)  # 10000 of 32768 of 100 V
        assert loud.current_ma == pytest.approx(305, rel=0.05)


@pytest.mark.requirement("RAD-3")
async def test_a_pulled_tuner_comes_back_forgetful_under_its_old_name(pole: Any) -> None:
    one = await pole((Kind.TUNER_UNPLUG, Place.TUNER, LATER, LATER, {}))
    with one.open("tuner") as host:
        await tune(host)
        one.clock.leap_to(LATER)
        await hang_up(host)
    one.clock.leap_to(2 * LATER)
    await eventually(lambda: one.is_over(Kind.TUNER_UNPLUG))
    with one.open("tuner") as host:
        host.write(b"T91000\n")
        host.timeout = 0.2
        assert await asyncio.to_thread(host.read, 1) == b""
        host.timeout = 5
        await tune(host)


async def test_a_mute_tuner_keeps_its_port_and_its_frequency(pole: Any) -> None:
    one = await pole((Kind.TUNER_MUTE, Place.TUNER, LATER, LATER, {}))
    with one.open("tuner") as host:
        await tune(host)
        one.clock.leap_to(LATER)
        await eventually(lambda: one.has_begun(Kind.TUNER_MUTE))
        host.reset_input_buffer()
        host.timeout = 0.25
        assert await asyncio.to_thread(host.read, 1) == b""
        host.timeout = 5
        one.clock.leap_to(2 * LATER)
        assert await line(host, b"Sm")


async def test_a_reset_tuner_has_to_be_started_again(pole: Any) -> None:
    one = await pole((Kind.TUNER_RESET, Place.TUNER, LATER, 0, {}))
    with one.open("tuner") as host:
        await tune(host)
        one.clock.leap_to(LATER)
        await eventually(lambda: one.has_begun(Kind.TUNER_RESET))
        assert one.board.tuner.frequency_khz == 0
        host.reset_input_buffer()
        await tune(host)


async def test_the_line_in_can_be_silent_while_the_tuner_plays(pole: Any) -> None:
    one = await pole((Kind.LINEIN_SILENCE, Place.LINE_IN, 0, None, {}))
    fd = os.open(one.folder / "linein.fifo", os.O_RDONLY | os.O_NONBLOCK)
    with one.open("tuner") as host:
        await tune(host)
        await line(host, b"S")
        got = bytearray()

        def has_more() -> bool:
            try:
                got.extend(os.read(fd, 65_536))
            except BlockingIOError:
                return False
            return len(got) > 9600

        await eventually(has_more)
    os.close(fd)
    assert not any(got)


async def test_garbage_echo_and_slowness_do_not_hide_the_line_board(pole: Any) -> None:
    one = await pole(
        (Kind.GARBAGE, Place.BUS, 0, 0, {"bytes": 32}),
        (Kind.ECHO, Place.BUS, 0, None, {}),
        (Kind.SLOW_LINE, Place.BUS, 0, None, {"factor": 3}),
    )
    await eventually(lambda: one.has_begun(Kind.SLOW_LINE))
    with one.open("bus", 9600) as host:
        assert (await read(host)).state is LineState.OK


async def test_faults_on_the_bench_cable(pole: Any) -> None:
    one = await pole(
        (Kind.SLOW_LINE, Place.BENCH, 0, 1, {"factor": 2}),
        (Kind.CABLE_UNPLUG, Place.BENCH, LATER, LATER, {}),
        (Kind.GARBAGE, Place.BENCH, 3 * LATER, 0, {"bytes": 8}),
        (Kind.ECHO, Place.BENCH, 3 * LATER, None, {}),
    )
    with one.open("technician") as technician:
        one.clock.leap_to(LATER)
        await hang_up(technician)
    one.clock.leap_to(2 * LATER)
    await eventually(lambda: one.is_over(Kind.CABLE_UNPLUG))
    with one.open("technician") as technician, one.open("bench") as bench:
        one.clock.leap_to(3 * LATER)
        assert len(await asyncio.to_thread(bench.read, 8)) == 8  # the garbage
        await eventually(lambda: one.has_begun(Kind.ECHO))
        technician.reset_input_buffer()
        technician.write(b"hello")
        assert await asyncio.to_thread(bench.read, 5) == b"hello"
        assert await asyncio.to_thread(technician.read, 5) == b"hello"


async def test_each_fault_is_told_with_its_numbers(pole: Any) -> None:
    one = await pole((Kind.CARRIER_LEVEL, Place.AIR, 50, 100, {"level_dbuv": 21.0}))
    await eventually(lambda: one.is_over(Kind.CARRIER_LEVEL))
    begun, over = one.told("fault")
    assert (begun["kind"], begun["device"], begun["level_dbuv"]) == ("carrier_level", "air", 21.0)
    assert over["at"] == begun["at"] + 100
    assert (begun["begins"], over["begins"]) == (True, False)


async def test_a_sound_file_of_another_form_is_told_once(pole: Any) -> None:
    one = await pole()
    (one.folder / "horn.wav").write_bytes(b"no sound at all")
    await eventually(lambda: one.told("ear_deaf"))
    assert len(one.told("ear_deaf")) == 1


async def test_the_transcript_can_be_read_back(pole: Any) -> None:
    one = await pole()
    with one.open("bus", 9600) as host:
        await ask(host, write_request(20, 2, 2))
    text = (one.folder / "transcript.log").read_text()
    entries = [parse_entry(row) for row in text.splitlines()]
    for direction in ("bus>", "bus<"):  # a reply may come in pieces
        pieces = [entry.data for entry in entries if entry.direction == direction]
        assert b"".join(pieces) == write_request(20, 2, 2)
    assert entries[-1].when_ms - entries[0].when_ms >= 5  # it thinks before it answers


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        Pole(tmp_path / "file")
