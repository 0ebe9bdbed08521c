"""What goes over MQTT: topics, and how large a packet may be.

The broker is not trusted. What it delivers under a topic is judged by its bytes alone; a packet
that claims to be larger than any object, or that no broker sends to who asked for QoS 0 alone, is
the end of the connection, before memory is taken: our MQTT client holds what comes as QoS 2 until
the broker releases it, without a bound, and queues an answer to each that comes as QoS 1.
"""

from __future__ import annotations

import enum
from typing import Final

from loa_endpoint.core.poll import Reach
from loa_protocol import cbor
from loa_protocol.errors import FrameError

MAX_PACKET_BYTES: Final = cbor.MAX_BYTES + 1024  # the largest bundle, its topic, the header
_MAX_LENGTH_BYTES: Final = 4  # MQTT 3.1.1 section 2.2.3
_MORE: Final = 0x80
# CONNACK, PUBLISH of QoS 0 (also retained), PUBACK, SUBACK, PINGRESP: MQTT 3.1.1 section 2.2.1
_FIRST_BYTES: Final = frozenset((0x20, 0x30, 0x31, 0x40, 0x90, 0xD0))


class Topic(enum.Enum):
    """Kinds of messages that come down."""

    RECEIPT = "receipt"
    HEAD = "head"  # the newest head
    LOOK = "look"  # something of this scope, or of this board, is new
    ORDER = "order"
    LIVE = "live"
    UNKNOWN = "unknown"


REACH: Final = {Topic.HEAD: Reach.HEAD, Topic.LOOK: Reach.STATE}  # how far to look then
_HEARD: Final = (Topic.RECEIPT, Topic.HEAD, Topic.LOOK, Topic.ORDER, Topic.LIVE)


def batch_topic(endpoint: bytes) -> str:
    """Return the one topic under which an endpoint publishes."""
    return f"up/{endpoint.hex()}/batch"


def subscriptions(endpoint: bytes, scope: str) -> tuple[str, ...]:
    """Return the topics an endpoint listens to: its own, and those of every scope it lies in."""
    parts = scope.split("/")
    prefixes = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
    kinds = ("head", "look", "order", "live")
    heard = (f"scope/{prefix}/{kind}" for kind in kinds for prefix in prefixes)
    return f"down/{endpoint.hex()}/#", *heard


def kind_of(topic: str) -> Topic:
    """Return what comes under *topic*."""
    last = topic.rpartition("/")[2]
    return Topic(last) if last in {each.value for each in _HEARD} else Topic.UNKNOWN


class PacketMeter:
    """Watches kinds and lengths of packets go by, in pieces of any size."""

    def __init__(self, most_bytes: int = MAX_PACKET_BYTES) -> None:
        self._most = most_bytes
        self._left = 0  # of the present packet's body
        self._header: list[int] = []

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream.

        Raises:
            FrameError: a packet is of a kind that nobody asked for, or announces more than is
                allowed, or no length at all.
        """
        at = 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                continue
            self._header.append(data[at])
            at += 1
            if self._header[0] not in _FIRST_BYTES:
                raise FrameError(f"a packet that begins with {self._header[0]:#04x}")
            if len(self._header) > 1 and not self._header[-1] & _MORE:
                self._left = self._announced()
                self._header.clear()
            elif len(self._header) > _MAX_LENGTH_BYTES:
                raise FrameError("a packet length of more than four bytes")

    def _announced(self) -> int:
        length = sum((byte & ~_MORE) << 7 * n for n, byte in enumerate(self._header[1:]))
        if length > self._most:
            raise FrameError(f"a packet of {length} bytes; at most {self._most} are expected")
        return length
