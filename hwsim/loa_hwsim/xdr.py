"""What an XDR-GTK tuner writes, as a matter of its dialect: lines, units, voting on the PI.

Facts after the open firmware FM-DX-Tuner (dialect A); see ``docs/protocol/tuner.md``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from loa_protocol.rds import CLEAN, Group

_VOTERS: Final = 64  # groups that vote on the PI
_WORD: Final = 1 << 32  # the firmware prints numbers as unsigned 32-bit


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one firmware speaks; the differences that a host must survive."""

    name: str
    input_size: int = 16  # bytes of the command buffer, its end mark included
    hello: bytes = b"\nOK\n"
    start_ms: float = 240.0  # from "x" to "OK" after power-up: the chip is loaded meanwhile
    dbf_offset: float = 11.25  # dBf - dBuV
    quality_ms: int = 66
    squelch_ms: int = 50
    squelch_misses: int = 5
    low_khz: int = 65_000
    high_khz: int = 108_000
    step_khz: int = 10
    bandwidths_khz: tuple[int, ...] = ()
    is_rds_legacy: bool = False

    def quality_line(self, state: str, level_dbuv: float, cochannel: int, adjacent: int) -> bytes:
        """Return the line on reception; *state* is one letter of ``smSM``, -1 is unknown."""
        level = hundredths(round((level_dbuv + self.dbf_offset) * 100))
        return f"S{state}{level},{cochannel},{adjacent},-1\n".encode("ascii")

    def group_line(self, group: Group) -> bytes:
        """Return the line for an RDS group."""
        text = group.to_legacy_hex() if self.is_rds_legacy else group.to_hex()
        return f"R{text}\n".encode("ascii")

    def nearest_bandwidth_khz(self, asked_khz: int) -> int:
        """Return the filter that the chip takes for *asked_khz*."""
        return min(self.bandwidths_khz, key=lambda width: abs(width - asked_khz))


FM_DX_TUNER: Final = Dialect(
    name="fmdx",
    bandwidths_khz=(56, 64, 72, 84, 97, 114, 133, 151, 168, 184, 200, 217, 236, 254, 287, 311),
)
FM_DX_TUNER_LEGACY_RDS: Final = Dialect(
    name="fmdx-legacy-rds", bandwidths_khz=FM_DX_TUNER.bandwidths_khz, is_rds_legacy=True
)


def hundredths(value: int) -> str:
    """Return *value* / 100 in the shortest form: no trailing zeros, no bare point."""
    whole, part = divmod(abs(value), 100)
    sign = "-" if value < 0 else ""
    return f"{sign}{whole}.{part:02d}".rstrip("0").rstrip(".")


def leading_number(text: bytes) -> int:
    """Read a number as the firmware does: leading blanks and sign allowed, the rest ignored.

    No digits read as 0; the value is clipped to 32 bits.
    """
    stripped = text.lstrip(b" \t\r\v\f")
    sign = -1 if stripped[:1] == b"-" else 1
    digits = stripped[1:] if stripped[:1] in (b"-", b"+") else stripped
    length = next((n for n, byte in enumerate(digits) if byte not in b"0123456789"), len(digits))
    value = sign * int(digits[:length] or b"0")
    return max(min(value, _WORD // 2 - 1), -_WORD // 2)


def as_unsigned(value: int) -> int:
    """Return *value* as the firmware prints it: -1 is 4294967295."""
    return value % _WORD


class PiVote:
    """How sure the tuner is of a PI: it looks back on the last 64 groups."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, bool]] = deque(maxlen=_VOTERS)

    def clear(self) -> None:
        """Forget all votes; done when another frequency is tuned."""
        self._seen.clear()

    def take(self, group: Group) -> bytes | None:
        """Count the group's PI and return its line, None when it is anyone's guess.

        No ``?`` after two clean sightings; one to three the less they were.
        """
        self._seen.append((group.a, group.errors[0] == CLEAN))
        same = [clean for pi, clean in self._seen if pi == group.a]
        doubt = _doubt(len(same), sum(same))
        return None if doubt is None else f"P{group.a:04X}{'?' * doubt}\n".encode("ascii")


def _doubt(sightings: int, clean: int) -> int | None:
    if clean >= 2:
        return 0
    if sightings >= 2 and clean:
        return 1
    if sightings >= 3:
        return 2
    if sightings == 2 or clean:
        return 3
    return None
