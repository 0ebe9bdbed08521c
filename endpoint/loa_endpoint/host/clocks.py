"""The two clocks of the board, read in one place."""

from __future__ import annotations

import time


def monotonic_ms() -> int:
    """Return CLOCK_MONOTONIC in ms: never steps, shared with the player."""
    return time.monotonic_ns() // 1_000_000


def wall_ms() -> int:
    """Return the board's wall clock in unix ms: an unsigned source like any other."""
    return time.time_ns() // 1_000_000
