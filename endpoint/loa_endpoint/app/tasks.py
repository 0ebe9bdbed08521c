"""Task boundaries: a task that fails is logged and begun again; nothing else stops with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger("loa.endpoint")

_PAUSE_S = 1.0


async def keep_running(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run *work* again and again until cancelled.

    The one place in the agent that catches everything: a mistake of ours in one task must not
    silence a village.
    """
    while True:
        try:
            await work()
        except Exception:
            log.exception("task_failed", extra={"task": name})
        await asyncio.sleep(_PAUSE_S)


async def every(seconds: float, work: Callable[[], Awaitable[None] | None]) -> None:
    """Call *work* every *seconds*, the first time at once; a late turn is not made up for."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        result = work()
        if result is not None:
            await result
        due = max(due + seconds, loop.time())
        await asyncio.sleep(due - loop.time())
