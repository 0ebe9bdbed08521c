"""The message session of a virtual endpoint: connect, listen, publish, ping."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from loa_endpoint.core.address import Address
from loa_endpoint.uplink.session import KEEP_ALIVE_S
from loa_endpoint.uplink.tls import EndpointContext
from loa_lab.fleet import mqtt
from loa_lab.fleet.line import OPEN_S, Line, Meter, open_line
from loa_protocol.errors import RefusedError

Heard = Callable[[str, bytes, float], None]
_MOST_NUMBERS: Final = 65_535


class BrokerLink:
    """One connection to the broker at a time; *heard* is told topic, payload and monotonic time."""

    def __init__(self, meter: Meter, heard: Heard, ended: Callable[[], None]) -> None:
        self._meter, self._heard, self._ended = meter, heard, ended
        self._line: Line | None = None
        self._reader = mqtt.PacketReader()
        self._answer: asyncio.Future[mqtt.Packet] | None = None
        self._number = 0
        self._out_s = self._in_s = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the connection stands."""
        return self._line is not None and self._line.is_open

    async def open(
        self, place: Address, context: EndpointContext, client_id: str, topics: Sequence[str]
    ) -> None:
        """Connect and subscribe.

        Raises:
            RefusedError: the broker does not let us in, or not listen.
        """
        self._reader = mqtt.PacketReader()
        self._line = await open_line(
            lambda: Line(context, place.host, self._meter, self._on_data, self._on_end),
            place.host,
            place.port,
        )
        answer = await self._ask(mqtt.connect(client_id, KEEP_ALIVE_S))
        if answer.kind != mqtt.CONNACK or answer.body[1:] != b"\x00":
            raise RefusedError("mqtt", f"connect: {answer.body.hex()}")
        answer = await self._ask(mqtt.subscribe(topics, self._next()))
        if answer.kind != mqtt.SUBACK or not mqtt.is_granted(answer, len(topics)):
            raise RefusedError("mqtt", f"subscribe: {answer.body.hex()}")

    def publish(self, topic: str, payload: bytes) -> None:
        """Send *payload*; the broker's acknowledgement only ends its own repetition."""
        self._write(mqtt.publish(topic, payload, self._next()))

    def keep_alive(self, now_s: float) -> None:
        """Ping where a direction was quiet for the keep-alive time, as the real client does."""
        if self.is_open and now_s - min(self._out_s, self._in_s) >= KEEP_ALIVE_S:
            self.ping()

    def ping(self) -> None:
        """Ping now."""
        self._write(mqtt.PING)

    def close(self) -> None:
        """Be gone without a word, as a board whose power fails."""
        line, self._line = self._line, None
        if line is not None:
            line.close()

    async def _ask(self, packet: bytes) -> mqtt.Packet:
        self._answer = asyncio.get_running_loop().create_future()
        self._write(packet)
        try:
            async with asyncio.timeout(OPEN_S):
                return await self._answer
        except TimeoutError:
            raise RefusedError("mqtt", "no answer") from None

    def _write(self, packet: bytes) -> None:
        if self._line is not None:
            self._out_s = time.monotonic()
            self._line.write(packet)

    def _next(self) -> int:
        self._number = self._number % _MOST_NUMBERS + 1
        return self._number

    def _on_data(self, data: bytes) -> None:
        self._in_s = time.monotonic()
        for packet in self._reader.feed(data):
            if packet.kind == mqtt.PUBLISH:
                topic, payload = mqtt.read_publication(packet)
                self._heard(topic, payload, self._in_s)
            elif packet.kind in (mqtt.CONNACK, mqtt.SUBACK) and self._is_asking():
                assert self._answer is not None
                self._answer.set_result(packet)

    def _is_asking(self) -> bool:
        return self._answer is not None and not self._answer.done()

    def _on_end(self) -> None:
        if self._is_asking():
            assert self._answer is not None
            self._answer.set_exception(RefusedError("mqtt", "the broker ended the connection"))
        self._line = None
        self._ended()
