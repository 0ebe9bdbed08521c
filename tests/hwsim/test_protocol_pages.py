"""The bytes and lines on the pages about line board and tuner are what the code says."""

from __future__ import annotations

import pathlib
import re

import pytest

from loa_hwsim.air import Air, Transmitter
from loa_hwsim.amplifier import Amplifier, LineRating, SpeakerLine
from loa_hwsim.faults import FaultPlan
from loa_hwsim.line_board import LineBoard
from loa_hwsim.tuner import Tuner
from loa_hwsim.xdr import FM_DX_TUNER
from loa_protocol.line_map import LineCommand, LineHolding, LineInput, LineReading, LineState
from loa_protocol.modbus import (
    ExceptionCode,
    Function,
    ModbusRefusal,
    ReplyDecoder,
    Request,
    parse_request,
)
from loa_protocol.rds import ClockTime, Group, read_group

PAGES = pathlib.Path(__file__).parents[2] / "docs" / "protocol"
START_MS = 1_800_000_000_000


def page(name: str) -> str:
    return (PAGES / name).read_text(encoding="utf-8")


def worked_bytes() -> dict[str, bytes]:
    found = re.findall(r"<!-- bytes: ([a-z ]+) -->\n```\n([0-9a-f \n]+)```", page("line-board.md"))
    return {name: bytes.fromhex(body) for name, body in found}


def worked_lines(name: str) -> list[tuple[str, bytes]]:
    match = re.search(rf"<!-- lines: {name} -->\n```\n(.*?)```", page("tuner.md"), re.DOTALL)
    assert match
    return [(line[0], line[2:].encode() + b"\n") for line in match[1].splitlines()]


def board() -> LineBoard:
    rating, faults = LineRating(), FaultPlan(())
    return LineBoard(Amplifier(rating, faults), SpeakerLine(rating, faults))


def test_the_worked_reading_says_what_the_page_says() -> None:
    bytes_ = worked_bytes()
    asked = parse_request(bytes_["read everything"])
    assert asked == Request(20, Function.READ_INPUT, 0, LineInput.CURRENT + 1)
    decoder = ReplyDecoder()
    decoder.expect(bytes_["read everything"])
    (answer,) = decoder.feed(bytes_["everything is well"])
    reading = LineReading.from_registers(answer.registers)
    assert (reading.state, reading.impedance_1k_ohm, reading.reference_ohm) == (0, 99.8, 100.3)
    assert (reading.level_mv, reading.current_ma) == (9800, 98)
    assert (reading.deviation_percent, reading.temperature_c) == (-0.5, 31.5)
    assert reading.uptime_s == 86_460


def test_the_worked_requests_are_answered_as_on_the_page() -> None:
    bytes_, simulated = worked_bytes(), board()
    (answer,) = simulated.feed(bytes_["test now"], START_MS)
    assert answer.data == bytes_["test now"]
    assert parse_request(bytes_["test now"]).value == LineCommand.TEST
    (refusal,) = simulated.feed(bytes_["too often"], START_MS)
    assert refusal.data == bytes_["refused"]
    decoder = ReplyDecoder()
    decoder.expect(bytes_["too often"])
    with pytest.raises(ModbusRefusal) as caught:
        decoder.feed(bytes_["refused"])[0].checked()
    assert caught.value.exception == ExceptionCode.ILLEGAL_VALUE


@pytest.mark.parametrize("state", list(LineState))
def test_the_page_names_every_state(state: LineState) -> None:
    assert f"| {state.value} | {state.name} |" in page("line-board.md")


@pytest.mark.parametrize("register", [*LineInput, *LineHolding])
def test_the_page_has_every_register(register: int) -> None:
    assert re.search(rf"^\| (000. ?, ?)?{register:04X}\b", page("line-board.md"), re.MULTILINE)


@pytest.mark.requirement("RAD-1")
def test_the_worked_conversation_with_the_tuner_goes_as_on_the_page() -> None:
    tuner = Tuner(Air([Transmitter(frequency_khz=91_000, pi=0x7301, ps="X", level_dbuv=40)]))
    lines = worked_lines("start and tune")
    for number, (side, line) in enumerate(lines):
        if side == ">":
            echo = b"".join(output.data for output in tuner.feed(line, START_MS))
            after = [next_side for next_side, _ in lines[number + 1 :]]
            count = after.index(">") if ">" in after else len(after)
            expected = b"".join(text for _, text in lines[number + 1 : number + 1 + count])
            assert echo == expected, line


def test_the_worked_quality_line_is_a_carrier_of_47_5_dbuv() -> None:
    ((_, line),) = worked_lines("quality")
    assert FM_DX_TUNER.quality_line("s", 47.5, 3, 0) == line


def test_the_worked_clock_time_is_new_year_in_both_forms() -> None:
    (_, new), (_, legacy) = worked_lines("clock time")
    for line in (new, legacy):
        fact = read_group(Group.from_hex(line[1:-1].decode()))
        assert isinstance(fact, ClockTime)
        assert fact.minute.isoformat() == "2026-01-01T00:00:00+00:00"
