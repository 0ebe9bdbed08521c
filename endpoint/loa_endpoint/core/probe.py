"""When to knock again at a bearer that failed: 10 s, then ever later, never in step with others."""

from __future__ import annotations

import random
from typing import Final

from loa_protocol.parameters import FallbackParameters

FULL_PERMILLE: Final = 1000


class Probe:
    """The times at which one failed bearer is opened to see whether it is back.

    Args:
        parameters: First and longest delay, jitter, and how long one try may take.
        rng: Source of the jitter; seeded, so that a run can be repeated.
    """

    def __init__(self, parameters: FallbackParameters, rng: random.Random) -> None:
        self._parameters = parameters
        self._rng = rng
        self._delay_ms = parameters.ip_probe_min_ms
        self._at_ms: int | None = None

    def schedule(self, now_ms: int) -> None:
        """Plan the next try, and double the delay for the one after."""
        spread = self._parameters.ip_probe_jitter_permille
        permille = FULL_PERMILLE + self._rng.randint(-spread, spread)
        self._at_ms = now_ms + self._delay_ms * permille // FULL_PERMILLE
        self._delay_ms = min(2 * self._delay_ms, self._parameters.ip_probe_max_ms)

    def reset(self) -> None:
        """Forget the plan: the bearer is well."""
        self._delay_ms = self._parameters.ip_probe_min_ms
        self._at_ms = None

    def is_due(self, now_ms: int) -> bool:
        """Tell whether the bearer should be open now; plans on where a try has run out."""
        if self._at_ms is None:
            self.schedule(now_ms)
        assert self._at_ms is not None
        if now_ms >= self._at_ms + self._parameters.ip_no_bytes_ms:
            self.schedule(now_ms)
        return now_ms >= self._at_ms

    def next_deadline(self, now_ms: int) -> int | None:
        """Return when a planned try begins or ends, None without a plan."""
        if self._at_ms is None:
            return None
        if now_ms < self._at_ms:
            return self._at_ms
        return self._at_ms + self._parameters.ip_no_bytes_ms
