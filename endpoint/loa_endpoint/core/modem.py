"""The conversation with a 4G modem: its SIM's messages, its clock, and how it is.

AT commands of 3GPP TS 27.007 and 27.005, in PDU mode; bytes and time go in, commands and events
come out. Lines that nobody asked for may stand anywhere, also inside a reply, and a command that
follows one too closely is lost on some modems. A message stays on the SIM until `delete`: a power
cut before it was dealt with loses nothing.
"""

from __future__ import annotations

import enum
import re
from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from loa_endpoint.core.modem_clock import parse_modem_clock
from loa_protocol.at_lines import AtLines, is_error, is_final
from loa_protocol.errors import FormatError
from loa_protocol.sms import Delivered, parse_deliver, tpdu_length

REPLY_MS: Final = 5_000
LIST_MS: Final = 20_000  # for a SIM full of messages
CALM_MS: Final = 120  # after a line that nobody asked for
HEALTH_MS: Final = 60_000
LIST_EVERY_MS: Final = 300_000  # what a lost notice would leave lying
PATIENCE: Final = 3  # commands without a reply, one after the other
MOST_WAITING: Final = 64  # commands
_MAX_INDEX: Final = 9999
_LIST: Final = "AT+CMGL=4"
_SIM: Final = "AT+CPIN?"
_SETUP: Final = ("ATE0", "AT+CMEE=1", _SIM, "AT+CMGF=0", "AT+CNMI=2,1,0,0,0")
_HEALTH: Final = (_SIM, "AT+CREG?", "AT+CSQ", "AT+CCLK?")
_NEEDED: Final = ("AT+CMGF=0", "AT+CNMI=2,1,0,0,0")  # without these no message comes in
_LISTED: Final = re.compile(r"\+CMGL: ?(\d{1,4}),\d?,[^,]{0,64},(\d{1,3})", re.ASCII)
_READ: Final = re.compile(r"\+CMGR: ?\d?,[^,]{0,64},(\d{1,3})", re.ASCII)
_DIRECT: Final = re.compile(r"\+CMT: ?(?:[^,]{0,64},)?(\d{1,3})", re.ASCII)
_NOTICE: Final = re.compile(r'\+CMTI: ?"\w{2}",(\d{1,4})', re.ASCII)
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})+", re.ASCII)
_SIGNAL: Final = re.compile(r"\+CSQ: ?(\d{1,3}),\d{1,3}", re.ASCII)
_OPERATOR: Final = re.compile(r'\+COPS: ?\d{1,2},\d,"([ -!#-~]{1,40})".*', re.ASCII)
_REGISTRATION: Final = re.compile(r"\+CREG: ?(\d{1,3})(?:, ?(\d{1,3}))?(?:,.{0,40})?", re.ASCII)
_NO_SIM: Final = re.compile(r"\+CME ERROR: ?(10|SIM not inserted)", re.ASCII | re.IGNORECASE)


class Sim(enum.StrEnum):
    """How the SIM is."""

    UNKNOWN = "unknown"
    READY = "ready"
    LOCKED = "locked"  # it wants a number that nobody here has
    ABSENT = "absent"


class Network(enum.StrEnum):
    """Where the modem is registered (TS 27.007 section 7.2)."""

    UNKNOWN = "unknown"
    NONE = "none"
    HOME = "home"
    SEARCHING = "searching"
    DENIED = "denied"
    ROAMING = "roaming"


_NETWORKS: Final = {
    0: Network.NONE,
    1: Network.HOME,
    2: Network.SEARCHING,
    3: Network.DENIED,
    5: Network.ROAMING,
}


@dataclass(frozen=True, slots=True)
class ModemFacts:
    """How the modem is; None for what it did not tell."""

    sim: Sim = Sim.UNKNOWN
    network: Network = Network.UNKNOWN
    operator: str | None = None
    signal_dbm: int | None = None
    is_silent: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A message came.

    Attributes:
        index: Where it lies on the SIM; None where the modem keeps none of it.
        content: What it is; None for what is no delivered message.
    """

    index: int | None
    content: Delivered | None


@dataclass(frozen=True, slots=True)
class ModemClock:
    """The modem told the time, which nobody signed."""

    unix_ms: int


@dataclass(frozen=True, slots=True)
class Quiet:
    """The modem does not answer: the line should be opened anew."""


Event = Message | ModemClock | Quiet


@dataclass(slots=True)
class _Asked:
    """The command under way."""

    command: str
    deadline_ms: int


class ModemHost:
    """Talks to one modem; *now_ms* is a monotonic clock."""

    def __init__(self) -> None:
        self.facts = ModemFacts()
        self._lines = AtLines()
        self._waiting: deque[str] = deque()
        self._asked: _Asked | None = None
        self._announced: tuple[int | None, int] | None = None  # index, length of the PDU to come
        self._outgoing = b""
        self._is_open = False
        self._is_set_up = False
        self._unanswered = 0
        self._calm_ms = self._health_ms = self._list_ms = 0

    # -- the driver's side

    def start(self, now_ms: int) -> None:
        """Set the modem up: the port has been opened."""
        self._reset()
        self._is_open = True
        self._calm_ms = now_ms
        self._set_up(now_ms)

    def closed(self) -> None:
        """The port is gone."""
        self._reset()

    def outgoing(self) -> bytes:
        """Return bytes to write, once."""
        data, self._outgoing = self._outgoing, b""
        return data

    def next_deadline(self) -> int | None:
        """Return when to tick."""
        if not self._is_open:
            return None
        if self._asked is not None:
            return self._asked.deadline_ms
        due = min(self._health_ms, self._list_ms)
        return self._calm_ms if self._waiting else max(due, self._calm_ms)

    def feed(self, data: bytes, now_ms: int) -> list[Event]:
        """Take what the modem says."""
        events: list[Event] = []
        for line in self._lines.feed(data):
            events += self._hear(line, now_ms)
        self._send(now_ms)
        return events

    def tick(self, now_ms: int) -> list[Event]:
        """Ask what is due; count what was not answered."""
        if not self._is_open:
            return []
        events: list[Event] = []
        if self._asked is not None and now_ms >= self._asked.deadline_ms:
            events = self._on_silence(now_ms)
        if now_ms >= self._health_ms:
            self._look(now_ms)
        if now_ms >= self._list_ms:
            self._list(now_ms)
        self._send(now_ms)
        return events

    # -- what others ask

    def delete(self, index: int) -> None:
        """Delete the message at *index* of the SIM: it has been dealt with."""
        self._ask(f"AT+CMGD={index}")

    # -- inside

    def _reset(self) -> None:
        self._lines.clear()
        self._waiting.clear()
        self._asked = self._announced = None
        self._outgoing, self._unanswered = b"", 0
        self._is_open = self._is_set_up = False

    def _set_up(self, now_ms: int) -> None:
        self._is_set_up = True  # until a command that is needed is refused
        for command in (*_SETUP, "AT+CREG?", "AT+CSQ", "AT+CCLK?"):
            self._ask(command)
        self._health_ms = now_ms + HEALTH_MS
        self._list(now_ms)

    def _look(self, now_ms: int) -> None:
        if not self._is_set_up:
            self._set_up(now_ms)
            return
        self._health_ms = now_ms + HEALTH_MS
        for command in _HEALTH:
            self._ask(command)

    def _list(self, now_ms: int) -> None:
        self._list_ms = now_ms + LIST_EVERY_MS
        self._ask("AT+COPS?")
        self._ask(_LIST)

    def _ask(self, command: str) -> None:
        if command not in self._waiting and len(self._waiting) < MOST_WAITING:
            self._waiting.append(command)

    def _send(self, now_ms: int) -> None:
        if self._asked is not None or not self._waiting or now_ms < self._calm_ms:
            return
        command = self._waiting.popleft()
        patience_ms = LIST_MS if command == _LIST else REPLY_MS
        self._asked = _Asked(command, now_ms + patience_ms)
        self._outgoing += command.encode() + b"\r"

    def _on_silence(self, now_ms: int) -> list[Event]:
        assert self._asked is not None  # only then is there a deadline
        self._fail(self._asked.command)
        self._asked = self._announced = None
        self._unanswered += 1
        if self._unanswered < PATIENCE:
            return []
        self.facts = replace(self.facts, is_silent=True)
        self._unanswered = 0
        self._calm_ms = now_ms + REPLY_MS  # the shell opens the line anew meanwhile
        return [Quiet()]

    def _fail(self, command: str) -> None:
        if command in _NEEDED:
            self._is_set_up = False

    # -- what it says

    def _hear(self, line: str, now_ms: int) -> list[Event]:
        if self._announced is not None and _HEX.fullmatch(line):
            return self._on_pdu(bytes.fromhex(line))
        if self._asked is not None and is_final(line):
            self._on_end(line, self._asked.command)
            return []
        if self._asked is not None and line == self._asked.command:
            return []  # an echo
        return self._on_line(line, now_ms)

    def _on_end(self, line: str, command: str) -> None:
        self._asked = self._announced = None
        self._unanswered = 0
        self.facts = replace(self.facts, is_silent=False)
        if not is_error(line):
            return
        self._fail(command)
        if command == _SIM:
            self._on_sim(Sim.ABSENT if _NO_SIM.fullmatch(line) else Sim.UNKNOWN)

    def _on_line(self, line: str, now_ms: int) -> list[Event]:
        command = "" if self._asked is None else self._asked.command
        if command == "AT+CCLK?" and line.startswith("+CCLK:"):
            return _clock(line)
        if command == _LIST and (listed := _LISTED.fullmatch(line)):
            self._announced = int(listed[1]), int(listed[2])
        elif command.startswith("AT+CMGR=") and (read := _READ.fullmatch(line)):
            self._announced = int(command.partition("=")[2]), int(read[1])
        elif command == _SIM and line.startswith("+CPIN:"):
            self._on_sim(
                Sim.READY if line.removeprefix("+CPIN:").strip() == "READY" else Sim.LOCKED
            )
        elif command == "AT+CSQ" and (signal := _SIGNAL.fullmatch(line)):
            self.facts = replace(self.facts, signal_dbm=_dbm(int(signal[1])))
        elif command == "AT+COPS?" and line.startswith("+COPS:"):
            named = _OPERATOR.fullmatch(line)
            self.facts = replace(self.facts, operator=named[1] if named else None)
        elif command == "AT+CREG?" and (stated := _REGISTRATION.fullmatch(line)):
            self._on_network(stated[2] or stated[1])
        else:
            self._on_unasked(line, now_ms)
        return []

    def _on_unasked(self, line: str, now_ms: int) -> None:
        self._calm_ms = now_ms + CALM_MS
        if (notice := _NOTICE.fullmatch(line)) and int(notice[1]) <= _MAX_INDEX:
            self._ask(f"AT+CMGR={int(notice[1])}")
        elif direct := _DIRECT.fullmatch(line):
            self._announced = None, int(direct[1])
        elif stated := _REGISTRATION.fullmatch(line):
            self._on_network(stated[1])

    def _on_pdu(self, pdu: bytes) -> list[Event]:
        assert self._announced is not None  # looked at before
        (index, length), self._announced = self._announced, None
        content: Delivered | None = None
        if tpdu_length(pdu) == length:
            try:
                content = parse_deliver(pdu)
            except FormatError:
                content = None  # whoever deletes it need not know why
        elif index is not None:
            return []  # damaged on the line: it is read once more with the next list
        return [Message(index, content)]

    def _on_sim(self, sim: Sim) -> None:
        if sim is not Sim.READY:
            self._is_set_up = False  # what was set may be forgotten with it
            self.facts = replace(self.facts, network=Network.UNKNOWN, operator=None)
        self.facts = replace(self.facts, sim=sim)

    def _on_network(self, stated: str) -> None:
        network = _NETWORKS.get(int(stated), Network.UNKNOWN)
        self.facts = replace(self.facts, network=network)


def _dbm(level: int) -> int | None:
    """Return dBm of a +CSQ level (TS 27.007 section 8.5): 0 to 31, 99 for not known."""
    return -113 + 2 * level if level <= 31 else None


def _clock(line: str) -> list[Event]:
    try:
        return [ModemClock(parse_modem_clock(line))]
    except FormatError:
        return []  # no zone, or a day that does not exist: no clock
