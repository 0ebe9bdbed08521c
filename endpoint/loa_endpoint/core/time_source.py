"""Clocks that nobody signed: the system clock, RDS clock-time, the modem's clock.

Each may lie, jump or stand still; one alone is never believed. Two that agree are, within bounds
that the caller sets (the floor, and how far policy lets them lead it). Which of them exist is the
shell's business: a source is a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

AGREE_MS = 5000  # two unsigned sources agree within this
SOURCE_LIFE_MS = 15 * 60_000  # what a source said longer ago counts no more
DRIFT_PPM = 100  # a cheap crystal over the temperatures of a pole


@dataclass(frozen=True, slots=True)
class Anchor:
    """An instant known at a monotonic time."""

    unix_ms: int
    mono_ms: int

    def at(self, mono_ms: int) -> int:
        """Return the unix time this anchor gives at *mono_ms*."""
        return self.unix_ms + mono_ms - self.mono_ms

    def drift_ms(self, mono_ms: int) -> int:
        """Return by how much the crystal may have gone wrong since."""
        return max(0, mono_ms - self.mono_ms) * DRIFT_PPM // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Jump:
    """A source went on from another place than where it stood."""

    source: str
    by_ms: int


class Sources:
    """What each unsigned source said last."""

    def __init__(self) -> None:
        self._said: dict[str, Anchor] = {}

    def hear(self, source: str, unix_ms: int, mono_ms: int) -> Jump | None:
        """Take the word of *source*; return the jump that it made since its last one."""
        before = self._said.get(source)
        self._said[source] = Anchor(unix_ms, mono_ms)
        if before is None:
            return None
        by = unix_ms - before.at(mono_ms)
        is_jump = abs(by) > AGREE_MS + before.drift_ms(mono_ms)
        return Jump(source=source, by_ms=by) if is_jump else None

    def said(self) -> dict[str, Anchor]:
        """Return the last word of each source."""
        return dict(self._said)

    def agreed(self, mono_ms: int, *, low_ms: int, high_ms: int) -> int | None:
        """Return the time on which two fresh sources agree, None where no two do.

        Args:
            mono_ms: The monotonic clock now.
            low_ms: The earliest time that may be believed.
            high_ms: The latest.
        """
        fresh = sorted(
            anchor.at(mono_ms)
            for anchor in self._said.values()
            if mono_ms - anchor.mono_ms <= SOURCE_LIFE_MS
            and low_ms <= anchor.at(mono_ms) <= high_ms
        )
        pairs = pairwise(fresh)
        return next((early for early, late in pairs if late - early <= AGREE_MS), None)
