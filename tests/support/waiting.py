"""Waiting for a condition with a deadline, for tests of real lines and processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

STEP_S = 0.005


async def eventually(condition: Callable[[], object], *, within_s: float = 10.0) -> None:
    """Return as soon as *condition* holds.

    Raises:
        AssertionError: It did not within *within_s*.
    """
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, f"not within {within_s:g} s"
        await asyncio.sleep(STEP_S)


def soon(condition: Callable[[], object], *, within_s: float = 10.0) -> None:
    """Return as soon as *condition* holds; for tests without an event loop.

    Raises:
        AssertionError: It did not within *within_s*.
    """
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, f"not within {within_s:g} s"
        time.sleep(STEP_S)
