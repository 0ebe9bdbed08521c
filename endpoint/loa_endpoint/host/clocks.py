"""The two clocks of the board, read in one place, and which run of the kernel they belong to."""

from __future__ import annotations

import time
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def monotonic_ms() -> int:
    """Return CLOCK_MONOTONIC in ms: never steps, shared with the player."""
    return time.monotonic_ns() // 1_000_000


def wall_ms() -> int:
    """Return the board's wall clock in unix ms: an unsigned source like any other."""
    return time.time_ns() // 1_000_000


def boot_id() -> bytes:
    """Return the kernel's id of this boot: monotonic times of two boots have nothing in common."""
    try:
        return _BOOT_ID.read_bytes().strip()[:64] or b"-"
    except OSError:
        return b"-"
