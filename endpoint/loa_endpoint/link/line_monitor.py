"""The line-supervision board on its RS-485 bus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from loa_endpoint.core.line_monitor import POLL_MS, REPLY_MS, Event, LineMonitor
from loa_endpoint.link.conversation import Conversation
from loa_endpoint.link.ports import RETRY_S, LineProfile
from loa_protocol.line_map import BAUD

BOARD_PROFILE: Final = LineProfile(speed=BAUD)  # the adapter itself switches the bus


class LineBoardLink:
    """One board behind one port; start it with a loop running.

    Args:
        url: Its port.
        address: Its Modbus address, 20 to 39.
        on_event: Called with each event.
        poll_ms: From one poll to the next.
        retry_s: Pause between tries to open the port.
        is_patient: Somebody calls :meth:`look`, several times a second.
    """

    def __init__(
        self,
        url: str,
        address: int,
        *,
        on_event: Callable[[Event], None],
        poll_ms: int = POLL_MS,
        retry_s: float = RETRY_S,
        is_patient: bool = False,
    ) -> None:
        monitor = LineMonitor(address, poll_ms=poll_ms, reply_ms=min(REPLY_MS, poll_ms // 2))
        self._conversation: Conversation[Event] = Conversation(
            monitor,
            url,
            profile=BOARD_PROFILE,
            on_event=on_event,
            retry_s=retry_s,
            may_wait=(lambda: True) if is_patient else None,
        )

    def start(self) -> None:
        """Open the port, or wait for it to be there."""
        self._conversation.start()

    def look(self) -> None:
        """Hear what has come, and let time pass; to be called several times a second."""
        self._conversation.look()

    def close(self) -> None:
        """Let go of the port."""
        self._conversation.close()
