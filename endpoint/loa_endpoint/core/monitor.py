"""One monitor: two thresholds and two times turn a stream of readings into a verdict.

The form is that of real failover devices (Inovonics 541, DEVA DB7012): a reading under the low
threshold is bad, one at the high threshold or above is good, one in between is whatever the one
before was. What is bad for ``fail_ms`` has failed; what failed and is good for ``ok_ms`` is well
again. Quantities that are bad when high are fed with their sign changed.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Verdict(enum.Enum):
    """What a monitor says of its quantity."""

    UNKNOWN = "unknown"  # never read: neither a reason to trust nor to leave
    GOOD = "good"
    SUSPECT = "suspect"  # bad, not yet for fail_ms
    FAILED = "failed"
    RECOVERING = "recovering"  # failed, good again, not yet for ok_ms

    @property
    def is_bad_now(self) -> bool:
        """Tell whether the last reading was on the bad side."""
        return self is Verdict.SUSPECT or self is Verdict.FAILED  # asked often: no set, no hash

    @property
    def has_failed(self) -> bool:
        """Tell whether a switch away is due, or the way back not yet free."""
        return self is Verdict.FAILED or self is Verdict.RECOVERING


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The numbers of one monitor.

    Attributes:
        low: Readings under it are bad.
        high: Readings from it on are good; not below *low*.
        fail_ms: Bad for this long is failed; 0 fails at the first bad reading.
        ok_ms: Good for this long after a failure is good again.
    """

    low: int
    high: int
    fail_ms: int
    ok_ms: int

    def __post_init__(self) -> None:
        if self.low > self.high or min(self.fail_ms, self.ok_ms) < 0:
            raise ValueError(f"limits contradict themselves: {self}")


class Monitor:
    """Judge one quantity; times are monotonic milliseconds that never go back.

    A verdict is up to date as of the last ``handle`` or ``tick``.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.verdict = Verdict.UNKNOWN
        self.reading: int | None = None
        self._bad_since_ms: int | None = None
        self._good_since_ms: int | None = None

    def handle(self, reading: int, now_ms: int) -> Verdict:
        """Take a reading and return the verdict."""
        self.tick(now_ms)  # what fell due before this reading arrived comes first
        self.reading = reading
        if self._is_bad(reading):
            self._good_since_ms = None
            if self._bad_since_ms is None:
                self._bad_since_ms = now_ms
        else:
            self._bad_since_ms = None
            if self._good_since_ms is None:
                self._good_since_ms = now_ms
        return self.tick(now_ms)

    def tick(self, now_ms: int) -> Verdict:
        """Let time pass and return the verdict."""
        if self._good_since_ms is not None:
            if self.verdict is not Verdict.GOOD:
                self.verdict = self._judge_good(now_ms - self._good_since_ms)
        elif self._bad_since_ms is not None:
            self.verdict = self._judge_bad(now_ms - self._bad_since_ms)
        return self.verdict

    def next_deadline(self) -> int | None:
        """Return when time alone changes the verdict, None for never."""
        if self.verdict is Verdict.RECOVERING and self._good_since_ms is not None:
            return self._good_since_ms + self.limits.ok_ms
        if self.verdict is Verdict.SUSPECT and self._bad_since_ms is not None:
            return self._bad_since_ms + self.limits.fail_ms
        return None

    def forget(self) -> None:
        """Start as if nothing had been read, a failure apart: only good readings end that."""
        self.reading = None
        self._good_since_ms = None
        if self.verdict.has_failed:
            self.verdict = Verdict.FAILED
        else:
            self._bad_since_ms = None
            self.verdict = Verdict.UNKNOWN

    def _is_bad(self, reading: int) -> bool:
        if reading < self.limits.low:
            return True
        if reading >= self.limits.high:
            return False
        # Between the two: as before; at first neither was crossed, which is no complaint.
        return self._bad_since_ms is not None or self.verdict is Verdict.FAILED

    def _judge_good(self, good_ms: int) -> Verdict:
        if self.verdict.has_failed and good_ms < self.limits.ok_ms:
            return Verdict.RECOVERING
        return Verdict.GOOD

    def _judge_bad(self, bad_ms: int) -> Verdict:
        # A relapse while recovering is the old failure, not a new one: no second wait.
        if self.verdict.has_failed or bad_ms >= self.limits.fail_ms:
            return Verdict.FAILED
        return Verdict.SUSPECT
