"""The loop between a kept port and a protocol core: bytes and time in, bytes and events out.

A device that says much of little urgency would wake the agent for each of its lines. So whoever
turns rounds may let a conversation be patient: while its core awaits nothing, bytes wait in the
system, and are taken with the rest of the round. The system keeps 4,095 bytes for a reader, and 64
KiB behind them; in the second between two rounds a line of 115,200 bit/s brings 11.5 kB at the
very most, and the most talkative device, a tuner, says 0.6 kB a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from loa_endpoint.link.ports import RETRY_S, KeptPort, LineProfile

E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)


class Core(Protocol[E_co]):
    """What the drivers of ``core`` have in common; times are monotonic milliseconds."""

    def start(self, now_ms: int) -> None:
        """Take note that the port has been opened."""

    def closed(self) -> None:
        """Take note that the port is gone."""

    def feed(self, data: bytes, now_ms: int) -> Sequence[E_co]:
        """Take bytes."""

    def tick(self, now_ms: int) -> Sequence[E_co]:
        """Let time pass."""

    def outgoing(self) -> bytes:
        """Return bytes to send."""

    def next_deadline(self) -> int | None:
        """Return when to tick."""


def monotonic_ms() -> int:
    """Return the monotonic time in milliseconds."""
    return time.monotonic_ns() // 1_000_000


class Conversation(Generic[E]):
    """Run one core on one port.

    Args:
        core: The protocol; call :meth:`pump` after asking it for something.
        url: The port, see :mod:`loa_endpoint.link.ports`.
        profile: How to talk on it.
        on_event: Called with each event, on the loop.
        retry_s: Pause between tries to open the port.
        may_wait: Tells whether the core awaits nothing that :meth:`look`, called several times a
            second, would bring too late; None where nobody calls that.
    """

    def __init__(
        self,
        core: Core[E],
        url: str,
        *,
        profile: LineProfile,
        on_event: Callable[[E], None],
        retry_s: float = RETRY_S,
        may_wait: Callable[[], bool] | None = None,
    ) -> None:
        self._core, self._on_event = core, on_event
        self._may_wait = may_wait
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False
        self.kept = KeptPort(
            url,
            profile,
            on_opened=self._opened,
            on_bytes=self._heard,
            on_lost=self._lost,
            retry_s=retry_s,
        )

    def start(self) -> None:
        """Open the port and go on for as long as the loop runs."""
        self.kept.start()
        self.pump()

    def close(self) -> None:
        """Stop, and let go of the port."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.kept.close()

    def look(self) -> None:
        """Hear what has come, then let time pass: what is here in time is not missed."""
        self.kept.read()
        self.pump()

    def pump(self) -> None:
        """Let the core act on the time, send what it has to say, and set the next alarm."""
        self._tell(self._core.tick(monotonic_ms()))

    def _opened(self) -> None:
        self._core.start(monotonic_ms())
        self.pump()

    def _lost(self) -> None:
        self._core.closed()
        self.pump()

    def _heard(self, data: bytes) -> None:
        self._tell(self._core.feed(data, monotonic_ms()))
        self.pump()

    def _tell(self, events: Sequence[E]) -> None:
        self.kept.write(self._core.outgoing())
        self._set_alarm()
        for event in events:
            self._on_event(event)

    def _set_alarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        is_patient = self._may_wait is not None and self._may_wait()
        self.kept.listen(at_once=not is_patient)
        if is_patient:
            return
        deadline_ms = self._core.next_deadline()
        if deadline_ms is not None and not self._is_closed:
            delay_s = max(deadline_ms - monotonic_ms(), 0) / 1000
            self._timer = asyncio.get_running_loop().call_later(delay_s, self.pump)
