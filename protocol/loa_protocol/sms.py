"""Binary text messages (3GPP TS 23.040): the PDUs, and long data in several of them.

Pure. A message is 8-bit data with, where there are several, the concatenation header of clause
9.2.3.24.1 (8-bit reference) or 9.2.3.24.8 (16-bit). What comes in is from anybody: the network
shows a sender's number and does not prove it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from loa_protocol.errors import MessageError

MAX_USER_DATA: Final = 140  # octets
MOST_PARTS: Final = 8
FITTING_PARTS: Final = 3  # what an order should fit into: each more is one more that can be lost
_HEADER: Final = 7  # octets of user data that the header takes where there are several messages
PART_BYTES: Final = MAX_USER_DATA - _HEADER
_MAX_PDU: Final = 200  # octets: an SMSC address, 11 digits more, and 140 of user data fit twice
_CONCATENATED_8, _CONCATENATED_16 = 0x00, 0x08
_PORTS_8, _PORTS_16 = 0x04, 0x05
_DELIVER, _TYPE_BITS = 0, 0b11
_HAS_HEADER: Final = 0x40
_SUBMIT: Final = 0x01  # no validity period, no reports
_DATA_8_BIT: Final = 0x04
_INTERNATIONAL, _UNKNOWN_NUMBER, _ALPHANUMERIC = 0x91, 0x81, 0b101
_MAX_DIGITS: Final = 20
_DIGITS: Final = "0123456789*#abc"


@dataclass(frozen=True, slots=True)
class Part:
    """The user data of one message: which part of what, and its data.

    Attributes:
        reference: Which message the part belongs to; 0 where it is the only one.
        is_wide: Whether the reference has 16 bits.
        total: How many parts there are.
        number: Which of them this is, from 1.
        data: What is left after the header.
    """

    reference: int
    is_wide: bool
    total: int
    number: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message as the modem hands it over.

    Attributes:
        sender: As the network tells it; proves nothing.
        is_data: Whether it is 8-bit data and no text.
        has_header: Whether the user data begin with a header.
        user_data: At most 140 octets; empty for text.
    """

    sender: str
    is_data: bool
    has_header: bool
    user_data: bytes


# --- long data in several messages


def split(data: bytes) -> list[bytes]:
    """Return the user data of the messages that carry *data*, each with its header.

    The reference is of the data themselves: whoever sends the same again fills the gaps of before.
    One that fits into a single message has no header.

    Raises:
        MessageError: it would take more than `MOST_PARTS`.
    """
    if len(data) <= MAX_USER_DATA:
        return [data]
    pieces = [data[at : at + PART_BYTES] for at in range(0, len(data), PART_BYTES)]
    if len(pieces) > MOST_PARTS:
        raise MessageError(f"{len(data)} bytes are more than {MOST_PARTS} messages hold")
    reference = hashlib.sha256(data).digest()[:2]
    return [
        bytes((6, _CONCATENATED_16, 4)) + reference + bytes((len(pieces), number)) + piece
        for number, piece in enumerate(pieces, 1)
    ]


def excess(size: int, parts: int = FITTING_PARTS) -> int:
    """Return by how many bytes data of *size* are too long for *parts* messages; 0 if they fit."""
    room = MAX_USER_DATA if parts == 1 else parts * PART_BYTES
    return max(0, size - room)


def parse_part(user_data: bytes, *, has_header: bool) -> Part:
    """Return what one message's user data are a part of.

    Elements of the header other than concatenation and ports are skipped, as clause 9.2.3.24 asks.

    Raises:
        MessageError: the header is damaged, or counts what cannot be.
    """
    if not user_data or len(user_data) > MAX_USER_DATA:
        raise MessageError(f"{len(user_data)} octets of user data")
    if not has_header:
        return Part(0, is_wide=False, total=1, number=1, data=user_data)
    length = user_data[0]
    header, data = user_data[1 : 1 + length], user_data[1 + length :]
    if len(header) != length or not data:
        raise MessageError(f"a header of {length} octets in {len(user_data)}")
    found: Part | None = None
    for element, value in _elements(header):
        if element in (_CONCATENATED_8, _CONCATENATED_16):
            if found is not None:
                raise MessageError("two concatenation headers")
            found = _concatenated(element, value, data)
    return found or Part(0, is_wide=False, total=1, number=1, data=data)


def _elements(header: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(header):
        if at + 2 > len(header) or at + 2 + header[at + 1] > len(header):
            raise MessageError("an element of the header is cut short")
        end = at + 2 + header[at + 1]
        found.append((header[at], header[at + 2 : end]))
        at = end
    return found


def _concatenated(element: int, value: bytes, data: bytes) -> Part:
    is_wide = element == _CONCATENATED_16
    if len(value) != (4 if is_wide else 3):
        raise MessageError(f"a concatenation header of {len(value)} octets")
    total, number = value[-2:]
    if not 1 <= number <= total <= MOST_PARTS:
        raise MessageError(f"part {number} of {total}")
    return Part(int.from_bytes(value[:-2]), is_wide=is_wide, total=total, number=number, data=data)


# --- PDUs


def parse_deliver(pdu: bytes) -> Delivered:
    """Parse an SMS-DELIVER (clause 9.2.2.1) behind its service centre's address.

    Raises:
        MessageError: it is of another type, cut short, or longer than its fields say.
    """
    if not 0 < len(pdu) <= _MAX_PDU:
        raise MessageError(f"a PDU of {len(pdu)} octets")
    reader = _Reader(pdu)
    reader.take(reader.octet())  # the service centre
    first = reader.octet()
    if first & _TYPE_BITS != _DELIVER:
        raise MessageError(f"not a delivered message: 0x{first:02x}")
    sender = _address(reader)
    reader.octet()  # the protocol identifier: how it was sent
    is_data = _is_data(reader.octet())
    reader.take(7)  # the service centre's time: nobody signed it
    length = reader.octet()
    if not is_data:  # text counts septets; what it says does not concern us
        return Delivered(sender, is_data=False, has_header=False, user_data=b"")
    user_data = reader.take(length)
    if reader.left or not 0 < length <= MAX_USER_DATA:
        raise MessageError(f"{length} octets of user data are announced")
    return Delivered(
        sender, is_data=True, has_header=bool(first & _HAS_HEADER), user_data=user_data
    )


def tpdu_length(pdu: bytes) -> int:
    """Return how long *pdu* is behind the service centre's address: what AT commands count."""
    return len(pdu) - 1 - pdu[0] if pdu else 0


def make_submit(number: str, user_data: bytes, *, has_header: bool) -> bytes:
    """Return the SMS-SUBMIT (clause 9.2.2.2) that sends *user_data* by the SIM's own centre.

    Args:
        number: The receiver's; ``+`` in front makes it international.
        user_data: At most 140 octets.
        has_header: Whether they begin with a header.

    Raises:
        MessageError: *number* is no telephone number.
    """
    if not 0 < len(user_data) <= MAX_USER_DATA:
        raise ValueError(f"{len(user_data)} octets of user data")
    first = _SUBMIT | (_HAS_HEADER if has_header else 0)
    address = _make_address(number)
    fields = bytes((first, 0)) + address + bytes((0, _DATA_8_BIT, len(user_data)))
    return b"\x00" + fields + user_data


def make_deliver(submit: bytes, sender: str) -> bytes:
    """Return what the receiver's modem shows of *submit*: what a network in between does.

    Raises:
        MessageError: *submit* is no SMS-SUBMIT of the form that `make_submit` gives.
    """
    reader = _Reader(submit)
    reader.take(reader.octet())
    first = reader.octet()
    if first & ~_HAS_HEADER != _SUBMIT:
        raise MessageError(f"not a message to be sent: 0x{first:02x}")
    reader.octet()
    _address(reader)
    protocol, coding, length = reader.octet(), reader.octet(), reader.octet()
    user_data = reader.take(length)
    fields = bytes((first & _HAS_HEADER,)) + _make_address(sender) + bytes((protocol, coding))
    centre = bytes((7, _INTERNATIONAL)) + bytes.fromhex("4819000010f0")
    return centre + fields + bytes.fromhex("62113241302082") + bytes((length,)) + user_data


def receiver_of(submit: bytes) -> str:
    """Return to whom *submit* goes.

    Raises:
        MessageError: it is cut short.
    """
    reader = _Reader(submit)
    reader.take(reader.octet())
    reader.take(2)
    return _address(reader)


class _Reader:
    """Takes octets from the front."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def octet(self) -> int:
        return self.take(1)[0]

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise MessageError(f"cut short: {count} octets wanted, {self.left} left")
        self._at += count
        return self._data[self._at - count : self._at]


def _address(reader: _Reader) -> str:
    """Return an address (clause 9.1.2.5): digits, or the octets of a name in hex."""
    count, kind = reader.octet(), reader.octet()
    if count > _MAX_DIGITS + 2:
        raise MessageError(f"an address of {count} digits")
    octets = reader.take((count + 1) // 2)
    if (kind >> 4) & 0b111 == _ALPHANUMERIC:
        return "name:" + octets.hex()
    nibbles = [nibble for octet in octets for nibble in (octet & 15, octet >> 4)][:count]
    if 15 in nibbles:
        raise MessageError("an address with a hole")
    plus = "+" if kind & 0x70 == _INTERNATIONAL & 0x70 else ""
    return plus + "".join(_DIGITS[nibble] for nibble in nibbles)


def _make_address(number: str) -> bytes:
    digits = number.removeprefix("+")
    if not (digits.isascii() and digits.isdecimal() and 3 <= len(digits) <= _MAX_DIGITS):
        raise MessageError(f"no telephone number: {number!r:.40}")
    kind = _INTERNATIONAL if number.startswith("+") else _UNKNOWN_NUMBER
    padded = digits + "f" * (len(digits) % 2)
    swapped = "".join(padded[at + 1] + padded[at] for at in range(0, len(padded), 2))
    return bytes((len(digits), kind)) + bytes.fromhex(swapped)


def _is_data(coding: int) -> bool:
    """Tell whether a data coding scheme (3GPP TS 23.038 clause 4) says 8-bit data."""
    if coding >> 4 == 0b1111:
        return bool(coding & 0b0100)
    is_general = coding & 0b1000_0000 == 0
    is_compressed = bool(coding & 0b0010_0000)
    return is_general and not is_compressed and coding & 0b1100 == 0b0100
