"""A modem and its driver on one line, in virtual time; and people who send orders by telephone."""

from __future__ import annotations

from dataclasses import dataclass, field

from loa_endpoint.core.modem import Event, Message, ModemClock, ModemHost, Quiet
from loa_hwsim.modem import Modem, SmsNetwork
from loa_protocol.compact import compact
from loa_protocol.sms import make_deliver, make_submit, split
from support.province import NOW

GATEWAY, BOARD = "+84900000001", "+84912000004"
STEP_MS = 20


def texts(order: bytes, sender: str = GATEWAY) -> list[bytes]:
    """Return the messages that carry the bundle *order*, as the receiver's modem shows them."""
    pieces = split(compact(order))
    return [
        make_deliver(make_submit(BOARD, each, has_header=len(pieces) > 1), sender)
        for each in pieces
    ]


@dataclass
class ModemLab:
    """One line; `run` lets simulated time pass."""

    network: SmsNetwork = field(default_factory=SmsNetwork)
    garbage: float = 0.0
    chunk: int = 64  # bytes that come at once
    events: list[Event] = field(default_factory=list)
    now_ms: int = 0
    is_deaf: bool = False

    def __post_init__(self) -> None:
        self.modem = Modem(self.network, garbage=self.garbage)
        self.host = ModemHost()
        self.host.start(self.now_ms)
        self._under_way: list[tuple[float, bytes]] = []

    @property
    def wall_ms(self) -> float:
        """The network's time, which the modem tells."""
        return NOW.unix_s * 1000 + self.now_ms

    @property
    def messages(self) -> list[Message]:
        return [event for event in self.events if isinstance(event, Message)]

    @property
    def clocks(self) -> list[int]:
        return [event.unix_ms for event in self.events if isinstance(event, ModemClock)]

    @property
    def quiets(self) -> int:
        return sum(isinstance(event, Quiet) for event in self.events)

    def text(self, *pdus: bytes) -> None:
        """Send messages to the modem."""
        for pdu in pdus:
            self.modem.text(pdu, self.wall_ms)

    def run(self, seconds: float) -> list[Message]:
        """Let time pass; return the messages that came meanwhile."""
        before = len(self.messages)
        end_ms = self.now_ms + round(seconds * 1000)
        while self.now_ms < end_ms:
            self.now_ms += STEP_MS
            data = self.host.outgoing()
            outputs = self.modem.feed(data, self.wall_ms) if data else []
            outputs += self.modem.advance(self.wall_ms)
            self._under_way += [(each.when_ms, each.data) for each in outputs if not self.is_deaf]
            due = [data for when_ms, data in self._under_way if when_ms <= self.wall_ms]
            self._under_way = [each for each in self._under_way if each[0] > self.wall_ms]
            for each in due:
                for at in range(0, len(each), self.chunk):
                    self.events += self.host.feed(each[at : at + self.chunk], self.now_ms)
            deadline_ms = self.host.next_deadline()
            if deadline_ms is not None and deadline_ms <= self.now_ms:
                self.events += self.host.tick(self.now_ms)
        return self.messages[before:]
