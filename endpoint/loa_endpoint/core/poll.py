"""When to look at the content tree, and at which of its addresses (trust.md section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from loa_endpoint.core.retry import Backoff, jittered_ms

NUDGED_MS: Final = 3_600_000  # with a message session nudges come; look every hour all the same
ALONE_MS: Final = 30_000  # without one, for an hour
LONG_ALONE_MS: Final = 300_000  # and then
STATE_MS: Final = 3_600_000  # settings and assignment, which no head names
INCOMPLETE: Final = Backoff(first_ms=2000, most_ms=ALONE_MS)


class Poll:
    """Paces one endpoint; *now_ms* is a monotonic clock."""

    def __init__(self, identity: bytes) -> None:
        self._identity = identity
        self._turn = 0
        self._failures = 0
        self._address = 0
        self._alone_since_ms: int | None = None
        self._state_ms: int | None = None

    def next_ms(self, now_ms: int, *, is_nudged: bool, is_complete: bool) -> int:
        """Return how long to wait after a round.

        Args:
            now_ms: The time.
            is_nudged: Whether a message session stands.
            is_complete: Whether the round got everything it wanted.
        """
        self._turn += 1
        if is_nudged:
            self._alone_since_ms = None
        elif self._alone_since_ms is None:
            self._alone_since_ms = now_ms
        self._failures = 0 if is_complete else self._failures + 1
        regular = jittered_ms(self._interval_ms(now_ms), self._identity, self._turn)
        if is_complete:
            return regular
        return min(regular, INCOMPLETE.delay_ms(self._failures - 1, self._identity))

    def _interval_ms(self, now_ms: int) -> int:
        if self._alone_since_ms is None:
            return NUDGED_MS
        return ALONE_MS if now_ms - self._alone_since_ms < NUDGED_MS else LONG_ALONE_MS

    def is_state_due(self, now_ms: int) -> bool:
        """Tell whether settings and assignment should be looked at."""
        return self._state_ms is None or now_ms - self._state_ms >= STATE_MS

    def state_was_fetched(self, now_ms: int) -> None:
        """Say that they were."""
        self._state_ms = now_ms

    def pick(self, addresses: Sequence[str]) -> str:
        """Return the address of this turn."""
        return addresses[self._address % len(addresses)]

    def try_another_address(self) -> None:
        """Say that the present one failed."""
        self._address += 1
