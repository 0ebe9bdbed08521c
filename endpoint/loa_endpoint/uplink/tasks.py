"""Ends of tasks: none is left running, and no cancellation is lost on the way.

``asyncio.wait_for`` of Python 3.11, which our MQTT client uses, swallows a cancellation that comes
in the moment its awaitable is done; what is cancelled once may run on. So here it is cancelled
until it is over.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

_AGAIN_S: Final = 0.5


async def first_of(*tasks: asyncio.Task[Any]) -> None:
    """Wait until one of *tasks* is done, end the others, and raise what the first raised."""
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(*tasks)
    for task in done:
        if not task.cancelled():
            task.result()


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel *tasks* and wait until they are over; what they raise is taken and dropped."""
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=_AGAIN_S)
    for task in tasks:
        if not task.cancelled():
            task.exception()


def give_way() -> None:
    """Raise CancelledError when the present task was cancelled and something swallowed it."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def wait_until(event: asyncio.Event, seconds: float | None) -> None:
    """Wait for *event*, at most *seconds*."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def call_from_thread(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    """Have *loop* call *function*; nothing happens when the loop is closed already."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(function)
