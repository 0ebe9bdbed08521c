"""The line board: what it measures of the line, and how it answers on the bus."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_hwsim.amplifier import Amplifier, LineRating, SpeakerLine
from loa_hwsim.faults import Fault, FaultPlan, Kind, Place
from loa_hwsim.line_board import SILENCE_MS, TEST_MS, TURNAROUND_MS, LineBoard
from loa_hwsim.noise import Samples
from loa_protocol.line_map import LineCommand, LineHolding, LineInput, LineReading, LineState
from loa_protocol.modbus import (
    ExceptionCode,
    Function,
    Reply,
    ReplyDecoder,
    Request,
    read_request,
    write_request,
)

START_MS = 1_800_000_000_000.0
READ_ALL = read_request(20, Function.READ_INPUT, 0, 15)
SINE: Samples = np.sin(np.arange(960) * 2 * np.pi * 1000 / 48_000).astype(np.float32)


def fault(kind: Kind, after_ms: int, length_ms: int | None = None, **numbers: float) -> Fault:
    place = Place.AMPLIFIER if kind is Kind.AMPLIFIER_DEAD else Place.LINE
    begin = int(START_MS) + after_ms
    end = None if length_ms is None else begin + length_ms
    return Fault(kind=kind, place=place, start_ms=begin, end_ms=end, numbers=numbers)


def board(*faults: Fault, idle_ms: float | None = None, calibrated: bool = True) -> LineBoard:
    rating, plan = LineRating(volts=100, watts=100), FaultPlan(faults)
    amplifier = Amplifier(rating, plan, idle_ms=idle_ms)
    made = LineBoard(amplifier, SpeakerLine(rating, plan), is_calibrated=calibrated)
    made.advance(START_MS)
    return made


def play(target: LineBoard, from_ms: int, to_ms: int, amplitude: float = 1.0) -> None:
    for end in range(from_ms + 20, to_ms + 1, 20):
        target.hear(SINE * np.float32(amplitude), START_MS + end)


def ask(target: LineBoard, frame: bytes, after_ms: float = 0) -> Reply:
    decoder = ReplyDecoder()
    decoder.expect(frame)
    (output,) = target.feed(frame, START_MS + after_ms)
    assert output.when_ms == START_MS + after_ms + TURNAROUND_MS
    (reply,) = decoder.feed(output.data)
    return reply


def read(target: LineBoard, after_ms: float) -> LineReading:
    target.advance(START_MS + after_ms)
    return LineReading.from_registers(ask(target, READ_ALL, after_ms).registers)


def command(target: LineBoard, what: LineCommand, after_ms: float) -> LineReading:
    """Give a command and return the reading after the test that follows it."""
    assert ask(target, write_request(20, LineHolding.COMMAND, what), after_ms).registers == (what,)
    return read(target, after_ms + TEST_MS)


# -- what it measures ----------------------------------------------------------------------------


def test_a_full_scale_sine_is_the_rated_voltage() -> None:
    target = board()
    play(target, 0, 2000)
    reading = read(target, 2000)
    assert reading.level_mv == pytest.approx(100_000, rel=0.001)
    assert reading.current_ma == pytest.approx(1000, rel=0.001)  # 100 W at 100 V


@given(st.floats(0.001, 1.0))
def test_voltage_and_current_follow_the_samples(amplitude: float) -> None:
    target = board()
    play(target, 0, 1000, amplitude)
    reading = read(target, 1000)
    assert reading.level_mv == pytest.approx(100_000 * amplitude, abs=6)
    assert reading.current_ma == pytest.approx(1000 * amplitude, abs=1)


def test_the_level_is_that_of_the_last_second() -> None:
    target = board()
    play(target, 0, 500)
    assert read(target, 500).level_mv == pytest.approx(100_000 * math.sqrt(0.5), rel=0.01)
    assert read(target, 1250).level_mv == pytest.approx(100_000 * math.sqrt(0.25), rel=0.01)
    assert read(target, 1600).level_mv == 0


def test_a_large_piece_of_sound_counts_for_its_last_second() -> None:
    target = board()
    target.hear(np.concatenate([np.ones(48_000, np.float32), np.zeros(48_000, np.float32)]), 2000)
    assert target.reading(2000).level_mv == 0
    target.hear(np.zeros(0, np.float32), START_MS)


def test_a_card_that_stands_still_is_silent() -> None:
    target = board()
    play(target, 0, 1000)
    assert read(target, 2100).level_mv == 0


@pytest.mark.requirement("HLT-2")
def test_a_dead_amplifier_shows_no_voltage_while_the_card_plays() -> None:
    target = board(fault(Kind.AMPLIFIER_DEAD, 1000, 2000))
    play(target, 0, 1000)
    assert read(target, 1000).level_mv
    play(target, 1000, 2500)
    assert (read(target, 2500).level_mv, read(target, 2500).current_ma) == (0, 0)
    play(target, 2500, 4500)
    assert read(target, 4500).level_mv


@pytest.mark.requirement("HLT-3")
def test_an_open_line_has_voltage_without_current() -> None:
    target = board(fault(Kind.LINE_OPEN, 0))
    play(target, 0, 1000)
    reading = read(target, 1000)
    assert reading.level_mv == pytest.approx(100_000, rel=0.001)
    assert reading.current_ma == 0
    assert (reading.state, reading.impedance_1k_ohm) == (LineState.OPEN, None)


def test_an_amplifier_in_standby_needs_a_moment() -> None:
    target = board(idle_ms=5000)
    play(target, 0, 280)
    assert read(target, 280).level_mv == 0
    play(target, 280, 1400)
    assert read(target, 1400).level_mv == pytest.approx(100_000, rel=0.01)
    for end in range(1400, 7000, 20):
        target.hear(np.zeros(960, np.float32), START_MS + end)
    play(target, 7000, 7100)
    assert read(target, 7100).level_mv == 0  # asleep again


# -- the impedance test --------------------------------------------------------------------------


def test_a_sound_line_is_ok_from_power_up_on() -> None:
    reading = read(board(), 0)
    assert reading.state is LineState.OK
    assert reading.impedance_1k_ohm == pytest.approx(100, rel=0.02)
    assert reading.impedance_20k_ohm == pytest.approx(62, rel=0.02)
    assert abs(reading.deviation_percent) < 2


def test_a_break_is_found_at_the_next_test() -> None:
    target = board(fault(Kind.LINE_OPEN, 10_000))
    assert read(target, 89_999).state is LineState.OK
    assert read(target, 90_000).state is LineState.OPEN


def test_a_break_is_found_at_once_when_asked() -> None:
    target = board(fault(Kind.LINE_OPEN, 10_000))
    assert command(target, LineCommand.TEST, 11_000).state is LineState.OPEN


def test_a_test_takes_a_moment() -> None:
    target = board(fault(Kind.LINE_OPEN, 10_000))
    ask(target, write_request(20, LineHolding.COMMAND, LineCommand.TEST), 11_000)
    assert read(target, 11_000 + TEST_MS - 1).state is LineState.OK
    assert read(target, 11_000 + TEST_MS).state is LineState.OPEN


def test_a_mended_break_is_ok_again() -> None:
    target = board(fault(Kind.LINE_OPEN, 10_000, 10_000))
    assert command(target, LineCommand.TEST, 11_000).state is LineState.OPEN
    assert command(target, LineCommand.TEST, 21_000).state is LineState.OK


def test_a_short_stays_until_it_is_reset() -> None:
    target = board(fault(Kind.LINE_SHORT, 1000, 1000))
    play(target, 0, 3000)
    reading = read(target, 3000)
    assert (reading.state, reading.level_mv, reading.current_ma) == (LineState.SHORT, 0, 0)
    assert command(target, LineCommand.TEST, 4000).state is LineState.SHORT  # though it has gone
    assert command(target, LineCommand.RESET, 5000).state is LineState.OK
    play(target, 6000, 7000)
    assert read(target, 7000).level_mv


def test_a_reset_does_not_cure_a_short() -> None:
    target = board(fault(Kind.LINE_SHORT, 1000))
    assert command(target, LineCommand.TEST, 2000).state is LineState.SHORT
    assert command(target, LineCommand.RESET, 3000).state is LineState.SHORT


def test_silence_does_not_trip_a_short() -> None:
    target = board(fault(Kind.LINE_SHORT, 1000, 1000))
    target.hear(np.zeros(960, np.float32), START_MS + 1500)
    assert read(target, 2500).state is LineState.OK


@pytest.mark.parametrize(("percent", "state"), [(10, LineState.OK), (33, LineState.DRIFT)])
def test_a_lost_horn_is_a_drift(percent: float, state: LineState) -> None:
    target = board(fault(Kind.LINE_DRIFT, 1000, percent=percent))
    reading = command(target, LineCommand.TEST, 2000)
    assert reading.state is state
    assert reading.deviation_percent == pytest.approx(percent, abs=2)


def test_a_wider_tolerance_forgives_a_drift() -> None:
    target = board(fault(Kind.LINE_DRIFT, 1000, percent=33))
    assert ask(target, write_request(20, LineHolding.TOLERANCE, 500), 1500).registers == (500,)
    assert command(target, LineCommand.TEST, 2000).state is LineState.OK


def test_calibrating_takes_the_present_line_for_the_reference() -> None:
    target = board(fault(Kind.LINE_DRIFT, 1000, percent=33), calibrated=False)
    assert read(target, 100).state is LineState.NOT_CALIBRATED
    assert read(target, 100).reference_ohm is None
    reading = command(target, LineCommand.CALIBRATE, 2000)
    assert reading.state is LineState.OK
    assert reading.reference_ohm == pytest.approx(133, rel=0.02)


def test_an_open_line_cannot_be_a_reference() -> None:
    target = board(fault(Kind.LINE_OPEN, 0), calibrated=False)
    assert command(target, LineCommand.CALIBRATE, 100).reference_ohm is None


def test_a_leak_to_earth_is_told() -> None:
    target = board(fault(Kind.LINE_EARTH, 1000))
    reading = command(target, LineCommand.TEST, 2000)
    assert (reading.state, reading.earth_kohm) == (LineState.EARTH, 5)


def test_the_interval_can_be_shortened() -> None:
    target = board(fault(Kind.LINE_OPEN, 1000))
    ask(target, write_request(20, LineHolding.INTERVAL, 10), 2000)
    assert read(target, 11_999).state is LineState.OK
    assert read(target, 12_000).state is LineState.OPEN
    assert target.next_deadline() == START_MS + 12_000 + SILENCE_MS


def test_uptime_counts_beyond_one_register() -> None:
    assert read(board(), 70_000_000).uptime_s == 70_000


def test_the_configurations_checksum_changes_with_it() -> None:
    target = board()
    before = read(target, 0).config_crc
    ask(target, write_request(20, LineHolding.TOLERANCE, 100))
    assert read(target, 0).config_crc != before


# -- the bus -------------------------------------------------------------------------------------


def test_holding_registers_are_read_as_written() -> None:
    target = board()
    ask(target, write_request(20, LineHolding.INTERVAL, 120))
    reply = ask(target, read_request(20, Function.READ_HOLDING, 0, 3))
    assert reply.registers == (120, 150, 0)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (Request(20, 4, 1, 15), ExceptionCode.ILLEGAL_ADDRESS),
        (Request(20, 4, 0, 0), ExceptionCode.ILLEGAL_VALUE),
        (Request(20, 3, 3, 1), ExceptionCode.ILLEGAL_ADDRESS),
        (Request(20, 6, 3, 1), ExceptionCode.ILLEGAL_ADDRESS),
        (Request(20, 6, 2, 4), ExceptionCode.ILLEGAL_VALUE),
        (Request(20, 6, 0, 4), ExceptionCode.ILLEGAL_VALUE),
        (Request(20, 6, 1, 1000), ExceptionCode.ILLEGAL_VALUE),
    ],
)
def test_what_it_cannot_do_it_refuses(request_: Request, code: ExceptionCode) -> None:
    assert ask(board(), request_.to_bytes()).exception == code


def test_an_unknown_function_is_refused_when_the_line_falls_silent() -> None:
    target = board()
    assert target.feed(Request(20, 0x42).to_bytes(), START_MS) == []
    (output,) = target.advance(START_MS + SILENCE_MS)
    assert output.data[:3] == bytes((20, 0xC2, ExceptionCode.ILLEGAL_FUNCTION))


def test_other_addresses_are_not_answered_and_a_broadcast_is_obeyed_in_silence() -> None:
    target = board()
    assert target.feed(Request(21, 4, 0, 15).to_bytes(), START_MS) == []
    assert target.feed(Request(0, 6, LineHolding.INTERVAL, 77).to_bytes(), START_MS) == []
    assert ask(target, read_request(20, 3, 0, 1)).registers == (77,)


def test_a_damaged_request_is_not_answered_and_forgotten_after_a_silence() -> None:
    target = board()
    assert target.feed(READ_ALL[:-1] + b"\0", START_MS) == []
    assert target.feed(READ_ALL[:4], START_MS + 10) == []
    assert target.advance(START_MS + 10 + SILENCE_MS) == []
    assert target.feed(READ_ALL[4:], START_MS + 100) == []
    assert target.advance(START_MS + 100 + SILENCE_MS) == []
    assert ask(target, READ_ALL, 200).registers[LineInput.VERSION] == 2


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_any_bytes_on_the_bus_are_survived(pieces: list[bytes]) -> None:
    target = board()
    for number, piece in enumerate(pieces):
        target.feed(piece, START_MS + number * 30)
    target.advance(START_MS + 1000)
    assert ask(target, READ_ALL, 2000).exception is None


def test_the_same_seed_measures_the_same() -> None:
    assert read(board(), 0) == read(board(), 0)
