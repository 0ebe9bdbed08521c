"""The line board's registers in everyday units."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_protocol.errors import MessageError
from loa_protocol.line_map import MAP_VERSION, LineInput, LineReading, LineState

# 100 ohm against a reference of 102.5, 25.3 degrees, 9.8 V and 98 mA on the line
REGISTERS = [2, 0, 1000, 620, 1025, 0xFFE8, 0xFFFF, 253, 640, 1, 0x0E10, 1, 0xBEEF, 980, 98]


def test_a_reading_is_in_volts_ohms_and_degrees() -> None:
    reading = LineReading.from_registers(REGISTERS)
    assert (reading.version, reading.state) == (MAP_VERSION, LineState.OK)
    assert (reading.impedance_1k_ohm, reading.reference_ohm) == (100.0, 102.5)
    assert reading.deviation_percent == -2.4
    assert reading.earth_kohm is None  # better than the board can measure
    assert reading.temperature_c == 25.3
    assert reading.uptime_s == 0x10E10
    assert (reading.level_mv, reading.current_ma) == (9800, 98)


@given(st.lists(st.integers(0, 0xFFFF), min_size=15, max_size=15))
def test_registers_survive_the_way_through_a_reading(registers: list[int]) -> None:
    registers[LineInput.VERSION] = MAP_VERSION
    registers[LineInput.STATE] %= 8
    registers[LineInput.REFERENCE] %= 0xFFFF
    assert LineReading.from_registers(registers).to_registers() == registers


def test_a_board_of_version_1_has_no_level() -> None:
    reading = LineReading.from_registers([1, *REGISTERS[1:13]])
    assert (reading.level_mv, reading.current_ma) == (None, None)


def test_a_later_board_is_understood() -> None:
    assert LineReading.from_registers([3, *REGISTERS[1:], 7, 8]).level_mv == 9800


def test_an_open_line_has_no_impedance() -> None:
    changed = [*REGISTERS]
    changed[LineInput.STATE], changed[LineInput.IMPEDANCE_1K] = LineState.OPEN, 0xFFFF
    reading = LineReading.from_registers(changed)
    assert (reading.state, reading.impedance_1k_ohm) == (LineState.OPEN, None)


@pytest.mark.parametrize(
    ("registers", "why"),
    [
        (REGISTERS[:12], "too few"),
        ([0, *REGISTERS[1:]], "version 0"),
        ([2, 8, *REGISTERS[2:]], "state 8"),
    ],
)
def test_registers_of_no_known_meaning_are_refused(registers: list[int], why: str) -> None:
    with pytest.raises(MessageError, match=why):
        LineReading.from_registers(registers)
