"""A 4G modem with a SIM, as an AT line shows it; and the mobile network between two telephones.

Modelled after the common ground of Quectel and SIMCom modules (TS 27.007, 27.005) in PDU mode. What
a network does to messages is in :class:`SmsNetwork`: it loses, repeats, delays and so reorders.
"""

from __future__ import annotations

import heapq
import random
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from loa_hwsim.device import Output
from loa_protocol.sms import tpdu_length

SIM_SLOTS: Final = 20
REPLY_MS: Final = 15.0
_MAX_LINE: Final = 600
_ZONE: Final = timedelta(hours=7)
_CTRL_Z, _ESCAPE = 0x1A, 0x1B
_NO_SIM: Final = b"\r\n+CME ERROR: 10\r\n"
_OK, _ERROR = b"\r\nOK\r\n", b"\r\nERROR\r\n"


@dataclass
class SmsNetwork:
    """What happens to messages between two telephones.

    Args:
        loss: Probability that a message never comes.
        repeats: Probability that it comes twice.
        delay_ms: The most that each is held up; so they overtake each other.
        seed: Of all chance.
    """

    loss: float = 0.0
    repeats: float = 0.0
    delay_ms: float = 0.0
    seed: int = 0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def carry(self, pdu: bytes, now_ms: float) -> list[tuple[float, bytes]]:
        """Return when a message comes: never, once or twice."""
        if self._random.random() < self.loss:
            return []
        times = 2 if self._random.random() < self.repeats else 1
        return [(now_ms + self._random.random() * self.delay_ms, pdu) for _ in range(times)]


class Modem:
    """One modem; ``sent`` holds the SMS-SUBMIT PDUs that the host sent."""

    def __init__(self, network: SmsNetwork | None = None, *, garbage: float = 0.0) -> None:
        """Be powered up, with a SIM.

        Args:
            network: What happens to messages that are sent to this modem.
            garbage: Probability that a reply is preceded by a line that nobody asked for.
        """
        self.network = network or SmsNetwork()
        self.sent: list[bytes] = []
        self.messages: dict[int, bytes] = {}  # on the SIM
        self.has_sim = True
        self._random = random.Random(self.network.seed + 1)
        self._garbage = garbage
        self._coming: list[tuple[float, int, bytes]] = []
        self._counter = 0
        self._line = bytearray()
        self._awaits: int | None = None  # the length of a PDU after the prompt
        self._echoes = True
        self._is_pdu_mode = self._tells = False

    # -- what happens to it

    def text(self, pdu: bytes, now_ms: float) -> None:
        """Send the SMS-DELIVER *pdu* to this modem, through the network."""
        for when_ms, each in self.network.carry(pdu, now_ms):
            self._counter += 1
            heapq.heappush(self._coming, (when_ms, self._counter, each))

    def power_cycle(self, _now_ms: float) -> None:
        """Forget what was set; the SIM keeps its messages."""
        self._line.clear()
        self._awaits, self._echoes = None, True
        self._is_pdu_mode = self._tells = False

    # -- the line

    def feed(self, data: bytes, now_ms: float) -> list[Output]:
        """Take what the host sent."""
        outputs = self.advance(now_ms)
        for byte in data:
            if self._awaits is not None:
                outputs += self._on_pdu_byte(byte, now_ms)
            elif byte == 0x0D:
                command = self._line.decode("latin-1").strip()
                self._line.clear()
                outputs += self._obey(command, now_ms)
            elif byte != 0x0A and len(self._line) < _MAX_LINE:
                self._line.append(byte)
        return outputs

    def advance(self, now_ms: float) -> list[Output]:
        """Let messages come in that are due; a full SIM, or none, leaves them with the network."""
        outputs: list[Output] = []
        while (
            self.has_sim
            and self._coming
            and self._coming[0][0] <= now_ms
            and len(self.messages) < SIM_SLOTS
        ):
            pdu = heapq.heappop(self._coming)[2]
            index = next(i for i in range(1, SIM_SLOTS + 1) if i not in self.messages)
            self.messages[index] = pdu
            if self._tells:
                outputs.append(Output(now_ms, f'\r\n+CMTI: "SM",{index}\r\n'.encode()))
        return outputs

    def next_deadline(self) -> float | None:
        """Return when the next message comes."""
        if not self.has_sim or not self._coming or len(self.messages) >= SIM_SLOTS:
            return None
        return self._coming[0][0]

    # -- inside

    def _obey(self, command: str, now_ms: float) -> list[Output]:
        reply = self._noise() + (command.encode("latin-1") + b"\r" if self._echoes else b"")
        reply += self._reply(command, now_ms)
        return [Output(now_ms + REPLY_MS, reply)] if command else []

    def _reply(self, command: str, now_ms: float) -> bytes:
        if command in ("AT", "AT+CMEE=1", "ATE0", "ATE1"):
            self._echoes = command == "ATE1" or (self._echoes and command != "ATE0")
            return _OK
        asked = {
            "AT+CSQ": f"+CSQ: {19 if self.has_sim else 99},99",
            "AT+CREG?": f"+CREG: 0,{1 if self.has_sim else 0}",
            "AT+COPS?": '+COPS: 0,0,"LOA TEST",7' if self.has_sim else "+COPS: 0",
            "AT+CCLK?": f'+CCLK: "{_clock(now_ms)}"',
        }
        if command in asked:
            return _told(asked[command])
        return self._reply_of_sim(command) if self.has_sim else _NO_SIM

    def _reply_of_sim(self, command: str) -> bytes:
        name, _, value = command.partition("=")
        if command == "AT+CPIN?":
            return _told("+CPIN: READY")
        if command == "AT+CMGF=0":
            self._is_pdu_mode = True
            return _OK
        if name == "AT+CNMI":
            self._tells = value.startswith("2,1")
            return _OK
        if command == "AT+CMGL=4" and self._is_pdu_mode:
            return b"".join(self._shown(i, f"+CMGL: {i},1,,") for i in sorted(self.messages)) + _OK
        if not value.isdecimal():
            return _ERROR
        return self._reply_about(name, int(value))

    def _reply_about(self, name: str, number: int) -> bytes:
        if name == "AT+CMGS" and self._is_pdu_mode and 0 < number <= 176:
            self._awaits = number
            return b"\r\n> "
        if name == "AT+CMGD":
            self.messages.pop(number, None)
            return _OK
        if name == "AT+CMGR" and self._is_pdu_mode:
            return (self._shown(number, "+CMGR: 1,,") if number in self.messages else b"") + _OK
        return _ERROR

    def _shown(self, index: int, head: str) -> bytes:
        pdu = self.messages[index]
        return f"\r\n{head}{tpdu_length(pdu)}\r\n{pdu.hex().upper()}".encode() + b"\r\n"

    def _on_pdu_byte(self, byte: int, now_ms: float) -> list[Output]:
        if byte not in (_CTRL_Z, _ESCAPE):
            if len(self._line) < _MAX_LINE:
                self._line.append(byte)
            return []
        typed, wanted = self._line.decode("latin-1").strip(), self._awaits
        self._line.clear()
        self._awaits = None
        if byte == _ESCAPE:
            return [Output(now_ms + REPLY_MS, _OK)]
        is_hex = re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", typed) is not None
        pdu = bytes.fromhex(typed) if is_hex else b""
        if not pdu or tpdu_length(pdu) != wanted:
            return [Output(now_ms + REPLY_MS, b"\r\n+CMS ERROR: 304\r\n")]  # invalid PDU parameter
        self.sent.append(pdu)
        return [Output(now_ms + REPLY_MS, _told(f"+CMGS: {len(self.sent) % 256}"))]

    def _noise(self) -> bytes:
        if self._random.random() >= self._garbage:
            return b""
        lines = (b"\r\nRING\r\n", b"\r\n+CREG: 1\r\n", b"\r\n\xff\x00+CM\r\n", b"\r\n^RSSI: 19\r\n")
        return self._random.choice(lines)


def _told(line: str) -> bytes:
    return b"\r\n" + line.encode() + b"\r\n" + _OK


def _clock(now_ms: float) -> str:
    local = datetime.fromtimestamp(now_ms / 1000, UTC) + _ZONE
    return f"{local:%y/%m/%d,%H:%M:%S}+28"
