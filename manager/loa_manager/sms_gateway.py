"""Orders by text message: what they become, and a telephone or modem that sends them.

The telephone is any that takes AT commands on a serial line: a 4G stick in the office's laptop.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from loa_manager.home import Home, read_bytes
from loa_manager.orders import book
from loa_manager.serial_line import raw_line
from loa_protocol.compact import SEAL_BYTES, compact
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import ConfigError, MessageError, PeerError, RefusedError
from loa_protocol.language import translator
from loa_protocol.sms import FITTING_PARTS, excess, make_submit, split
from loa_protocol.sms_sending import Failed, Sent, SmsSending

_ = translator("loa_manager")

_CHUNK = 4096
_HOLDERS = 2  # of an alert that is not pre-approved
_FEWEST_DIGITS = 6  # of an order's id


@dataclass(frozen=True, slots=True)
class Texts:
    """An order as text messages.

    Attributes:
        size: Bytes of the compact form.
        pieces: User data of each message.
        excess: By how many bytes it is too long for three; 0 where it fits.
    """

    size: int
    pieces: tuple[bytes, ...]
    excess: int

    @classmethod
    def of(cls, order: bytes) -> Texts:
        """Return the bundle *order* as messages.

        Raises:
            FormatError: it is no alert or command, or too long for any number of messages.
        """
        packed = compact(order)
        return cls(len(packed), tuple(split(packed)), excess(len(packed)))

    def to(self, number: str) -> list[bytes]:
        """Return the PDUs for one receiver; raise MessageError where *number* is none."""
        is_several = len(self.pieces) > 1
        return [make_submit(number, piece, has_header=is_several) for piece in self.pieces]


def too_long(order: bytes) -> str:
    """Return what to tell whoever wrote *order*, if it goes by text message badly; else nothing.

    An alert is reckoned with the seals of two holders, also before the second has signed.
    """
    try:
        bundle = Bundle.from_bytes(order)
        missing = _HOLDERS - len(bundle.seals) if bundle.kind == Kind.ALERT else 0
        size = len(compact(order)) + max(0, missing) * SEAL_BYTES
    except MessageError as error:
        return str(error)
    if not excess(size):
        return ""
    text = _(
        "Too long for {fitting} text messages; cut title and reason by {excess} bytes and it fits."
    )
    return text.format(excess=excess(size), fitting=FITTING_PARTS)


def find_order(name: str, home: Home) -> bytes:
    """Return the bundle of an order: a file, or one that stands, by the first digits of its id.

    Raises:
        ConfigError: there is no such file and no such order, or there are several.
        StoreError: it cannot be read.
    """
    path = Path(name)
    if path.is_file():
        return read_bytes(path)
    found = [each for each in book.listed(home) if each.paper.id.hex().startswith(name.lower())]
    if len(name) < _FEWEST_DIGITS or len(found) != 1:
        faults = {0: _("no such file, and no order that stands has this id")}
        raise ConfigError(name, [faults.get(len(found), _("give more digits of the id"))])
    return found[0].paper.data


def send(port: Path, pdus: Sequence[bytes], on_sent: Callable[[int], None]) -> None:
    """Send *pdus* by the telephone on *port*, one after the other.

    Raises:
        PeerError: the line cannot be opened or hung up.
        RefusedError: the telephone said no, or nothing; the text names the message.
    """
    with raw_line(port) as line:
        sending = SmsSending(pdus, _now_ms())
        while not sending.is_over:
            _write(line, sending.outgoing(), port)
            left_ms = max(0, (sending.next_deadline() or 0) - _now_ms())
            readable, _writable, _errors = select.select([line], [], [], left_ms / 1000)
            data = _read(line, port) if readable else b""
            for event in (*sending.feed(data, _now_ms()), *sending.tick(_now_ms())):
                _tell(event, port, on_sent)


def _tell(event: Sent | Failed, port: Path, on_sent: Callable[[int], None]) -> None:
    if isinstance(event, Sent):
        on_sent(event.number)
    elif event.number is None:
        raise RefusedError(str(port), event.why)
    else:
        which = _("message {number}: {why}").format(number=event.number + 1, why=event.why)
        raise RefusedError(str(port), which)


def _read(line: int, port: Path) -> bytes:
    try:
        data = os.read(line, _CHUNK)
    except OSError:
        data = b""
    if not data:
        raise PeerError(_("{port}: the cable was pulled").format(port=port))
    return data


def _write(line: int, data: bytes, port: Path) -> None:
    try:
        while data:
            select.select([], [line], [])
            data = data[os.write(line, data) :]
    except OSError:
        raise PeerError(_("{port}: the cable was pulled").format(port=port)) from None


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
