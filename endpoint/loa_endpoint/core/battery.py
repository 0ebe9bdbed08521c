"""Whether the clock that a battery keeps can be believed (trust.md section 4, T2).

It can where we set it ourselves at full trust, it never stopped since, and nobody changed it. What
we wrote, and when, is kept on the disk as the proof. Within one boot of the board monotonic time
shows every change; over a power cut what is left is that it must have gone forward, and the bounds
that the ladder sets to any clock.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from loa_endpoint.core.time_source import DRIFT_PPM
from loa_protocol.schema import Bytes, Int, Wire, wire

SECOND_MS = 1000  # such a clock knows whole seconds only
_SLACK_MS = 2 * SECOND_MS  # one second of reading and one of writing
_TIME = Int(0, 2**50)


class Standing(enum.StrEnum):
    """What is to be thought of the battery clock."""

    ABSENT = "absent"  # none fitted, or it does not answer
    UNPROVEN = "unproven"  # never set by us at full trust
    STOPPED = "stopped"  # its oscillator stopped or its battery is low
    CHANGED = "changed"  # it does not stand where we left it
    SOUND = "sound"


@dataclass(frozen=True, slots=True)
class BatteryTime:
    """What the battery clock says: unix ms (of a whole second), and whether it ever stopped."""

    unix_ms: int
    is_stopped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof(Wire):
    """What we wrote into the battery clock at T3, in which boot of the board, and at which time."""

    written_ms: int = wire(1, _TIME)  # the time that was written, unix
    boot: bytes = wire(2, Bytes(1, 64))  # the kernel's id of that boot
    mono_ms: int = wire(3, _TIME)  # monotonic, of that boot

    def error_ms(self, unix_ms: int) -> int:
        """Return by how much the clock may be off at *unix_ms*, given its crystal."""
        return _SLACK_MS + max(0, unix_ms - self.written_ms) * DRIFT_PPM // 1_000_000


def judge(said: BatteryTime | None, proof: Proof | None, *, boot: bytes, mono_ms: int) -> Standing:
    """Return what to think of what the battery clock said at *mono_ms* in *boot*."""
    if said is None:
        return Standing.ABSENT
    if said.is_stopped:
        return Standing.STOPPED
    if proof is None:
        return Standing.UNPROVEN
    if boot == proof.boot:
        expected = proof.written_ms + mono_ms - proof.mono_ms
        is_sound = abs(said.unix_ms - expected) <= proof.error_ms(expected)
    else:
        is_sound = said.unix_ms >= proof.written_ms - _SLACK_MS
    return Standing.SOUND if is_sound else Standing.CHANGED
