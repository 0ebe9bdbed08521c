"""Expands what ingest has committed into rows, beside the traffic and never in its way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from loa_protocol.errors import StoreError

RETRY_S: Final = 5.0

log = logging.getLogger(__name__)


class Projector:
    """Runs *project* at the start and after every commit, one at a time."""

    def __init__(self, project: Callable[[], int]) -> None:
        self._project = project
        self._has_work = asyncio.Event()
        self._has_work.set()  # what the last run of the server left

    def wake(self) -> None:
        """Something new is committed."""
        self._has_work.set()

    async def run(self, ready: asyncio.Event) -> None:
        """Expand until cancelled; *ready* at once, since nobody waits for rows."""
        ready.set()
        while True:
            await self._has_work.wait()
            self._has_work.clear()  # a commit from here on is another round
            try:
                await asyncio.to_thread(self._project)
            except StoreError as error:
                log.error("store_failed", extra={"why": str(error)})
                self._has_work.set()  # the batches are kept; only the rows wait
                await asyncio.sleep(RETRY_S)
