"""The clock ladder (trust.md section 4): how late it is, and how far that can be trusted.

Time is the last trusted instant plus monotonic time since; the wall clock of the board is only one
more unsigned source. A stepped or lying wall clock therefore moves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from loa_protocol.record import ClockTrust

MAX_ROUND_TRIP_MS = 5000  # trust.md section 2: an answer slower than this is refused
AGREE_MS = 5000  # two unsigned sources agree within this
SOURCE_LIFE_MS = 15 * 60_000  # an unsigned source older than this speaks no more
_UNKNOWN_MS = 2**40  # a floor says how early it can be, nothing about how late
_DRIFT_PPM = 100  # a cheap crystal over the temperatures of a pole


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The time at monotonic *mono_ms*: unix ms, its trust, and by how much it may be off."""

    mono_ms: int
    unix_ms: int
    trust: ClockTrust
    uncertainty_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """An unsigned source contradicts the trusted time; it is ignored and reported."""

    source: str
    off_by_ms: int


@dataclass(frozen=True, slots=True)
class _Anchor:
    """An instant known at a monotonic time."""

    unix_ms: int
    mono_ms: int

    def at(self, mono_ms: int) -> int:
        """Return the unix time this anchor gives at *mono_ms*."""
        return self.unix_ms + mono_ms - self.mono_ms


class Clock:
    """The ladder. All *mono_ms* are readings of one monotonic clock, rising."""

    def __init__(self, *, floor_ms: int | None, build_ms: int, mono_ms: int) -> None:
        """Start at boot.

        Args:
            floor_ms: The floor kept on disk, None on a board that never knew one.
            build_ms: When this software was built: no honest time is earlier.
            mono_ms: The monotonic clock now.
        """
        self._has_floor = floor_ms is not None
        self._floor = _Anchor(max(floor_ms or 0, build_ms), mono_ms)
        self._answer: _Anchor | None = None
        self._answer_error_ms = 0
        self._unsigned: dict[str, _Anchor] = {}
        self._allowance_ms = 0

    def allow_unsigned(self, lead_s: int) -> None:
        """Let agreeing unsigned sources lead the floor by at most *lead_s* (policy)."""
        self._allowance_ms = lead_s * 1000

    def on_signed_time(self, unix_ms: int, mono_ms: int) -> None:
        """Raise the floor by a signed time, such as a head's; heads can be replayed, so no more."""
        self._has_floor = True
        if unix_ms > self._floor.at(mono_ms):
            self._floor = _Anchor(unix_ms, mono_ms)

    def on_answer(self, unix_ms: int, *, asked_ms: int, answered_ms: int) -> bool:
        """Take an accepted time answer; tell whether it was quick enough to trust.

        Args:
            unix_ms: The signed time.
            asked_ms: Monotonic time when the nonce left.
            answered_ms: Monotonic time when the answer came.
        """
        trip = answered_ms - asked_ms
        if not 0 <= trip <= MAX_ROUND_TRIP_MS:
            return False
        middle = asked_ms + trip // 2
        self.on_signed_time(unix_ms, middle)
        self._answer, self._answer_error_ms = _Anchor(unix_ms, middle), trip // 2 + 1
        return True

    def on_unsigned(self, source: str, unix_ms: int, mono_ms: int) -> Disagreement | None:
        """Hear an unsigned source (system clock, RDS, modem); return what it contradicts."""
        self._unsigned[source] = _Anchor(unix_ms, mono_ms)
        if self._answer is None:
            return None
        off = unix_ms - self._answer.at(mono_ms)
        return Disagreement(source=source, off_by_ms=off) if abs(off) > AGREE_MS else None

    def read(self, mono_ms: int) -> Reading:
        """Return the time by the highest rung that holds."""
        if self._answer is not None:
            elapsed = mono_ms - self._answer.mono_ms
            error = self._answer_error_ms + elapsed * _DRIFT_PPM // 1_000_000
            now = max(self._answer.at(mono_ms), self.floor_ms(mono_ms))
            return _reading(mono_ms, now, ClockTrust.T3, error)
        agreed = self._agreed(mono_ms)
        if agreed is not None:
            return _reading(mono_ms, agreed, ClockTrust.T2, AGREE_MS)
        trust = ClockTrust.T1 if self._has_floor else ClockTrust.T0
        return _reading(mono_ms, self.floor_ms(mono_ms), trust, _UNKNOWN_MS)

    def floor_ms(self, mono_ms: int) -> int:
        """Return the earliest the time can be; never falls, and is what goes to disk."""
        return self._floor.at(mono_ms)

    def _agreed(self, mono_ms: int) -> int | None:
        floor = self.floor_ms(mono_ms)
        fresh = sorted(
            anchor.at(mono_ms)
            for anchor in self._unsigned.values()
            if mono_ms - anchor.mono_ms <= SOURCE_LIFE_MS
            and floor <= anchor.at(mono_ms) <= floor + self._allowance_ms
        )
        for earlier, later in pairwise(fresh):
            if later - earlier <= AGREE_MS:
                return earlier
        return None


def _reading(mono_ms: int, unix_ms: int, trust: ClockTrust, error_ms: int) -> Reading:
    return Reading(mono_ms=mono_ms, unix_ms=unix_ms, trust=trust, uncertainty_ms=error_ms)
