"""The 4G modem on a serial line, for its messages and its clock; data go through the system."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from loa_endpoint.core.modem import Event, ModemFacts, ModemHost, Quiet
from loa_endpoint.link.conversation import Conversation
from loa_endpoint.link.ports import RETRY_S, LineProfile

MODEM_PROFILE: Final = LineProfile(speed=115_200)  # USB modems do not care


class Modem:
    """A modem that speaks AT commands; start it with a loop running.

    Args:
        url: Its port; ModemManager must be told to leave it alone.
        on_event: Called with each event.
        retry_s: Pause between tries to open the port.
    """

    def __init__(
        self, url: str, on_event: Callable[[Event], None], *, retry_s: float = RETRY_S
    ) -> None:
        self._host = ModemHost()
        self._on_event = on_event
        self._conversation: Conversation[Event] = Conversation(
            self._host, url, profile=MODEM_PROFILE, on_event=self._hear, retry_s=retry_s
        )

    @property
    def facts(self) -> ModemFacts:
        """How the modem is."""
        return self._host.facts

    @property
    def is_open(self) -> bool:
        """Whether its port is there."""
        return self._conversation.kept.port is not None

    def start(self) -> None:
        """Open the port, or wait for it to be there."""
        self._conversation.start()

    def delete(self, index: int) -> None:
        """Delete a message from the SIM."""
        self._host.delete(index)
        self._conversation.pump()

    def close(self) -> None:
        """Let go of the port."""
        self._conversation.close()

    def _hear(self, event: Event) -> None:
        if isinstance(event, Quiet):
            self._conversation.kept.reopen()
        self._on_event(event)
