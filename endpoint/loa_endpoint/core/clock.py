"""The clock ladder (trust.md section 4): how late it is, and how far that can be trusted.

Time is the last trusted instant plus monotonic time since; the wall clock of the board is only one
more unsigned source. A stepped or lying wall clock therefore moves nothing at full trust.

The rungs: T3 a fresh time answer, and drift since; T2 a battery clock that we set ourselves, or two
unsigned sources that agree; T1 the floor; T0 a board that never knew one. Only signed time and
monotonic time raise the floor, and only a command of the province (`Clock.reset_floor`) lowers it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loa_endpoint.core.answers import Answer, Answers
from loa_endpoint.core.time_source import AGREE_MS, Anchor, Jump, Sources
from loa_protocol.record import ClockTrust

MAX_ROUND_TRIP_MS = 5000  # trust.md section 2: an answer slower than this is refused
AGREEMENT_LIFE_MS = 24 * 3_600_000  # an agreement holds so long by monotonic time alone
FLOOR_SLACK_MS = 60_000  # two servers of a province are not further apart than that
_UNKNOWN_MS = 2**40  # a floor says how early it can be, nothing about how late


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The time at monotonic *mono_ms*: unix ms, its trust, and by how much it may be off."""

    mono_ms: int
    unix_ms: int
    trust: ClockTrust
    uncertainty_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """An unsigned source contradicts the known time; it is ignored and reported."""

    source: str
    off_by_ms: int


@dataclass(frozen=True, slots=True)
class _Known:
    """A time that was known once, and by how much it may have been off then."""

    anchor: Anchor
    error_ms: int

    def error_at(self, mono_ms: int) -> int:
        return self.error_ms + self.anchor.drift_ms(mono_ms)


class Clock:
    """The ladder. All *mono_ms* are readings of one monotonic clock, rising."""

    def __init__(self, *, floor_ms: int | None, build_ms: int, mono_ms: int) -> None:
        """Start at boot.

        Args:
            floor_ms: The floor kept on disk, None on a board that never knew one.
            build_ms: When this software was built: no honest time is earlier.
            mono_ms: The monotonic clock now.
        """
        self._has_floor, self._build_ms = floor_ms is not None, build_ms
        self._floor = Anchor(max(floor_ms or 0, build_ms), mono_ms)
        self._answers = Answers()
        self._battery: _Known | None = None
        self._agreed: _Known | None = None
        self._sources = Sources()
        self._allowance_ms = 0
        self._told: Reading | None = None  # the last reading; None where what it rests on changed

    def allow_unsigned(self, lead_s: int) -> None:
        """Let clocks that nobody signed lead the floor by at most *lead_s* (policy)."""
        self._allowance_ms, self._told = lead_s * 1000, None

    def on_signed_time(self, unix_ms: int, mono_ms: int) -> None:
        """Raise the floor by a signed time, such as a head's; heads can be replayed, so no more.

        One from the future of a fresh time answer does not come here (`loa_protocol.heads`): it
        would set a floor that no later answer could reach.
        """
        self._raise_floor(unix_ms, mono_ms)

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
        self._told = None
        self._answers.take(Answer(unix_ms, asked_ms + trip // 2, trip // 2 + 1))
        self._raise_floor(unix_ms, answered_ms)  # it may have been given when we asked
        return True

    @property
    def ask_again_ms(self) -> int:
        """How long after an answer the next one is due."""
        return self._answers.again_ms

    def on_battery(self, unix_ms: int | None, mono_ms: int, error_ms: int) -> None:
        """Take what the battery clock says, None where it cannot be believed.

        Args:
            unix_ms: Its time; that nobody changed or stopped it has been looked at before.
            mono_ms: The monotonic clock now.
            error_ms: By how much it may be off.
        """
        self._told = None
        self._battery = None if unix_ms is None else _Known(Anchor(unix_ms, mono_ms), error_ms)

    def on_unsigned(
        self, source: str, unix_ms: int, mono_ms: int
    ) -> tuple[Jump | Disagreement, ...]:
        """Hear an unsigned source (system clock, RDS, modem); return what is wrong with it."""
        self._told = None
        jump = self._sources.hear(source, unix_ms, mono_ms)
        self._agree(mono_ms)
        now = self.read(mono_ms)
        off = unix_ms - now.unix_ms
        is_known = now.trust >= ClockTrust.T2
        differs = is_known and abs(off) > AGREE_MS + now.uncertainty_ms
        found = Disagreement(source=source, off_by_ms=off) if differs else None
        return tuple(each for each in (jump, found) if each is not None)

    def reset_floor(self, unix_ms: int, mono_ms: int) -> None:
        """Set the floor, back if need be, and forget every time that was known by the old one.

        Only by a command at province threshold over a nonce of this endpoint. No floor is earlier
        than the build.
        """
        self._floor = Anchor(max(unix_ms, self._build_ms), mono_ms)
        self._has_floor, self._told = True, None
        self._answers.forget()
        self._agreed = self._battery = None

    def read(self, mono_ms: int) -> Reading:
        """Return the time by the highest rung that holds."""
        told = self._told
        if told is None or told.mono_ms != mono_ms:  # one wake asks many times, in one millisecond
            told = self._told = self._read(mono_ms)
        return told

    def _read(self, mono_ms: int) -> Reading:
        floor = self.floor_ms(mono_ms)
        if self._answers.is_known and not self.floor_ahead_ms(mono_ms):
            told = self._answers.at(mono_ms)
            error = self._answers.error_ms(mono_ms) + max(0, floor - told)
            return _reading(mono_ms, max(told, floor), ClockTrust.T3, error)
        known = self._second_best(mono_ms)
        if known is not None:
            return _reading(
                mono_ms, known.anchor.at(mono_ms), ClockTrust.T2, known.error_at(mono_ms)
            )
        trust = ClockTrust.T1 if self._has_floor else ClockTrust.T0
        return _reading(mono_ms, floor, trust, _UNKNOWN_MS)

    def floor_ms(self, mono_ms: int) -> int:
        """Return the earliest the time can be; never falls by itself, and is what goes to disk.

        It rises with monotonic time less the crystal's drift: a fast crystal must not lift the
        floor of an offline board above the next time answer.
        """
        return self._floor.at(mono_ms) - self._floor.drift_ms(mono_ms)

    def floor_ahead_ms(self, mono_ms: int) -> int:
        """Return by how much the floor lies beyond what the last time answer makes possible.

        0 where it does not. Then one of two signed times was wrong; neither is believed, and the
        province must say where the floor is.
        """
        if not self._answers.is_known:
            return 0
        latest = self._answers.at(mono_ms) + self._answers.error_ms(mono_ms) + FLOOR_SLACK_MS
        return max(0, self.floor_ms(mono_ms) - latest)

    def said(self) -> Mapping[str, Anchor]:
        """Return what each unsigned source said last."""
        return self._sources.said()

    def _raise_floor(self, unix_ms: int, mono_ms: int) -> None:
        self._has_floor, self._told = True, None
        if unix_ms > self.floor_ms(mono_ms):
            self._floor = Anchor(unix_ms, mono_ms)

    def _agree(self, mono_ms: int) -> None:
        """Look whether two sources agree; what they confirm goes on without a step."""
        low, high = self._bounds(mono_ms)
        agreed = self._sources.agreed(mono_ms, low_ms=low, high_ms=high)
        if agreed is None:
            return
        if self._agreed is not None:
            goes_on = self._agreed.anchor.at(mono_ms)
            if abs(goes_on - agreed) <= AGREE_MS:
                agreed = goes_on
        self._agreed = _Known(Anchor(agreed, mono_ms), AGREE_MS)

    def _second_best(self, mono_ms: int) -> _Known | None:
        """Return the time of T2: by the battery clock, else by agreement; None where neither."""
        if self.floor_ahead_ms(mono_ms):
            return None  # a signed time is wrong; what is unsigned cannot say which
        low, high = self._bounds(mono_ms)
        agreed = self._agreed
        if agreed is not None and mono_ms - agreed.anchor.mono_ms > AGREEMENT_LIFE_MS:
            agreed = None
        for known in (self._battery, agreed):
            if known is not None and low <= known.anchor.at(mono_ms) <= high:
                return known
        return None

    def _bounds(self, mono_ms: int) -> tuple[int, int]:
        floor = self.floor_ms(mono_ms)
        return floor, floor + self._allowance_ms


def _reading(mono_ms: int, unix_ms: int, trust: ClockTrust, error_ms: int) -> Reading:
    return Reading(mono_ms=mono_ms, unix_ms=unix_ms, trust=trust, uncertainty_ms=error_ms)
