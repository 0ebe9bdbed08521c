"""Pseudo-terminals as serial ports, with pyserial as the host at the other end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import serial
from hypothesis import given
from hypothesis import strategies as st

from loa_hwsim.device import Output
from loa_hwsim.transport import UNREAD_LIMIT, Pacer, RunningClock, SerialLine, Terminal
from support.waiting import eventually

WAIT_S = 5.0


class Repeater:
    """A device that answers every byte with itself and two more, after a pause."""

    def __init__(self, pause_ms: float = 0.0) -> None:
        self.heard = b""
        self._pause_ms = pause_ms

    def feed(self, data: bytes, now_ms: float) -> list[Output]:
        self.heard += data
        return [Output(now_ms + self._pause_ms, bytes((byte,)) * 3) for byte in data]

    def advance(self, now_ms: float) -> list[Output]:
        return []

    def next_deadline(self) -> float | None:
        return None


class Ticker(Repeater):
    """A device that says ``tick`` every 10 ms unasked."""

    def __init__(self) -> None:
        super().__init__()
        self._due_ms = 0.0

    def advance(self, now_ms: float) -> list[Output]:
        if now_ms < self._due_ms:
            return []
        self._due_ms = now_ms + 10
        return [Output(now_ms, b"tick\n")]

    def next_deadline(self) -> float | None:
        return self._due_ms


@pytest.fixture
async def plug(tmp_path: Path) -> AsyncIterator[Callable[..., SerialLine]]:
    made: list[SerialLine] = []

    def make(device: Repeater, **settings: object) -> SerialLine:
        facts: dict[str, object] = {"baud": 115_200, **settings}
        line = SerialLine(
            "port",
            Terminal(tmp_path / "port"),
            device,
            RunningClock(),
            **facts,  # type: ignore[arg-type]  # test convenience
        )
        line.plug()
        made.append(line)
        return line

    yield make
    for line in made:
        line.unplug()


def open_host(path: Path, baud: int = 115_200) -> serial.Serial:
    return serial.Serial(str(path), baud, timeout=WAIT_S)


async def exchange(host: serial.Serial, data: bytes, count: int) -> bytes:
    host.write(data)
    return bytes(await asyncio.to_thread(host.read, count))


# -- the port ------------------------------------------------------------------------------------


async def test_bytes_of_every_value_pass_both_ways(
    plug: Callable[..., SerialLine], tmp_path: Path
) -> None:
    every, device = bytes(range(256)), Repeater()
    plug(device, baud=921_600)
    with open_host(tmp_path / "port") as host:
        answer = await exchange(host, every, 768)
    assert device.heard == every
    assert answer == b"".join(bytes((byte,)) * 3 for byte in every)


async def test_the_name_stays_while_hosts_come_and_go(
    plug: Callable[..., SerialLine], tmp_path: Path
) -> None:
    plug(Repeater())
    for letter in (b"a", b"b"):
        with open_host(tmp_path / "port") as host:
            assert await exchange(host, letter, 3) == letter * 3


async def test_two_hosts_cannot_share_an_exclusive_port(
    plug: Callable[..., SerialLine], tmp_path: Path
) -> None:
    plug(Repeater())
    with (
        serial.Serial(str(tmp_path / "port"), exclusive=True),
        pytest.raises(serial.SerialException),
    ):
        serial.Serial(str(tmp_path / "port"), exclusive=True)


async def test_an_unplugged_port_hangs_up_and_loses_its_name(
    plug: Callable[..., SerialLine], tmp_path: Path
) -> None:
    line = plug(Repeater())
    with open_host(tmp_path / "port") as host:
        line.unplug()
        assert not (tmp_path / "port").is_symlink()
        with pytest.raises(serial.SerialException):
            await asyncio.to_thread(host.read, 1)
    with pytest.raises(serial.SerialException):
        open_host(tmp_path / "port")


async def test_a_port_plugged_in_again_has_its_old_name(
    plug: Callable[..., SerialLine], tmp_path: Path
) -> None:
    line = plug(Repeater())
    line.unplug()
    line.unplug()  # nothing left to do
    assert not line.is_plugged
    line.plug()
    with open_host(tmp_path / "port") as host:
        assert await exchange(host, b"a", 3) == b"aaa"


async def test_a_stale_name_of_a_killed_run_is_taken_over(
    plug: Callable[..., SerialLine], tmp_path: Path
) -> None:
    (tmp_path / "port").symlink_to("/dev/pts/gone")
    (tmp_path / ".port.new").symlink_to("/dev/pts/gone")
    plug(Repeater())
    with open_host(tmp_path / "port") as host:
        assert await exchange(host, b"a", 3) == b"aaa"


async def test_what_nobody_reads_falls_off_and_nothing_stops(
    plug: Callable[..., SerialLine], tmp_path: Path
) -> None:
    device = Ticker()
    line = plug(device, baud=921_600)
    line.inject(b"n" * (2 * UNREAD_LIMIT))
    await eventually(lambda: line.lost >= UNREAD_LIMIT)
    with open_host(tmp_path / "port") as host:  # pyserial drops what lies there
        assert b"tick\n" in await asyncio.to_thread(host.read_until, b"tick\n")
        assert await asyncio.to_thread(host.read_until, b"tick\n") == b"tick\n"


async def test_a_device_speaks_unasked(plug: Callable[..., SerialLine], tmp_path: Path) -> None:
    plug(Ticker())
    with open_host(tmp_path / "port") as host:
        await asyncio.to_thread(host.read_until, b"tick\n")
        for _ in range(5):
            assert await asyncio.to_thread(host.read_until, b"tick\n") == b"tick\n"


async def test_a_host_at_the_wrong_speed_gets_and_sends_garbage(
    plug: Callable[..., SerialLine], tmp_path: Path
) -> None:
    device = Repeater()
    plug(device, baud=9600, is_strict=True)
    with open_host(tmp_path / "port", 19_200) as host:
        answer = await exchange(host, b"abcdef", 1)
        assert b"a" not in answer
        assert b"a" not in device.heard
        assert device.heard
    with open_host(tmp_path / "port", 9600) as host:
        host.write(b"a")
        assert (await asyncio.to_thread(host.read_until, b"aaa")).endswith(b"aaa")


async def test_a_stalled_line_carries_nothing_and_recovers(
    plug: Callable[..., SerialLine], tmp_path: Path
) -> None:
    device = Ticker()
    line = plug(device)
    line.is_stalled = True
    with open_host(tmp_path / "port") as host:
        host.write(b"lost")
        host.timeout = 0.1
        assert await asyncio.to_thread(host.read, 1) == b""
        assert device.heard == b""
        line.is_stalled = False
        host.timeout = WAIT_S
        assert await asyncio.to_thread(host.read_until, b"tick\n") == b"tick\n"


async def test_an_echoing_line_repeats_before_the_answer(
    plug: Callable[..., SerialLine], tmp_path: Path
) -> None:
    line = plug(Repeater(pause_ms=20))
    line.is_echoing = True
    with open_host(tmp_path / "port") as host:
        assert await exchange(host, b"ab", 8) == b"ab" + b"aaabbb"


async def test_everything_on_the_line_is_noted(
    plug: Callable[..., SerialLine], tmp_path: Path
) -> None:
    noted: list[tuple[str, bytes]] = []
    plug(Repeater(), record=lambda _when, direction, data: noted.append((direction, data)))
    with open_host(tmp_path / "port") as host:
        await exchange(host, b"a", 3)
    assert noted == [("port>", b"a"), ("port<", b"aaa")]


async def test_a_slow_line_takes_its_time(plug: Callable[..., SerialLine], tmp_path: Path) -> None:
    plug(Repeater(), baud=1200)
    loop = asyncio.get_running_loop()
    with open_host(tmp_path / "port") as host:
        begin = loop.time()
        await exchange(host, b"0123456789", 30)
        assert loop.time() - begin >= 0.25  # 30 bytes of 10 bits at 1200 bit/s


# -- pacing --------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.floats(0, 1000), st.binary(max_size=80)), max_size=6),
    st.sampled_from([300, 9600, 115_200]),
)
def test_bytes_come_whole_in_order_and_never_faster_than_the_line(
    outputs: list[tuple[float, bytes]], baud: int
) -> None:
    pacer = Pacer(baud)
    for when, data in outputs:
        pacer.put(Output(when, data))
    through = b""
    while (when_ms := pacer.next_ms()) is not None:
        through += pacer.take(when_ms)
        assert len(through) * 10_000 / baud <= when_ms + 1e-6
    assert through == b"".join(data for _, data in outputs)


def test_a_slowed_line_needs_so_many_times_longer() -> None:
    pacer = Pacer(9600)
    pacer.slowness = 10
    pacer.put(Output(0, b"x" * 96))
    assert pacer.take(999) != b"x" * 96
    assert pacer.take(1000.1)
    assert pacer.next_ms() is None


def test_what_was_under_way_can_be_dropped() -> None:
    pacer = Pacer(9600)
    pacer.put(Output(0, b"x" * 96))
    pacer.clear()
    assert pacer.take(1e9) == b""


def test_time_runs_on_from_the_wall_clock() -> None:
    clock = RunningClock()
    first, second = clock.now_ms(), clock.now_ms()
    assert clock.start_ms <= first + 1
    assert first <= second
