"""The register map by which Loa wakes and mutes an amplifier, version 1.

Modbus RTU at 9600 8N1, address 40; functions 04 on :class:`AmplifierInput`, 06 on
:class:`AmplifierHolding`. The bits of status and faults lie where the Monacor PA-1250D has them
(manual: input registers 30000 and 30002); the register that is written is our own, for what that
manual says about writing is ambiguous. ``docs/protocol/amplifier.md``.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from loa_protocol.errors import MessageError

BAUD: Final = 9600
ADDRESS: Final = 40
COUNT: Final = 2  # input registers of version 1


class AmplifierInput(enum.IntEnum):
    """Input registers (function 04)."""

    STATUS = 0x00
    FAULTS = 0x01


class AmplifierHolding(enum.IntEnum):
    """Holding registers (function 06 writes)."""

    CONTROL = 0x00


class Bit(enum.IntFlag):
    """Bits of status and control."""

    POWER = 1 << 0  # status only: mains are there
    MUTE = 1 << 2
    SLEEP = 1 << 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AmplifierReading:
    """What an amplifier says of itself."""

    is_asleep: bool
    is_muted: bool
    faults: int  # b0 over-current, b1 AC low, b2 battery low, b3-4 hot, b5 overload, b6 short

    @classmethod
    def from_registers(cls, registers: Sequence[int]) -> Self:
        """Read the input registers.

        Raises:
            MessageError: There are not as many as there should be.
        """
        if len(registers) < COUNT:
            raise MessageError(f"amplifier: {len(registers)} registers, not {COUNT}")
        status, faults = registers[:COUNT]
        return cls(
            is_asleep=bool(status & Bit.SLEEP),
            is_muted=bool(status & Bit.MUTE),
            faults=faults & 0xFF,
        )

    def to_registers(self) -> list[int]:
        """Return the input registers."""
        return [Bit.POWER | control(is_asleep=self.is_asleep, is_muted=self.is_muted), self.faults]


def control(*, is_asleep: bool, is_muted: bool) -> int:
    """Return what is written to bring an amplifier there."""
    return (Bit.SLEEP if is_asleep else 0) | (Bit.MUTE if is_muted else 0)
