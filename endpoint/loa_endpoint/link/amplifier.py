"""The amplifier on its RS-485 bus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from loa_endpoint.core.amplifier import Amplifier
from loa_endpoint.core.amplifier_bus import AmplifierBus, Event
from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import Effect
from loa_endpoint.core.schedule import Planned
from loa_endpoint.link.conversation import Conversation, monotonic_ms
from loa_endpoint.link.ports import RETRY_S, LineProfile
from loa_protocol.amplifier_map import BAUD

AMPLIFIER_PROFILE: Final = LineProfile(speed=BAUD)  # the adapter itself switches the bus


class Waker(Protocol):
    """What the stage asks of an amplifier that sleeps between the sessions."""

    def lead(self, effects: Sequence[Effect], now_ms: int) -> list[Effect]:
        """Wake it for what sounds; return *effects*, put off where it is not awake by then."""

    def follow(self, planned: Iterable[Planned], now: Reading) -> None:
        """Wake it for a session."""

    def want(self, now_ms: int) -> None:
        """Hear that something sounds."""


class AmplifierLink:
    """One amplifier behind one port; start it with a loop running.

    Args:
        url: Its port.
        wake_ms: As measured at commissioning; 0 where nobody did.
        idle_ms: Without sound for so long it goes to sleep.
        on_event: Called with each event.
        retry_s: Pause between tries to open the port.
        is_patient: Somebody calls :meth:`look`, several times a second.
    """

    def __init__(
        self,
        url: str,
        wake_ms: int,
        idle_ms: int,
        *,
        on_event: Callable[[Event], None],
        retry_s: float = RETRY_S,
        is_patient: bool = False,
    ) -> None:
        self._amplifier = Amplifier(wake_ms, idle_ms, monotonic_ms())
        bus = AmplifierBus(self._amplifier)
        self._conversation: Conversation[Event] = Conversation(
            bus,
            url,
            profile=AMPLIFIER_PROFILE,
            on_event=on_event,
            retry_s=retry_s,
            may_wait=(lambda: bus.is_settled) if is_patient else None,
        )

    def start(self) -> None:
        """Open the port, or wait for it to be there."""
        self._conversation.start()

    def look(self) -> None:
        """Hear what has come, and let time pass; to be called several times a second."""
        self._conversation.look()

    def close(self) -> None:
        """Let go of the port; the amplifier stays as it is."""
        self._conversation.close()

    def lead(self, effects: Sequence[Effect], now_ms: int) -> list[Effect]:
        """Wake it for what sounds; return *effects*, put off where it is not awake by then."""
        was_asleep = self._amplifier.is_asleep
        led = self._amplifier.lead(effects, now_ms)
        self._pump(was_asleep=was_asleep)
        return led

    def follow(self, planned: Iterable[Planned], now: Reading) -> None:
        """Wake it for a session."""
        was_asleep = self._amplifier.is_asleep
        self._amplifier.follow(planned, now)
        self._pump(was_asleep=was_asleep)

    def want(self, now_ms: int) -> None:
        """Hear that something sounds."""
        was_asleep = self._amplifier.is_asleep
        self._amplifier.want(now_ms)
        self._pump(was_asleep=was_asleep)

    def _pump(self, *, was_asleep: bool) -> None:
        if was_asleep and not self._amplifier.is_asleep:
            self._conversation.pump()
