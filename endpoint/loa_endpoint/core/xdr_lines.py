"""The lines an XDR-GTK tuner sends, of both dialects, as events.

Dialect A is FM-DX-Tuner, dialect B is TEF6686_ESP32; a quality line tells which one it is by its
last field. Their units differ: a level in dBf is 11.25 dB (A) or 10.875 dB (B) above dBuV. Facts
from the two firmwares; what is not a whole and plausible line is no event.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from loa_protocol.rds import Group

MAX_LINE: Final = 4096  # a scan of the whole band stays under it
LEVELS_CDBUV: Final = range(-2000, 12_001)  # the firmware itself drops what lies outside
WAM_RAW: Final = (32, 360)  # what dialect A maps onto its interference of 0 to 100

_QUALITY: Final = re.compile(
    r"S([smSM])(-?\d{1,3})(?:\.(\d{1,2}))?, ?(-?\d{1,5}), ?(-?\d{1,5})(?:, ?(-?\d{1,5}))?"
)
_PI: Final = re.compile(r"P([0-9A-Fa-f]{4})(\?{0,3})")
_TUNED: Final = re.compile(r"T(\d{1,7})(?:,\d{1,4})?")
_GROUP: Final = re.compile(r"R([0-9A-Fa-f]{14}|[0-9A-Fa-f]{18})")
_ECHO: Final = re.compile(r"([ABCDFGIMNQVWYZ])(-?\d{1,10})")


class Dialect(enum.Enum):
    """Which firmware speaks."""

    A = "FM-DX-Tuner"
    B = "TEF6686_ESP32"


@dataclass(frozen=True, slots=True)
class Started:
    """The tuner answered our start."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How well it receives, about 15 times a second.

    Attributes:
        level_cdbuv: RF level in hundredths of a dBuV.
        stereo: The pilot is there.
        cci_permille: Co-channel or multipath interference; None where it cannot tell.
        aci_permille: Interference from the next channel; None where it cannot tell.
    """

    level_cdbuv: int
    stereo: bool
    cci_permille: int | None
    aci_permille: int | None
    dialect: Dialect

    @property
    def level_dbuv(self) -> float:
        """The level in dBuV."""
        return self.level_cdbuv / 100


@dataclass(frozen=True, slots=True)
class Pi:
    """The programme identification by the tuner's vote; certainty 0 is certain, 3 unlikely."""

    value: int
    certainty: int


@dataclass(frozen=True, slots=True)
class RdsGroup:
    """A raw RDS group; legacy lines carry no block A."""

    group: Group


@dataclass(frozen=True, slots=True)
class Tuned:
    """The frequency on which the tuner says it stands."""

    khz: int


@dataclass(frozen=True, slots=True)
class Echo:
    """The answer to any other command: its letter and the value in force."""

    letter: str
    value: int


Line = Started | Quality | Pi | RdsGroup | Tuned | Echo


class LineSplitter:
    """Cut the stream into lines, whatever the chunks; a line over the limit is dropped whole."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False
        self.dropped = 0  # lines

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that *data* completes, without their ends."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        lines = []
        for line in whole:
            if self._skipping or len(line) > MAX_LINE:
                self.dropped += 1
            else:
                lines.append(line.rstrip(b"\r"))
            self._skipping = False
        if len(self._rest) > MAX_LINE:
            self._rest, self._skipping = b"", True
        return lines

    def clear(self) -> None:
        """Forget the begun line: the port was opened anew."""
        self._rest, self._skipping = b"", False


def parse_line(line: bytes) -> Line | None:
    """Return what one line says, None for noise and for lines that nobody here needs."""
    text = line.decode("ascii", errors="replace")
    for form, build in _FORMS:
        if match := form.fullmatch(text):
            return build(match)
    return None


def _quality(match: re.Match[str]) -> Quality | None:
    mode, whole, decimals, interference, adjacent, bandwidth = match.groups()
    dialect = Dialect.A if bandwidth == "-1" else Dialect.B
    sign = -1 if whole.startswith("-") else 1
    cdbf = 100 * int(whole) + sign * int((decimals or "0").ljust(2, "0"))
    level = cdbf - 1125 if dialect is Dialect.A else (2 * cdbf - 2175) // 2
    if level not in LEVELS_CDBUV:
        return None
    return Quality(
        level_cdbuv=level,
        stereo=mode in "sS",
        cci_permille=_interference(int(interference), dialect),
        aci_permille=_permille(10 * int(adjacent)),
        dialect=dialect,
    )


def _interference(value: int, dialect: Dialect) -> int | None:
    """Bring both dialects to the scale of A, which dialect B sends as a tenth of the raw value."""
    if dialect is Dialect.A or value < 0:
        return _permille(10 * value)
    low, high = WAM_RAW
    return _permille(max(1000 * (10 * value - low) // (high - low), 0))


def _permille(value: int) -> int | None:
    return None if value < 0 else min(value, 1000)


_FORMS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Line | None]], ...]] = (
    (_QUALITY, _quality),
    (_PI, lambda match: Pi(int(match[1], 16), len(match[2]))),
    (_GROUP, lambda match: RdsGroup(Group.from_hex(match[1]))),
    (_TUNED, lambda match: Tuned(int(match[1]))),
    (re.compile("OK"), lambda _: Started()),
    (_ECHO, lambda match: Echo(match[1], int(match[2]))),
)
