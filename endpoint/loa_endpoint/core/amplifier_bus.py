"""Bring an amplifier over Modbus where it is wanted, and see that it is there: the master's side.

The map is :mod:`loa_protocol.amplifier_map`. A change is written at once, written again until it is
confirmed, and the status is read once a second between. Times are monotonic milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from loa_protocol import amplifier_map as registers
from loa_protocol.amplifier_map import AmplifierHolding, AmplifierInput, AmplifierReading
from loa_protocol.errors import MessageError
from loa_protocol.modbus import Function, Reply, ReplyDecoder, read_request, write_request

POLL_MS: Final = 1000
REPLY_MS: Final = 300  # what the PA-1250D's manual allows it
MOST_MISSED: Final = 4


@dataclass(frozen=True, slots=True)
class AmplifierRead:
    """What it said of itself."""

    reading: AmplifierReading


@dataclass(frozen=True, slots=True)
class AmplifierSilent:
    """It has left so many requests unanswered; said once."""

    why: str


@dataclass(frozen=True, slots=True)
class AmplifierBack:
    """It answers again."""


Event = AmplifierRead | AmplifierSilent | AmplifierBack


class Wish(Protocol):
    """Who says how the amplifier should be: :class:`loa_endpoint.core.amplifier.Amplifier`."""

    @property
    def is_asleep(self) -> bool:
        """Whether it is to sleep."""

    @property
    def is_muted(self) -> bool:
        """Whether it is to be mute."""

    def tick(self, now_ms: int) -> None:
        """Let time pass."""

    def next_deadline(self) -> int | None:
        """Return when to tick."""

    def fell_asleep(self, now_ms: int) -> None:
        """Hear from itself that it sleeps."""


class AmplifierBus:
    """The master of one amplifier; asks its :class:`Wish` how it should be."""

    def __init__(self, amplifier: Wish) -> None:
        self._amplifier = amplifier
        self._decoder = ReplyDecoder()
        self._out = b""
        self._is_open = False
        self._control: int | None = None  # as confirmed; None: nobody knows
        self._asked: int | None = None  # the control that was written and is not confirmed
        self._answer_by_ms: int | None = None
        self._poll_at_ms: int | None = None
        self._missed = 0

    @property
    def is_confirmed(self) -> bool:
        """Whether the amplifier has said that it is as it should be."""
        return self._control == self._wanted

    @property
    def is_settled(self) -> bool:
        """Whether the amplifier is as it should be, for a while: its answers can wait a moment."""
        is_waking = self._amplifier.is_muted and not self._amplifier.is_asleep
        return self.is_confirmed and not is_waking

    def start(self, now_ms: int) -> None:
        """Take note that the port has been opened."""
        self._decoder = ReplyDecoder()
        self._is_open, self._control, self._asked = True, None, None
        self._answer_by_ms, self._poll_at_ms = None, now_ms + POLL_MS

    def closed(self) -> None:
        """Take note that the port is gone."""
        self._is_open, self._answer_by_ms, self._out = False, None, b""

    def outgoing(self) -> bytes:
        """Return, once, the bytes that are to be written to the line."""
        data, self._out = self._out, b""
        return data

    def feed(self, data: bytes, now_ms: int) -> list[Event]:
        """Take bytes from the line and return what they tell."""
        events: list[Event] = []
        for reply in self._decoder.feed(data):
            if self._answer_by_ms is not None:
                self._answer_by_ms = None
                events += self._take(reply, now_ms)
        return events

    def tick(self, now_ms: int) -> list[Event]:
        """Let time pass: give up an answer, write what has changed, ask anew."""
        self._amplifier.tick(now_ms)
        events: list[Event] = []
        if self._poll_at_ms is None:
            self._poll_at_ms = now_ms + POLL_MS
        if self._answer_by_ms is not None:
            if now_ms < self._answer_by_ms:
                return events
            self._answer_by_ms = self._asked = None
            events += self._miss("no answer")
        is_due = now_ms >= self._poll_at_ms
        if is_due:
            self._poll_at_ms = now_ms + POLL_MS
        if not self._is_open:
            return [*events, *(self._miss("the port is not there") if is_due else [])]
        if self._control != self._wanted and (is_due or self._missed < MOST_MISSED):
            self._write(now_ms)
        elif is_due:
            start, count = AmplifierInput.STATUS, registers.COUNT
            self._send(read_request(registers.ADDRESS, Function.READ_INPUT, start, count), now_ms)
        return events

    def next_deadline(self) -> int | None:
        """Return when to call :meth:`tick` at the latest."""
        if self._answer_by_ms is not None:
            return self._answer_by_ms
        times = (self._poll_at_ms, self._amplifier.next_deadline())
        return min((each for each in times if each is not None), default=None)

    @property
    def _wanted(self) -> int:
        amplifier = self._amplifier
        return registers.control(is_asleep=amplifier.is_asleep, is_muted=amplifier.is_muted)

    def _write(self, now_ms: int) -> None:
        self._asked = self._wanted
        where = AmplifierHolding.CONTROL
        self._send(write_request(registers.ADDRESS, where, self._asked), now_ms)

    def _send(self, request: bytes, now_ms: int) -> None:
        self._decoder.expect(request)
        self._out = request
        self._answer_by_ms = now_ms + REPLY_MS

    def _take(self, reply: Reply, now_ms: int) -> list[Event]:
        asked, self._asked = self._asked, None
        if reply.exception is not None:
            return self._miss(f"exception {reply.exception:02x}")
        events: list[Event] = [AmplifierBack()] if self._missed >= MOST_MISSED else []
        self._missed = 0
        if asked is not None:
            self._control = asked
            return events
        try:
            reading = AmplifierReading.from_registers(reply.registers)
        except MessageError as error:
            return [*events, *self._miss(str(error))]
        self._check(reading, now_ms)
        return [*events, AmplifierRead(reading)]

    def _check(self, reading: AmplifierReading, now_ms: int) -> None:
        """See whether it is where it was brought; after a loss of its power it is not."""
        is_now = registers.control(is_asleep=reading.is_asleep, is_muted=reading.is_muted)
        if is_now != self._control:
            self._control = is_now
            if reading.is_asleep:
                self._amplifier.fell_asleep(now_ms)

    def _miss(self, why: str) -> list[Event]:
        self._missed += 1
        if self._missed != MOST_MISSED:
            return []
        self._control = None  # whatever it is by then
        return [AmplifierSilent(why)]
