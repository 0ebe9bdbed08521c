"""Turns the agent's rounds as its pace asks for, and together with what wakes it anyway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from loa_endpoint.core.pace import Pace
from loa_endpoint.host.clocks import monotonic_ms


class Rounds:
    """One round after the other, on the running loop.

    Args:
        work: Does what a round does.
        is_calm: Tells after it whether nothing is under way or near.
    """

    def __init__(self, work: Callable[[], None], is_calm: Callable[[], bool]) -> None:
        self._work, self._is_calm = work, is_calm
        self._pace = Pace()
        self._due: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def due_in_s(self) -> float:
        """How long until the next round is due."""
        return max(0, self._pace.due_ms - monotonic_ms()) / 1000

    async def run(self) -> None:
        """Turn rounds until cancelled."""
        try:
            while True:
                self.turn()
                self._due = asyncio.get_running_loop().create_future()
                self._set_alarm()
                await self._due
        finally:
            self._due = None
            self._clear_alarm()

    def turn(self) -> None:
        """Turn a round now."""
        self._work()
        self._pace.turned(monotonic_ms(), is_calm=self._is_calm())

    def stir(self) -> None:
        """Hear that something happened: much may follow from it, and soon."""
        before_ms = self._pace.due_ms
        self._pace.stir(monotonic_ms())
        if self._due is not None and self._pace.due_ms < before_ms:
            self._set_alarm()

    def awake(self) -> None:
        """Hear that the agent is awake anyway: what would be due soon is done now."""
        if self._due is not None and self._pace.is_worth(monotonic_ms()):
            self._end_wait()

    def _set_alarm(self) -> None:
        self._clear_alarm()
        loop = asyncio.get_running_loop()
        self._alarm = loop.call_later(self.due_in_s, self._end_wait)

    def _clear_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _end_wait(self) -> None:
        self._clear_alarm()
        if self._due is not None and not self._due.done():
            self._due.set_result(None)
