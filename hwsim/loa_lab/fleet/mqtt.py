"""The part of MQTT 3.1.1 that an endpoint speaks: bytes to packets and back, without any I/O.

QoS 0 comes down, QoS 1 goes up; sessions are clean. Section numbers are the OASIS standard's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from loa_endpoint.core.message import MAX_PACKET_BYTES
from loa_protocol.errors import FrameError

CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP = 2, 3, 4, 9, 13  # section 2.2.1
PING: Final = b"\xc0\x00"
BYE: Final = b"\xe0\x00"
_MORE: Final = 0x80
_MOST_LENGTH_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet: its type, the four flags of its first byte, and the rest."""

    kind: int
    flags: int
    body: bytes


class PacketReader:
    """Turns the stream into packets, however it is cut."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[Packet]:
        """Return the packets that *data* completes, oldest first.

        Raises:
            FrameError: one is larger than any object, or has no length.
        """
        self._held += data
        found = []
        while (packet := self._next()) is not None:
            found.append(packet)
        return found

    def _next(self) -> Packet | None:
        length, at = 0, 1
        while True:
            if at >= len(self._held):
                return None
            length |= (self._held[at] & ~_MORE) << 7 * (at - 1)
            at += 1
            if not self._held[at - 1] & _MORE:
                break
            if at > _MOST_LENGTH_BYTES:
                raise FrameError("a packet length of more than four bytes")
        if length > MAX_PACKET_BYTES:
            raise FrameError(f"a packet of {length} bytes")
        if len(self._held) < at + length:
            return None
        first, body = self._held[0], bytes(self._held[at : at + length])
        del self._held[: at + length]
        return Packet(first >> 4, first & 0x0F, body)


def connect(client_id: str, keep_alive_s: int) -> bytes:
    """Return CONNECT with a clean session (section 3.1)."""
    return _packet(0x10, b"\x00\x04MQTT\x04\x02" + keep_alive_s.to_bytes(2) + _text(client_id))


def subscribe(topics: Sequence[str], number: int) -> bytes:
    """Return SUBSCRIBE to *topics* with QoS 0 (section 3.8)."""
    wanted = b"".join(_text(topic) + b"\x00" for topic in topics)
    return _packet(0x82, number.to_bytes(2) + wanted)


def publish(topic: str, payload: bytes, number: int) -> bytes:
    """Return PUBLISH with QoS 1 (section 3.3)."""
    return _packet(0x32, _text(topic) + number.to_bytes(2) + payload)


def read_publication(packet: Packet) -> tuple[str, bytes]:
    """Return topic and payload of a PUBLISH with QoS 0, which is all we ask for.

    Raises:
        FrameError: it is of another quality, or no topic is in it.
    """
    if packet.flags & 0x06:
        raise FrameError("more than QoS 0")
    end = 2 + int.from_bytes(packet.body[:2])
    if len(packet.body) < end or end < 3:
        raise FrameError("a publication without a topic")
    try:
        return packet.body[2:end].decode(), packet.body[end:]
    except UnicodeDecodeError:
        raise FrameError("a topic that is no text") from None


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2) + data


def _packet(first: int, body: bytes) -> bytes:
    length, left = bytearray(), len(body)
    while True:
        length.append(left % _MORE | (_MORE if left >= _MORE else 0))
        left >>= 7
        if not left:
            return bytes([first]) + length + body


def is_granted(packet: Packet, count: int) -> bool:
    """Tell whether a SUBACK grants all of *count* subscriptions (section 3.9)."""
    codes = packet.body[2:]
    return len(codes) == count and all(code < _MORE for code in codes)
