"""The black box's files by their names, and which of them have to go. No I/O.

A file is named after what is in it, so that the folder itself is the index: there is no second
thing that could tell otherwise after a power cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

SUFFIX: Final = ".opus"
_NAME: Final = re.compile(r"(\d{13})-(\d{1,8})-([0-9a-f]{64})\.opus", re.ASCII)
DAY_MS: Final = 86_400_000
OLD_AT_ONCE: Final = 2
"""Files that age takes for each that comes: a clock that is wrong for an hour costs two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxLimits:
    """How much a black box holds.

    Attributes:
        bytes: Of files. Sound is about 11 kbit/s: 2 GB hold 14 days of sound without a pause.
        age_ms: What began longer ago goes.
        reserve_bytes: Left to others on the disk; no more than a twentieth of a small one.
    """

    bytes: int = 2_000_000_000
    age_ms: int = 14 * DAY_MS
    reserve_bytes: int = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One file: from unix *start_ms* on, by the endpoint's clock of then."""

    start_ms: int
    duration_ms: int
    sha256: bytes
    size: int

    @property
    def name(self) -> str:
        """Its name; names sort as the files began."""
        return f"{self.start_ms:013}-{self.duration_ms}-{self.sha256.hex()}{SUFFIX}"

    @property
    def end_ms(self) -> int:
        """When its last sample sounded."""
        return self.start_ms + self.duration_ms


def parse_name(name: str, size: int) -> Segment | None:
    """Return the segment in the file *name*; None for a file that is none of ours."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    start, duration, digest = found.groups()
    return Segment(
        start_ms=int(start), duration_ms=int(duration), sha256=bytes.fromhex(digest), size=size
    )


def between(segments: Iterable[Segment], since_ms: int, until_ms: int) -> list[Segment]:
    """Return those that hold something of the time from *since_ms* to *until_ms*, oldest first."""
    found = (each for each in segments if each.start_ms < until_ms and each.end_ms > since_ms)
    return sorted(found, key=lambda each: each.name)


def outdated(kept: list[Segment], newest_ms: int, limits: BoxLimits) -> list[Segment]:
    """Return which of *kept*, oldest first, are too old beside one of *newest_ms*."""
    return [each for each in kept[:OLD_AT_ONCE] if each.start_ms < newest_ms - limits.age_ms]
