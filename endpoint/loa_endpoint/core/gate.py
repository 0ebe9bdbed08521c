"""When an item may begin at all: after the wait for a head, with the time known, while it is fresh.

Only beginnings pass here; what sounds goes on.
"""

from __future__ import annotations

from loa_endpoint.core.clock import Reading
from loa_protocol.record import ClockTrust


class Gate:
    """What keeps items from beginning, orders apart.

    Attributes:
        hold_until_ms: Monotonic: none begins before; None is until told.
        again_ms: Monotonic: none begins before; one could not be written down.
        schedule_until_ms: Unix: none begins from then on, for want of a head; None is no limit.
    """

    def __init__(self) -> None:
        self.hold_until_ms: int | None = 0
        self.again_ms = 0
        self.schedule_until_ms: int | None = None

    def is_open(self, now: Reading) -> bool:
        """Tell whether an item may begin."""
        is_held = self.hold_until_ms is None or now.mono_ms < self.hold_until_ms
        is_early = now.mono_ms < self.again_ms or now.trust < ClockTrust.T2
        return not (is_held or is_early or self.is_stale(now))

    def is_stale(self, now: Reading) -> bool:
        """Tell whether the schedule has run too long without a head."""
        return self.schedule_until_ms is not None and now.unix_ms >= self.schedule_until_ms

    def is_calm(self, now: Reading, later: Reading) -> bool:
        """Tell whether both answers are the same at *now* and *later*."""
        is_same = self.is_open(now) == self.is_open(later)
        return is_same and self.is_stale(now) == self.is_stale(later)
