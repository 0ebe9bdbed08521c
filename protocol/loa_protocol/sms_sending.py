"""Sending messages through a modem or telephone on a serial line: the conversation, without I/O.

One message after the other in PDU mode (3GPP TS 27.005 clause 4.3). Nothing is sent twice by
itself: where a reply does not come nobody knows whether the message went, and the person decides.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from loa_protocol.at_lines import CTRL_Z, ESCAPE, PROMPT, AtLines, is_error, is_final
from loa_protocol.sms import tpdu_length

REPLY_MS: Final = 5_000
SENT_MS: Final = 60_000  # the network takes its time
_SETUP: Final = ("ATE0", "AT+CMEE=1", "AT+CMGF=0")
_MAY_FAIL: Final = "AT+CMEE=1"


@dataclass(frozen=True, slots=True)
class Sent:
    """The network took one message."""

    number: int  # of the messages, from 0


@dataclass(frozen=True, slots=True)
class Failed:
    """The modem said no, or nothing; what comes after was not tried."""

    number: int | None  # None: it was not even set up
    why: str


class SmsSending:
    """Sends PDUs in their order; *now_ms* is a monotonic clock."""

    def __init__(self, pdus: Iterable[bytes], now_ms: int) -> None:
        self._lines = AtLines()
        self._pdus = list(pdus)
        self._setup = deque(_SETUP)
        self._number: int | None = None
        self._is_prompted = False
        self._outgoing = b""
        self.is_over = False
        self._deadline_ms = now_ms
        self._next(now_ms)

    def outgoing(self) -> bytes:
        """Return bytes to write, once."""
        data, self._outgoing = self._outgoing, b""
        return data

    def next_deadline(self) -> int | None:
        """Return until when to wait for bytes; None once it is over."""
        return None if self.is_over else self._deadline_ms

    def feed(self, data: bytes, now_ms: int) -> list[Sent | Failed]:
        """Take what the modem says."""
        events: list[Sent | Failed] = []
        for line in self._lines.feed(data):
            if not self.is_over:
                events += self._hear(line, now_ms)
        return events

    def tick(self, now_ms: int) -> list[Sent | Failed]:
        """Give up where no reply came in time."""
        if self.is_over or now_ms < self._deadline_ms:
            return []
        self._outgoing += ESCAPE  # out of a prompt
        return [self._fail("no reply")]

    def _hear(self, line: str, now_ms: int) -> list[Sent | Failed]:
        if line == PROMPT and self._number is not None and not self._is_prompted:
            self._is_prompted = True
            self._outgoing += self._pdus[self._number].hex().upper().encode() + CTRL_Z
            self._deadline_ms = now_ms + SENT_MS
        elif is_error(line) and not (self._number is None and self._setup[0] == _MAY_FAIL):
            return [self._fail(line)]
        elif is_final(line):
            return self._done(now_ms)
        return []

    def _done(self, now_ms: int) -> list[Sent | Failed]:
        if self._number is None:
            self._setup.popleft()
            self._next(now_ms)
            return []
        if not self._is_prompted:
            return []  # the end of some earlier reply
        sent = Sent(self._number)
        self._next(now_ms)
        return [sent]

    def _next(self, now_ms: int) -> None:
        self._deadline_ms = now_ms + REPLY_MS
        if self._setup:
            self._outgoing += self._setup[0].encode() + b"\r"
            return
        self._number = 0 if self._number is None else self._number + 1
        self._is_prompted = False
        if self._number >= len(self._pdus):
            self.is_over = True
            return
        length = tpdu_length(self._pdus[self._number])
        self._outgoing += f"AT+CMGS={length}\r".encode()

    def _fail(self, why: str) -> Failed:
        self.is_over = True
        return Failed(self._number, why)
