"""The amplifier's side of its bus: a Modbus slave that sleeps, wakes and mutes as it is told.

Register map: :mod:`loa_protocol.amplifier_map`. With its mains off it answers nothing.
"""

from __future__ import annotations

from loa_hwsim.amplifier import Amplifier
from loa_hwsim.device import Output
from loa_protocol.amplifier_map import (
    ADDRESS,
    COUNT,
    AmplifierHolding,
    AmplifierReading,
    Bit,
)
from loa_protocol.modbus import (
    ExceptionCode,
    Function,
    Request,
    RequestDecoder,
    exception_reply,
    reply,
)

TURNAROUND_MS = 5.0


class AmplifierPort:
    """One amplifier on the bus; as it wakes up with the board it is awake.

    Args:
        amplifier: What it leads.
        address: On the bus.
    """

    def __init__(self, amplifier: Amplifier, *, address: int = ADDRESS) -> None:
        self._amplifier, self._address = amplifier, address
        self._decoder = RequestDecoder()

    def feed(self, data: bytes, now_ms: float) -> list[Output]:
        """Take bytes from the bus; return the replies to requests for this amplifier."""
        requests = self._decoder.feed(data)
        if self._amplifier.is_dead(now_ms):
            self._amplifier.lose_power()
            return []
        mine = [each for each in requests if each.address == self._address]
        return [Output(now_ms + TURNAROUND_MS, self._answer(each, now_ms)) for each in mine]

    def advance(self, _now_ms: float) -> list[Output]:
        """Do nothing: it only answers."""
        return []

    def next_deadline(self) -> float | None:
        """Return None: it only answers."""
        return None

    def _answer(self, request: Request, now_ms: float) -> bytes:
        if request.function == Function.READ_INPUT:
            return self._read(request)
        if request.function != Function.WRITE_SINGLE:
            return exception_reply(request, ExceptionCode.ILLEGAL_FUNCTION)
        if request.register != AmplifierHolding.CONTROL:
            return exception_reply(request, ExceptionCode.ILLEGAL_ADDRESS)
        is_asleep, is_muted = bool(request.value & Bit.SLEEP), bool(request.value & Bit.MUTE)
        self._amplifier.command(is_asleep=is_asleep, is_muted=is_muted, now_ms=now_ms)
        return reply(request)

    def _read(self, request: Request) -> bytes:
        if request.register + request.value > COUNT:
            return exception_reply(request, ExceptionCode.ILLEGAL_ADDRESS)
        amplifier = self._amplifier
        reading = AmplifierReading(
            is_asleep=amplifier.is_asleep, is_muted=amplifier.is_muted, faults=0
        )
        registers = reading.to_registers()
        return reply(request, registers[request.register : request.register + request.value])
