"""Threads for those who come from outside, so that they never take the server's own.

What has to go on whatever strangers ask for (heads, orders, batches, the broker's questions) works
in the loop's common threads. A request that waits, for a disk or for another request, waits here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


class Threads:
    """A few threads for one kind of work; more work than threads waits for its turn."""

    def __init__(self, name: str, count: int) -> None:
        """Begin no thread yet; *name* is what they are called."""
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def run(self, act: Callable[..., Result], *given: Any) -> Result:  # noqa: ANN401 - as act
        """Return what *act* returns; raises as *act*."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, act, *given)
