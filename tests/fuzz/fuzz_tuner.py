"""Fuzz target: whatever a host types at the tuner."""

from __future__ import annotations

from loa_hwsim.air import Air, Transmitter
from loa_hwsim.tuner import Tuner

START_MS = 1_800_000_000_000
AIR = Air([Transmitter(frequency_khz=91_000, pi=0x7301, ps="LOA", level_dbuv=30, radiotext="loa")])
TUNER = Tuner(AIR)  # kept: making its noise costs more than the rest; it is reset each time


def fuzz(data: bytes) -> None:
    """Type *data* at a started tuner, let it run 300 ms, retune; nothing may be raised."""
    TUNER.power_cycle(START_MS)
    TUNER.rejected.clear()
    outputs = TUNER.feed(b"x\n" + data, START_MS)
    outputs += TUNER.feed(data[::-1] + b"\nT91000\n", START_MS + 100)
    outputs += TUNER.advance(START_MS + 300)
    TUNER.sound(START_MS + 300, 96)
    said = b"".join(output.data for output in outputs)
    assert said.endswith(b"\n") or not said
    assert all(command.count(b"\n") == 0 and len(command) < 16 for command in TUNER.rejected)
