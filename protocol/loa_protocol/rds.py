"""RDS groups: build and read station name, RadioText and clock-time, with their checkwords.

What it is for: the tuner's driver reads groups with it, the simulated transmitter builds them.
After IEC 62106 (EN 50067). Spoken so far: 0A/0B, 2A/2B, 4A. Everything RDS says is
unauthenticated; nothing here judges whether to believe it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from loa_protocol.errors import FrameError

GROUP_BITS: Final = 104
BIT_RATE: Final = 1187.5  # bit/s: a group takes 87.6 ms
GROUP_MS: Final = GROUP_BITS / BIT_RATE * 1000
NAME_SEGMENTS: Final = 4  # of 2 characters
TEXT_SEGMENTS: Final = 16  # of 4 characters (2A); 2B carries 2
_POLYNOMIAL: Final = 0x5B9
OFFSETS: Final = {"A": 0x0FC, "B": 0x198, "C": 0x168, "C'": 0x350, "D": 0x1B4}

# error levels of a block, as tuners report them
CLEAN: Final = 0
CORRECTED: Final = 1  # one or two bits
DOUBTFUL: Final = 2  # a long burst was corrected
LOST: Final = 3

_MJD_EPOCH: Final = datetime(1858, 11, 17, tzinfo=UTC)
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{14}|[0-9A-Fa-f]{18})\Z")
_END_OF_TEXT: Final = "\r"


def checkword(data: int, offset: str) -> int:
    """Return the 10 check bits of a 16-bit block; *offset* is a key of ``OFFSETS``."""
    rest = data << 10
    for bit in range(25, 9, -1):
        if rest >> bit & 1:
            rest ^= _POLYNOMIAL << (bit - 10)
    return rest ^ OFFSETS[offset]


def is_intact(word: int, offset: str) -> bool:
    """Tell whether a received 26-bit block carries the checkword of its place in the group."""
    return checkword(word >> 10 & 0xFFFF, offset) == word & 0x3FF


@dataclass(frozen=True, slots=True)
class Group:
    """Four 16-bit blocks and how damaged each came in (``CLEAN`` to ``LOST``)."""

    a: int
    b: int
    c: int
    d: int
    errors: tuple[int, int, int, int] = (CLEAN, CLEAN, CLEAN, CLEAN)

    @property
    def pi(self) -> int:
        """Programme identification."""
        return self.a

    @property
    def kind(self) -> str:
        """The group type, such as ``0A``."""
        return f"{self.b >> 12}{'B' if self.b & 0x800 else 'A'}"

    def to_words(self) -> tuple[int, int, int, int]:
        """Return the four 26-bit blocks as they go on air."""
        third = "C'" if self.b & 0x800 else "C"
        blocks = zip((self.a, self.b, self.c, self.d), ("A", "B", third, "D"), strict=True)
        a, b, c, d = (data << 10 | checkword(data, offset) for data, offset in blocks)
        return a, b, c, d

    def to_hex(self) -> str:
        """Return 18 hexadecimal characters: the blocks, then two bits of error level each."""
        a, b, c, d = self.errors
        status = a << 6 | b << 4 | c << 2 | d
        return f"{self.a:04X}{self.b:04X}{self.c:04X}{self.d:04X}{status:02X}"

    def to_legacy_hex(self) -> str:
        """Return the 14 characters of older tuners: blocks B to D, error levels D, C, B."""
        _, b, c, d = self.errors
        return f"{self.b:04X}{self.c:04X}{self.d:04X}{b | c << 2 | d << 4:02X}"

    @classmethod
    def from_hex(cls, text: str, *, pi: int = 0) -> Self:
        """Read 18 characters, or 14 legacy ones, which carry no *pi*.

        Raises:
            FrameError: Not that many hexadecimal characters.
        """
        if not _HEX.match(text):
            raise FrameError(f"rds: {text[:24]!r} is not a group")
        *blocks, status = (int(text[at : at + 4], 16) for at in range(0, len(text), 4))
        b, c, d = blocks[-3:]
        if len(blocks) == 3:
            return cls(pi, b, c, d, (LOST, status & 3, status >> 2 & 3, status >> 4 & 3))
        return cls(
            blocks[0], b, c, d, (status >> 6 & 3, status >> 4 & 3, status >> 2 & 3, status & 3)
        )


@dataclass(frozen=True, slots=True)
class StationName:
    """Two of the eight characters of the station's name, and the switches beside them."""

    segment: int
    characters: str
    traffic_programme: bool
    traffic_announcement: bool


@dataclass(frozen=True, slots=True)
class RadioText:
    """A piece of RadioText; a change of *flag* starts a new text. 0x0D ends it early."""

    position: int
    characters: str
    flag: bool


@dataclass(frozen=True, slots=True)
class ClockTime:
    """The minute that began with the end of the group; RDS knows no seconds."""

    minute: datetime  # UTC
    offset: timedelta  # local time minus UTC, in half-hours


Fact = StationName | RadioText | ClockTime


def name_group(
    pi: int, segment: int, name: str, *, programme_type: int = 0, announcement: bool = False
) -> Group:
    """Build group 0A with characters 2 × *segment* and the next of *name*; no other frequencies."""
    text = to_rds_text(name).ljust(2 * NAME_SEGMENTS)
    b = (programme_type & 0x1F) << 5 | announcement << 4 | 1 << 3 | segment & 3
    no_others = 0xE0CD  # "no alternative frequencies", and a filler
    return Group(pi, b, no_others, _pair(text, 2 * (segment & 3)))


def text_group(
    pi: int, segment: int, text: str, *, flag: bool = False, programme_type: int = 0
) -> Group:
    """Build group 2A with characters 4 × *segment* and the next three of *text* (64 at most)."""
    whole = to_rds_text(text)[: 4 * TEXT_SEGMENTS]
    if len(whole) < 4 * TEXT_SEGMENTS:
        whole += _END_OF_TEXT
    whole = whole.ljust(4 * TEXT_SEGMENTS)
    at = 4 * (segment & 0xF)
    b = 0x2000 | (programme_type & 0x1F) << 5 | flag << 4 | segment & 0xF
    return Group(pi, b, _pair(whole, at), _pair(whole, at + 2))


def text_segments(text: str) -> int:
    """Return how many 2A groups *text* needs, its end mark included."""
    return min(len(to_rds_text(text)) // 4 + 1, TEXT_SEGMENTS)


def clock_group(
    pi: int, minute: datetime, offset: timedelta = timedelta(0), *, programme_type: int = 0
) -> Group:
    """Build group 4A, to be sent so that it ends when *minute* begins.

    Raises:
        ValueError: *offset* is not a whole number of half-hours within 15.5 h, or *minute* has no
            time zone.
    """
    halves, odd = divmod(abs(offset), timedelta(minutes=30))
    if minute.tzinfo is None or odd or halves > 31:
        raise ValueError(f"clock-time cannot say {minute} {offset}")
    utc = minute.astimezone(UTC)
    day = (utc - _MJD_EPOCH).days
    sign = offset < timedelta(0)
    b = 0x4000 | (programme_type & 0x1F) << 5 | day >> 15 & 3
    c = (day & 0x7FFF) << 1 | utc.hour >> 4
    d = (utc.hour & 0xF) << 12 | utc.minute << 6 | sign << 5 | halves
    return Group(pi, b, c, d)


def read_group(group: Group) -> Fact | None:
    """Return what *group* says, or None: another type, too damaged, or an impossible time.

    Names and texts are taken from blocks with one or two corrected bits at most; clock-time only
    from clean ones, because a wrong date does more harm than a missing one.
    """
    if group.errors[1] > CORRECTED:
        return None
    reader = _READERS.get(group.kind)
    return reader(group) if reader else None


def to_rds_text(text: str) -> str:
    """Return *text* in the letters that every receiver shows: ASCII, diacritics dropped."""
    plain = text.replace("đ", "d").replace("Đ", "D")
    bare = (c for c in unicodedata.normalize("NFD", plain) if not unicodedata.combining(c))
    return "".join(c if " " <= c <= "~" else "?" for c in bare)


class StationText:
    """Put name and RadioText together from the groups of one station.

    A segment counts when it came in; a text is whole when all its segments are there. Start a new
    one after tuning.
    """

    def __init__(self) -> None:
        self._name: dict[int, str] = {}
        self._text: dict[int, str] = {}
        self._flag: bool | None = None
        self._whole = 4 * TEXT_SEGMENTS

    def take(self, fact: Fact) -> None:
        """Add what a group said."""
        if isinstance(fact, StationName):
            self._name[fact.segment] = fact.characters
        elif isinstance(fact, RadioText):
            if fact.flag != self._flag:
                self._text.clear()
            self._flag = fact.flag
            self._whole = TEXT_SEGMENTS * len(fact.characters)  # 64, or 32 from 2B
            for number, character in enumerate(fact.characters, fact.position):
                self._text[number] = character

    @property
    def name(self) -> str | None:
        """The station's name without padding, once all of it is known."""
        if len(self._name) < NAME_SEGMENTS:
            return None
        return "".join(self._name[n] for n in range(NAME_SEGMENTS)).strip()

    @property
    def text(self) -> str | None:
        """The RadioText without padding, once it is known up to its end."""
        ends = [n for n, character in self._text.items() if character == _END_OF_TEXT]
        length = min(ends, default=self._whole)
        if any(n not in self._text for n in range(length)):
            return None
        return "".join(self._text[n] for n in range(length)).rstrip()


def _read_name(group: Group) -> StationName | None:
    if group.errors[3] > CORRECTED:
        return None
    return StationName(
        segment=group.b & 3,
        characters=_characters(group.d),
        traffic_programme=bool(group.b & 0x400),
        traffic_announcement=bool(group.b & 0x10),
    )


def _read_text(group: Group) -> RadioText | None:
    if max(group.errors[2:]) > CORRECTED:
        return None
    characters = _characters(group.c) + _characters(group.d)
    return RadioText(4 * (group.b & 0xF), characters, bool(group.b & 0x10))


def _read_short_text(group: Group) -> RadioText | None:
    if group.errors[3] > CORRECTED:
        return None
    return RadioText(2 * (group.b & 0xF), _characters(group.d), bool(group.b & 0x10))


def _read_clock(group: Group) -> ClockTime | None:
    if any(group.errors[1:]):
        return None
    day = (group.b & 3) << 15 | group.c >> 1
    hour = (group.c & 1) << 4 | group.d >> 12
    minute = group.d >> 6 & 0x3F
    if hour > 23 or minute > 59:
        return None
    half_hours = group.d & 0x1F
    offset = timedelta(minutes=30 * (-half_hours if group.d & 0x20 else half_hours))
    return ClockTime(_MJD_EPOCH + timedelta(days=day, hours=hour, minutes=minute), offset)


_READERS: Final = {
    "0A": _read_name,
    "0B": _read_name,
    "2A": _read_text,
    "2B": _read_short_text,
    "4A": _read_clock,
}


def _pair(text: str, at: int) -> int:
    return ord(text[at]) << 8 | ord(text[at + 1])


def _characters(block: int) -> str:
    """Read two characters; what is not ASCII (the RDS table differs there) becomes ``?``."""
    return "".join(_character(code) for code in (block >> 8, block & 0xFF))


def _character(code: int) -> str:
    if 0x20 <= code <= 0x7E:
        return chr(code)
    return _END_OF_TEXT if code == 0x0D else "?"
