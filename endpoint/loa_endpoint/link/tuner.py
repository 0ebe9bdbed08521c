"""The FM tuner on a serial line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from loa_endpoint.core.xdr import Event, Quiet, XdrHost, XdrTiming
from loa_endpoint.link.conversation import Conversation, monotonic_ms
from loa_endpoint.link.ports import RETRY_S, LineProfile

XDR_PROFILE: Final = LineProfile(speed=115_200, modem_lines=False)  # DTR would reset some boards


class Tuner(Protocol):
    """What the agent asks of any tuner; what it says comes as events."""

    def start(self) -> None:
        """Begin to talk to it."""

    def tune(self, khz: int) -> None:
        """Stand on a frequency, now and after each of its restarts."""

    def rest(self) -> None:
        """Want no frequency."""

    def look(self) -> None:
        """Hear what it said meanwhile."""

    def close(self) -> None:
        """Let go of it."""


class XdrTuner:
    """A tuner that speaks the XDR-GTK protocol; start it with a loop running.

    Args:
        url: Its port.
        on_event: Called with each event; ``loa_endpoint.core.xdr.to_reading`` turns it into what
            the fallback machine hears.
        timing: Waits and tries of the protocol.
        retry_s: Pause between tries to open the port.
        is_patient: Somebody calls :meth:`look`, several times a second.
    """

    def __init__(
        self,
        url: str,
        on_event: Callable[[Event], None],
        *,
        timing: XdrTiming | None = None,
        retry_s: float = RETRY_S,
        is_patient: bool = False,
    ) -> None:
        self._host = XdrHost(timing)
        self._on_event = on_event
        self._conversation: Conversation[Event] = Conversation(
            self._host,
            url,
            profile=XDR_PROFILE,
            on_event=self._hear,
            retry_s=retry_s,
            may_wait=(lambda: self._host.is_settled) if is_patient else None,
        )

    def start(self) -> None:
        """Open the port, or wait for it to be there."""
        self._conversation.start()

    def tune(self, khz: int) -> None:
        """Stand on *khz* from now on.

        Raises:
            ValueError: *khz* is no frequency.
        """
        self._host.tune(khz, monotonic_ms())
        self._conversation.pump()

    def rest(self) -> None:
        """Want no frequency."""
        self._host.rest()
        self._conversation.pump()

    def look(self) -> None:
        """Hear what has come, and let time pass; to be called several times a second."""
        self._conversation.look()

    def close(self) -> None:
        """Let go of the port."""
        self._conversation.close()

    def _hear(self, event: Event) -> None:
        if isinstance(event, Quiet):
            self._conversation.kept.reopen()
        self._on_event(event)
