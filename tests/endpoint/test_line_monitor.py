"""The master of the line board against the modelled board, byte for byte in virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loa_endpoint.core.line_monitor import BoardBack, BoardSilent, Event, LineMonitor, LineRead
from loa_hwsim.amplifier import Amplifier, LineRating, SpeakerLine
from loa_hwsim.device import Output
from loa_hwsim.faults import Fault, FaultPlan, Kind, Place
from loa_hwsim.line_board import LineBoard
from loa_protocol.line_map import LineInput, LineState
from loa_protocol.modbus import (
    ExceptionCode,
    Function,
    exception_reply,
    parse_request,
    read_request,
    reply,
)

ADDRESS = 21
RATING = LineRating()


def board(*faults: Fault) -> LineBoard:
    plan = FaultPlan(faults)
    return LineBoard(Amplifier(RATING, plan), SpeakerLine(RATING, plan), address=ADDRESS)


@dataclass
class Bus:
    """Master and board on one pair of wires, in steps of 10 ms."""

    device: LineBoard = field(default_factory=board)
    now_ms: int = 0
    cut: bool = False
    late_ms: int = 0

    def __post_init__(self) -> None:
        self.monitor = LineMonitor(ADDRESS)
        self.events: list[Event] = []
        self.asked: list[tuple[int, bytes]] = []
        self._wire: list[Output] = []

    def run(self, for_ms: int, tone_dbfs: float | None = None) -> None:
        for _ in range(for_ms // 10):
            self.now_ms += 10
            if tone_dbfs is not None:
                amplitude = 10 ** (tone_dbfs / 20)
                tone = amplitude * np.sin(np.arange(480) * 2 * np.pi * 1000 / 48_000)
                self.device.hear(tone.astype(np.float32), self.now_ms)
            self._carry(self.device.advance(self.now_ms))
            arrived = [o for o in self._wire if o.when_ms + self.late_ms <= self.now_ms]
            self._wire = [output for output in self._wire if output not in arrived]
            for output in arrived:
                self.events += self.monitor.feed(output.data, self.now_ms)
            self.events += self.monitor.tick(self.now_ms)
            self._send()

    def told(self) -> list[Event]:
        return [event for event in self.events if not isinstance(event, LineRead)]

    def readings(self) -> list[LineRead]:
        return [event for event in self.events if isinstance(event, LineRead)]

    def _send(self) -> None:
        data = self.monitor.outgoing()
        if data:
            self.asked.append((self.now_ms, data))
            if not self.cut:
                self._carry(self.device.feed(data, self.now_ms))

    def _carry(self, outputs: list[Output]) -> None:
        if not self.cut:
            self._wire += outputs


def opened(device: LineBoard | None = None) -> Bus:
    bus = Bus(device or board())
    bus.monitor.start(0)
    return bus


def test_it_asks_once_a_second_for_all_registers_of_its_board() -> None:
    bus = opened()
    bus.run(5000)
    times = [at_ms for at_ms, _ in bus.asked]
    assert times == [10, 1000, 2000, 3000, 4000, 5000]
    request = read_request(ADDRESS, Function.READ_INPUT, 0, LineInput.CURRENT + 1)
    assert {data for _, data in bus.asked} == {request}


@pytest.mark.requirement("HLT-2")
def test_a_reading_holds_state_impedance_deviation_level_and_current() -> None:
    bus = opened()
    bus.run(3000, tone_dbfs=-20)
    reading = bus.readings()[-1].reading
    assert reading.state is LineState.OK
    assert reading.impedance_1k_ohm == pytest.approx(100, rel=0.02)
    assert abs(reading.deviation_percent) < 2
    assert reading.level_mv == pytest.approx(10_000, rel=0.02)  # -20 dB of 100 V
    assert reading.current_ma == pytest.approx(100, rel=0.03)


def test_an_open_line_is_reported_at_the_boards_next_test() -> None:
    fault = Fault(kind=Kind.LINE_OPEN, place=Place.LINE, start_ms=20_000)
    bus = opened(board(fault))
    bus.run(95_000)
    assert bus.readings()[-1].reading.state is LineState.OPEN
    assert bus.readings()[-1].reading.impedance_1k_ohm is None


def test_five_polls_without_an_answer_are_told_once_and_its_return_too() -> None:
    bus = opened()
    bus.run(2000)
    bus.cut = True
    bus.run(20_000)
    assert bus.told() == [BoardSilent(5, "no answer")]
    bus.cut = False
    bus.run(1500)
    assert bus.told() == [BoardSilent(5, "no answer"), BoardBack()]
    assert bus.events[-1] == bus.readings()[-1]


def test_one_missed_answer_is_nothing_to_tell() -> None:
    bus = opened()
    bus.run(2000)
    bus.cut = True
    bus.run(1000)
    bus.cut = False
    bus.run(2000)
    assert all(isinstance(event, LineRead) for event in bus.events)


def test_an_answer_that_comes_too_late_is_not_taken() -> None:
    bus = opened()
    bus.late_ms = 600
    bus.run(6000)
    assert bus.readings() == []


def test_while_the_port_is_gone_the_board_counts_as_silent() -> None:
    bus = opened()
    bus.run(2000)
    bus.monitor.closed()
    bus.run(10_000)
    assert bus.told() == [BoardSilent(5, "the port is not there")]
    assert bus.asked[-1][0] <= 2000
    bus.monitor.start(bus.now_ms)
    bus.run(500)
    assert bus.events[-1] == bus.readings()[-1]


def test_a_port_that_never_opens_is_told_too() -> None:
    bus = Bus()
    bus.run(10_000)
    assert bus.events == [BoardSilent(5, "the port is not there")]


def test_an_older_board_is_read_without_level_and_current() -> None:
    monitor = LineMonitor(ADDRESS)
    monitor.start(0)
    monitor.tick(0)
    request = parse_request(monitor.outgoing())
    monitor.feed(exception_reply(request, ExceptionCode.ILLEGAL_ADDRESS), 50)
    monitor.tick(1000)
    request = parse_request(monitor.outgoing())
    assert request.value == LineInput.CONFIG_CRC + 1
    answer = reply(request, [1, 0, 1000, 620, 1000, 0, 500, 300, 640, 0, 1, 0, 0])
    (event,) = monitor.feed(answer, 1050)
    assert isinstance(event, LineRead)
    assert (event.reading.level_mv, event.at_ms) == (None, 1000)


def test_a_reading_that_makes_no_sense_counts_as_no_answer() -> None:
    monitor = LineMonitor(ADDRESS)
    monitor.start(0)
    events: list[Event] = []
    for now_ms in range(0, 6000, 1000):
        monitor.tick(now_ms)
        request = parse_request(monitor.outgoing())
        nonsense = [2, 99, *[0] * 13]  # no such state
        events += monitor.feed(reply(request, nonsense), now_ms + 50)
    assert events == [BoardSilent(5, "line board: state 99 is not known")]


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=40), max_size=8))
def test_no_noise_on_the_bus_stops_the_polling(noise: list[bytes]) -> None:
    bus = opened()
    for data in noise:
        bus.run(500)
        bus.events += bus.monitor.feed(data, bus.now_ms)
    before = len(bus.readings())
    bus.run(3000)
    assert len(bus.readings()) > before


def test_polls_stay_on_the_second_after_a_stall_of_the_whole_agent() -> None:
    monitor = LineMonitor(ADDRESS)
    monitor.start(0)
    monitor.tick(0)
    monitor.tick(7350)
    assert monitor.next_deadline() == 7350 + 500
    monitor.tick(7850)
    assert monitor.next_deadline() == 8000


def test_an_answer_may_not_take_as_long_as_a_poll() -> None:
    with pytest.raises(ValueError, match="poll"):
        LineMonitor(ADDRESS, poll_ms=500, reply_ms=500)
