"""Looks through the mailbox at the start and once a day: what was left half done, what is old."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Final

from loa_manager.mailbox.office import Office
from loa_protocol.errors import LoaError

DAY_S: Final = 86_400.0

log = logging.getLogger(__name__)


class MailKeeper:
    """Runs :meth:`Office.recover`; a fault of the rules or the disk is logged, and tried again."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def run(self, ready: asyncio.Event) -> None:
        """Look after the mailbox until cancelled; nobody waits for it."""
        ready.set()
        while True:
            try:
                await asyncio.to_thread(self._office.recover, datetime.now(UTC))
            except LoaError as error:
                log.error("mailbox_unavailable", extra={"why": str(error)})
            await asyncio.sleep(DAY_S)
