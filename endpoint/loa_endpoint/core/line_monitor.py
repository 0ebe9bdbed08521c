"""Poll the line-supervision board once a second: Modbus RTU, master's side, without a line.

The board's map is :mod:`loa_protocol.line_map`. One request is under way at a time; after a missing
or damaged answer the line rests until the next poll, so that a late answer is not taken for a new
one. Times are monotonic milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from loa_protocol.errors import MessageError
from loa_protocol.line_map import LineInput, LineReading
from loa_protocol.modbus import ExceptionCode, Function, Reply, ReplyDecoder, read_request

POLL_MS: Final = 1000
REPLY_MS: Final = 500  # 35 bytes take 40 ms at 9600 bit/s; the rest is the board's own time
MOST_MISSED: Final = 5
_FIRST: Final = LineInput.VERSION
_ALL: Final = LineInput.CURRENT + 1
_VERSION_1: Final = LineInput.CONFIG_CRC + 1


@dataclass(frozen=True, slots=True)
class LineRead:
    """What the board measured, asked at *at_ms*: level and current of the second before."""

    at_ms: int
    reading: LineReading


@dataclass(frozen=True, slots=True)
class BoardSilent:
    """The board has left so many polls unanswered; said once."""

    missed: int
    why: str


@dataclass(frozen=True, slots=True)
class BoardBack:
    """It answers again."""


Event = LineRead | BoardSilent | BoardBack


class LineMonitor:
    """The master of one board.

    Args:
        address: The board's, 20 to 39.
        poll_ms: From one poll to the next.
        reply_ms: How long an answer may take; shorter than *poll_ms*.
    """

    def __init__(self, address: int, *, poll_ms: int = POLL_MS, reply_ms: int = REPLY_MS) -> None:
        if reply_ms >= poll_ms:
            raise ValueError(f"an answer may take {reply_ms} ms, but a poll comes each {poll_ms}")
        self._address, self._poll_ms, self._reply_ms = address, poll_ms, reply_ms
        self._decoder = ReplyDecoder()
        self._count = _ALL
        self._out = b""
        self._poll_at_ms: int | None = None  # None: time has not begun
        self._is_open = False
        self._answer_by_ms: int | None = None
        self._asked_ms = 0
        self._missed = 0

    def start(self, now_ms: int) -> None:
        """Take note that the port has been opened."""
        self._decoder = ReplyDecoder()
        self._is_open, self._poll_at_ms, self._answer_by_ms = True, now_ms, None

    def closed(self) -> None:
        """Take note that the port is gone: polls go unanswered until it is back."""
        self._is_open, self._answer_by_ms, self._out = False, None, b""

    def outgoing(self) -> bytes:
        """Return, once, the bytes that are to be written to the line."""
        data, self._out = self._out, b""
        return data

    def feed(self, data: bytes, _now_ms: int) -> list[Event]:
        """Take bytes from the line and return what they tell, whenever they are read."""
        events: list[Event] = []
        for reply in self._decoder.feed(data):
            if self._answer_by_ms is not None:
                self._answer_by_ms = None
                events += self._take(reply)
        return events

    def tick(self, now_ms: int) -> list[Event]:
        """Let time pass: give up an answer, ask anew."""
        events: list[Event] = []
        if self._answer_by_ms is not None and now_ms >= self._answer_by_ms:
            self._answer_by_ms = None
            events += self._miss("no answer")
        if self._poll_at_ms is None:
            self._poll_at_ms = now_ms + self._poll_ms
        elif now_ms >= self._poll_at_ms:
            late_ms = now_ms - self._poll_at_ms
            self._poll_at_ms = now_ms + self._poll_ms - late_ms % self._poll_ms
            events += self._ask(now_ms)
        return events

    def next_deadline(self) -> int | None:
        """Return when to call :meth:`tick` at the latest, None before the first time."""
        times = (self._poll_at_ms, self._answer_by_ms)
        return min((each for each in times if each is not None), default=None)

    def _ask(self, now_ms: int) -> list[Event]:
        if not self._is_open:
            return self._miss("the port is not there")
        request = read_request(self._address, Function.READ_INPUT, _FIRST, self._count)
        self._decoder.expect(request)
        self._out = request
        self._asked_ms, self._answer_by_ms = now_ms, now_ms + self._reply_ms
        return []

    def _take(self, reply: Reply) -> list[Event]:
        if reply.exception is not None:
            if reply.exception == ExceptionCode.ILLEGAL_ADDRESS:
                self._count = _VERSION_1  # an older board, without level and current
            return self._miss(f"exception {reply.exception:02x}")
        try:
            reading = LineReading.from_registers(reply.registers)
        except MessageError as error:
            return self._miss(str(error))
        was_silent = self._missed >= MOST_MISSED
        self._missed = 0
        back: list[Event] = [BoardBack()] if was_silent else []
        return [*back, LineRead(self._asked_ms, reading)]

    def _miss(self, why: str) -> list[Event]:
        self._missed += 1
        return [BoardSilent(self._missed, why)] if self._missed == MOST_MISSED else []
