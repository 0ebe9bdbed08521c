"""The register map of Loa's line-supervision board, version 2.

The board sits between amplifier and loudspeakers, speaks Modbus RTU at 9600 8N1 under an address
from 20 to 39, and answers function 04 on :class:`LineInput`, 03 and 06 on :class:`LineHolding`.
Behaviour follows supervision cards on the market (an impedance test every 90 s, 15 % tolerance, a
short that latches); the map is our own and open: ``docs/protocol/line-board.md``.

A later version only appends registers, so that a reader of version 2 understands it.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from loa_protocol.errors import MessageError

MAP_VERSION: Final = 2
BAUD: Final = 9600
ADDRESSES: Final = range(20, 40)
OVER_RANGE: Final = 0xFFFF  # an impedance or resistance too high to measure
LEVEL_UNIT_MV: Final = 10  # millivolts would end at 65 V, below a 100 V line


class LineInput(enum.IntEnum):
    """Input registers (function 04)."""

    VERSION = 0x00
    STATE = 0x01  # LineState
    IMPEDANCE_1K = 0x02  # |Z| at 1 kHz, 0.1 ohm, OVER_RANGE when open
    IMPEDANCE_20K = 0x03  # |Z| at 20 kHz, 0.1 ohm
    REFERENCE = 0x04  # |Z| at 1 kHz when calibrated, 0.1 ohm; 0 = not calibrated
    DEVIATION = 0x05  # from the reference, 0.1 %, signed
    EARTH = 0x06  # insulation to earth, kilohm
    TEMPERATURE = 0x07  # of the board, 0.1 degree Celsius, signed
    PILOT = 0x08  # millivolts of the test tone
    TAMPER = 0x09  # openings of the case since power-up
    UPTIME_LOW = 0x0A  # seconds
    UPTIME_HIGH = 0x0B
    CONFIG_CRC = 0x0C  # checksum of the holding registers 0-1 and the reference
    LEVEL = 0x0D  # version 2: line voltage, RMS over the last second, 10 mV
    CURRENT = 0x0E  # version 2: line current, RMS over the last second, mA


class LineHolding(enum.IntEnum):
    """Holding registers (function 03 reads, 06 writes)."""

    INTERVAL = 0x00  # seconds between impedance tests
    TOLERANCE = 0x01  # allowed deviation, 0.1 %
    COMMAND = 0x02  # LineCommand; reads as 0


class LineState(enum.IntEnum):
    """What the last impedance test found."""

    OK = 0
    OPEN = 1
    SHORT = 2  # stays until reset
    EARTH = 3
    DRIFT = 4  # deviation beyond the tolerance
    NO_PILOT = 5  # the test tone did not come through
    PROTECT = 6  # the board has cut the line to save itself
    NOT_CALIBRATED = 7


class LineCommand(enum.IntEnum):
    """What can be written to :attr:`LineHolding.COMMAND`."""

    CALIBRATE = 1  # take the present |Z| for the reference
    TEST = 2  # test now instead of at the next interval
    RESET = 3  # forget a latched short


@dataclass(frozen=True, slots=True, kw_only=True)
class LineReading:
    """All input registers in everyday units; None where the board has no figure."""

    version: int
    state: LineState
    impedance_1k_ohm: float | None
    impedance_20k_ohm: float | None
    reference_ohm: float | None
    deviation_percent: float
    earth_kohm: int | None
    temperature_c: float
    pilot_mv: int
    tamper_count: int
    uptime_s: int
    config_crc: int
    level_mv: int | None  # None on a board of map version 1
    current_ma: int | None

    @classmethod
    def from_registers(cls, registers: Sequence[int]) -> Self:
        """Read the input registers from 0000 on: 13 of them (version 1), or 15 and more.

        Raises:
            MessageError: Too few registers, an unknown state, or no map version.
        """
        if len(registers) <= LineInput.CONFIG_CRC:
            raise MessageError(f"line board: {len(registers)} registers are too few")
        version, number = registers[LineInput.VERSION], registers[LineInput.STATE]
        if version < 1:
            raise MessageError("line board: map version 0 does not exist")
        if number > max(LineState):
            raise MessageError(f"line board: state {number} is not known")
        has_sound = version >= 2 and len(registers) > LineInput.CURRENT
        return cls(
            version=version,
            state=LineState(number),
            impedance_1k_ohm=_tenths(registers[LineInput.IMPEDANCE_1K]),
            impedance_20k_ohm=_tenths(registers[LineInput.IMPEDANCE_20K]),
            reference_ohm=_tenths(registers[LineInput.REFERENCE]) or None,
            deviation_percent=_signed(registers[LineInput.DEVIATION]) / 10,
            earth_kohm=_measured(registers[LineInput.EARTH]),
            temperature_c=_signed(registers[LineInput.TEMPERATURE]) / 10,
            pilot_mv=registers[LineInput.PILOT],
            tamper_count=registers[LineInput.TAMPER],
            uptime_s=registers[LineInput.UPTIME_LOW] | registers[LineInput.UPTIME_HIGH] << 16,
            config_crc=registers[LineInput.CONFIG_CRC],
            level_mv=registers[LineInput.LEVEL] * LEVEL_UNIT_MV if has_sound else None,
            current_ma=registers[LineInput.CURRENT] if has_sound else None,
        )

    def to_registers(self) -> list[int]:
        """Return the registers of map version 2; figures beyond a register's range are clipped."""
        return [
            self.version,
            self.state,
            _from_tenths(self.impedance_1k_ohm),
            _from_tenths(self.impedance_20k_ohm),
            _from_tenths(self.reference_ohm or 0.0),
            _from_signed(self.deviation_percent * 10),
            OVER_RANGE if self.earth_kohm is None else _clipped(self.earth_kohm, OVER_RANGE - 1),
            _from_signed(self.temperature_c * 10),
            _clipped(self.pilot_mv),
            _clipped(self.tamper_count),
            self.uptime_s & 0xFFFF,
            self.uptime_s >> 16 & 0xFFFF,
            self.config_crc,
            _clipped((self.level_mv or 0) / LEVEL_UNIT_MV),
            _clipped(self.current_ma or 0),
        ]


def _measured(register: int) -> int | None:
    return None if register == OVER_RANGE else register


def _tenths(register: int) -> float | None:
    return None if register == OVER_RANGE else register / 10


def _signed(register: int) -> int:
    return register - 0x10000 if register & 0x8000 else register


def _clipped(value: float, top: int = 0xFFFF) -> int:
    return min(max(round(value), 0), top)


def _from_tenths(value: float | None) -> int:
    return OVER_RANGE if value is None else _clipped(value * 10, OVER_RANGE - 1)


def _from_signed(value: float) -> int:
    return min(max(round(value), -0x8000), 0x7FFF) & 0xFFFF
