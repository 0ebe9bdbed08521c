"""A hostile MQTT broker with the true server's TLS key: it takes everybody in, and sends anything.

MQTT 3.1.1 by hand: section numbers are the OASIS standard's. Batches are acknowledged as packets
and answered by no receipt, but by forged ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import ssl
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from loa_lab.fleet.mqtt import PacketReader
from loa_manager.serve.key_folder import ServerKeys
from loa_protocol.envelope import Kind, open_seal
from loa_protocol.errors import FrameError
from loa_protocol.objects.online import Batch, Receipt
from support.hamlet import STATION
from support.hostile_forger import Forger
from support.hostile_wire_people import Commune
from support.hostile_wire_tricks import GONE

CONNECT, PUBLISH, SUBSCRIBE, PING = 1, 3, 8, 12  # section 2.2.1
RECEIPTS: Final = ("receipt by a stranger", "receipt from the future", "receipt of another board")
BREAKERS: Final = (
    "huge packet",
    "hoard of QoS 2",
    "questions of QoS 1",
    "topic beyond the packet",
    "topic that is no text",
    "answers to nothing",
    "abrupt close",
)  # most of them end the session
FLOOD: Final = "flood"
_HUGE: Final = 200 << 20
_HOARD: Final = 128 << 20


@dataclass
class HostileBroker:
    """One endpoint's broker, in hostile hands."""

    commune: Commune
    forger: Forger
    chance: random.Random
    keys: ServerKeys
    tried: Counter[str] = field(default_factory=Counter)
    batches: list[bytes] = field(default_factory=list)
    sessions: int = 0
    flooded: int = 0  # messages
    _writer: asyncio.StreamWriter | None = None

    @property
    def is_connected(self) -> bool:
        """Whether the endpoint listens."""
        return self._writer is not None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hold one session until it ends."""
        try:
            with contextlib.suppress(*GONE, FrameError):
                await self._converse(reader, writer)
        finally:
            writer.transport.abort()
            if self._writer is writer:
                self._writer = None

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        packets = PacketReader()
        while data := await reader.read(65_536):
            for each in packets.feed(data):
                self._answer(each.kind, each.flags, each.body, writer)
            await writer.drain()

    def _answer(self, kind: int, flags: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        if kind == CONNECT:
            writer.write(b"\x20\x02\x00\x00")
        elif kind == SUBSCRIBE:
            topics = _topics(body)
            writer.write(packet(0x90, body[:2] + bytes(topics)))
            self._writer, self.sessions = writer, self.sessions + 1
        elif kind == PUBLISH and flags & 0x06:
            end = 2 + int.from_bytes(body[:2])
            writer.write(packet(0x40, body[end : end + 2]))
            self.batches.append(body[end + 2 :])
            self.tried["receipt withheld"] += 1
        elif kind == PING:
            writer.write(b"\xd0\x00")

    # --- what it sends

    async def push(self, what: str, payload: bytes, *, as_card: str = "") -> None:
        """Publish under the topic of *what*: head, look, order, live, or receipt."""
        if as_card:
            self.tried[as_card] += 1
        await self._send(publication(self._topic(what), payload))

    def _topic(self, what: str) -> str:
        mine = f"down/{self.commune.pole.endpoint.hex()}/receipt"
        return mine if what == "receipt" else f"scope/{STATION}/{what}"

    async def _send(self, data: bytes) -> None:
        """Send bytes as they are; raise ConnectionError where nobody listens."""
        writer = self._writer
        if writer is None or writer.transport.is_closing():
            raise ConnectionError("the endpoint is not here")
        writer.write(data)
        await writer.drain()

    async def receipt(self, card: str) -> None:
        """Forge a receipt for what it has swallowed."""
        batch = Batch.from_bytes(open_seal(self.batches[-1]).payload or b"")
        claim = Receipt(
            endpoint=batch.endpoint,
            epoch=batch.epoch,
            next=batch.first + len(batch.records),
            chain=self.chance.randbytes(32),
            time_ms=self.commune.clock.unix_ms,
        )
        if card == "receipt by a stranger":
            data = self.forger.sign(Kind.RECEIPT, claim)
        elif card == "receipt of another board":
            other = dataclasses.replace(claim, endpoint=self.chance.randbytes(16))
            data = self.keys.ingest.sign(Kind.RECEIPT, other)
        else:
            later = dataclasses.replace(claim, time_ms=claim.time_ms + 2 * 86_400_000)
            data = self.keys.ingest.sign(Kind.RECEIPT, later)
        await self.push("receipt", data, as_card=card)

    async def flood(self, pieces: list[bytes], seconds: float) -> None:
        """Send messages of every kind as fast as the line takes them."""
        self.tried[FLOOD] += 1
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(50):
                what = self.chance.choice(("order", "live", "receipt", "look", "nonsense"))
                await self._send(publication(self._topic(what), self.chance.choice(pieces)))
                self.flooded += 1
            await asyncio.sleep(0)

    async def break_line(self, card: str) -> None:
        """Send what no broker sends."""
        self.tried[card] += 1
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self._break(card)

    async def _break(self, card: str) -> None:
        topic, order = self._topic("order"), self.forger.alert()
        match card:
            case "huge packet":
                await self._send(b"\x30" + _length(_HUGE))
                for _ in range(_HUGE >> 16):
                    await self._send(bytes(65_536))
            case "questions of QoS 1":
                for number in range(1, 5000):
                    await self._send(publication(topic, order[:200], qos=1, number=number))
            case "hoard of QoS 2":
                piece = self.chance.randbytes(250_000)
                for number in range(1, _HOARD // len(piece)):
                    await self._send(publication(topic, piece, qos=2, number=number))
            case "topic beyond the packet":
                await self._send(packet(0x30, b"\xff\xff" + order[:100]))
            case "topic that is no text":
                await self._send(packet(0x30, b"\x00\x04\xff\xfe\x00\x23" + order))
            case "answers to nothing":
                for number in range(1, 2000):
                    await self._send(packet(0x90, number.to_bytes(2) + b"\x00"))
            case _:
                if self._writer is not None:
                    self._writer.transport.abort()


def publication(topic: str, payload: bytes, *, qos: int = 0, number: int = 0) -> bytes:
    """Return a PUBLISH (section 3.3)."""
    name = topic.encode()
    identifier = number.to_bytes(2) if qos else b""
    return packet(0x30 | qos << 1, len(name).to_bytes(2) + name + identifier + payload)


def packet(first: int, body: bytes) -> bytes:
    """Return a packet of *body* (section 2.2)."""
    return bytes([first]) + _length(len(body)) + body


def _length(left: int) -> bytes:
    found = bytearray()
    while True:
        found.append(left & 0x7F | (0x80 if left > 0x7F else 0))
        left >>= 7
        if not left:
            return bytes(found)


def _topics(body: bytes) -> int:
    """Return how many topics a SUBSCRIBE asks for."""
    at, count = 2, 0
    while at < len(body):
        at += 2 + int.from_bytes(body[at : at + 2]) + 1
        count += 1
    return count
