"""The MQTT session: batches up, receipts and nudges down, over mutual TLS.

A session is clean and everything down is QoS 0: what is missed is asked for again, so the broker
has nothing to keep for us. Batches go as QoS 1, one at a time, and the next waits for a receipt
that the ingest server signed; the broker's acknowledgement only frees our own client's memory.
Whoever owns the broker can delay and withhold, no more.

All decisions are in ``core/``: when to send (`sending`), what a receipt means (`batch`), whether it
can be trusted (the acceptance rule), when to connect again (`retry`).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import aiomqtt

from loa_endpoint.core import message
from loa_endpoint.core.address import Address, parse_address
from loa_endpoint.core.batch import Verdict
from loa_endpoint.core.message import REACH, Topic
from loa_endpoint.core.poll import Reach
from loa_endpoint.core.repeats import Repeats
from loa_endpoint.core.retry import RECONNECT, Backoff, Retries, first_delay_ms
from loa_endpoint.core.sending import PATIENCE_MS, Effect, Event, Sender
from loa_endpoint.uplink.tasks import call_from_thread, first_of, give_way, wait_until
from loa_endpoint.uplink.tls import EndpointContext
from loa_protocol.accept import accept
from loa_protocol.companions import Companions
from loa_protocol.envelope import Bundle, Kind, seal
from loa_protocol.errors import ConfigError, FormatError, StoreError
from loa_protocol.keys import Signer
from loa_protocol.objects.online import Batch, Receipt
from loa_protocol.trust import Now, Refusal, Trusted, TrustError

DEFAULT_PORT: Final = 8883
KEEP_ALIVE_S: Final = 120  # mobile networks forget a quiet connection after a few minutes
ANSWER_S: Final = 10.0  # for the broker's own acknowledgements
_WAITING_MESSAGES: Final = 64  # more at once are dropped: nothing here needs them
_BREATH_S: Final = 0.02  # between messages: a flood must not take the processor from the sound


class Outbox(Protocol):
    """Where batches come from and receipts go; calls may wait for the disk."""

    def next_batch(self) -> Batch | None:
        """Return the next records to send."""

    def mark(self, receipt: Receipt) -> Verdict:
        """Carry out a verified receipt."""


class Listener(Protocol):
    """Who is told; every call but that of an order returns at once."""

    def connected(self, address: str) -> None:
        """The session stands."""

    def disconnected(self, address: str, why: str, next_try_ms: int) -> None:
        """It ended, or could not be made."""

    def nudged(self, head: bytes, reach: Reach) -> None:
        """Someone says that there is something new; *head* is empty or a bundle to be judged."""

    async def ordered(self, bundle: bytes) -> None:
        """Someone pushes an order; return when it was judged, so that a flood waits its turn."""

    def spoken(self, chunk: bytes) -> None:
        """Somebody sends live sound."""

    def marked(self, receipt: Receipt, verdict: Verdict) -> None:
        """A verified receipt was carried out."""

    def refused(self, what: str, reason: str, detail: str) -> None:
        """Bytes from the broker were not trusted; repetitions come once a minute, counted."""

    def store_failed(self, error: StoreError) -> None:
        """The outbox could not be read or written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a session needs to know; the callables are asked anew for each connection."""

    endpoint: bytes
    signer: Signer
    addresses: Callable[[], Sequence[str]]  # mqtts://host:port, at least one
    scope: Callable[[], str]
    context: Callable[[], EndpointContext]
    trusted: Callable[[], Trusted]
    now: Callable[[], Now]
    companions: Companions = field(default_factory=Companions)  # of receipts
    backoff: Backoff = RECONNECT
    first_window_ms: int = 0  # the first connection after a boot comes somewhere in it
    patience_ms: tuple[int, ...] = PATIENCE_MS


class Session:
    """Keeps one connection to one of the brokers for as long as :meth:`run` runs.

    Its methods belong to the event loop's thread.
    """

    def __init__(self, around: Surroundings, outbox: Outbox, listener: Listener) -> None:
        self.is_connected = False
        self._around, self._outbox, self._listener = around, outbox, listener
        self._sender = Sender(around.patience_ms)
        self._repeats = Repeats()
        self._effects: deque[Effect] = deque()
        self._stir = asyncio.Event()
        self._renewal = asyncio.Event()
        self._in_flight = b""

    def wake(self) -> None:
        """Say that records were appended."""
        self._take(self._sender.handle(Event.RECORDS, _now_ms()))

    def renew(self) -> None:
        """Connect anew: with another certificate, to other addresses, for another scope."""
        self._renewal.set()

    async def run(self) -> None:
        """Connect, converse, connect again, until cancelled."""
        retries = Retries(self._around.backoff, self._around.endpoint)
        await self._pause(first_delay_ms(self._around.endpoint, self._around.first_window_ms))
        turn = 0
        while True:
            addresses = self._around.addresses()
            address = addresses[turn % len(addresses)]
            turn += 1
            why, stood_ms = await self._hold(address)
            give_way()
            delay_ms = retries.ended(stood_ms)
            self._listener.disconnected(address, why, delay_ms)
            await self._pause(delay_ms)

    async def _pause(self, delay_ms: int) -> None:
        if delay_ms:
            await wait_until(self._renewal, delay_ms / 1000)

    async def _hold(self, address: str) -> tuple[str, int]:
        """Hold one connection; return why it ended and how long it stood, in ms."""
        self._renewal.clear()
        try:
            place = parse_address(address, "mqtts", DEFAULT_PORT)
            context = self._around.context()
        except (ConfigError, StoreError) as error:
            return str(error), 0
        began_ms = _now_ms()
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        context.on_end = lambda: call_from_thread(loop, over.set)
        client = self._client(place, context)
        why = "renewed"
        try:
            await first_of(
                asyncio.create_task(self._live(client, address)), asyncio.create_task(over.wait())
            )
        except (aiomqtt.MqttError, OSError) as error:
            why = str(error) or type(error).__name__
        finally:
            context.hang_up()
            stood_ms = _now_ms() - began_ms if self.is_connected else 0
            self.is_connected = False
            self._sender.handle(Event.DISCONNECTED, _now_ms())
            _forget(client)
        return context.fault or why, stood_ms

    async def _live(self, client: aiomqtt.Client, address: str) -> None:
        async with client:
            await self._subscribe(client)
            self._begin(address)
            await first_of(
                asyncio.create_task(self._listen(client)),
                asyncio.create_task(self._send(client)),
                asyncio.create_task(self._renewal.wait()),
            )

    def _client(self, place: Address, context: EndpointContext) -> aiomqtt.Client:
        return aiomqtt.Client(
            place.host,
            place.port,
            identifier=self._around.endpoint.hex(),
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=True,
            timeout=ANSWER_S,
            keepalive=KEEP_ALIVE_S,
            max_queued_incoming_messages=_WAITING_MESSAGES,
            tls_context=context,
        )

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        topics = message.subscriptions(self._around.endpoint, self._around.scope())
        answers = await client.subscribe([(topic, 0) for topic in topics])
        codes = [answer if isinstance(answer, int) else answer.value for answer in answers]
        denied = [topic for topic, code in zip(topics, codes, strict=False) if code > 2]
        if topics[0] in denied or len(codes) != len(topics):
            raise aiomqtt.MqttError(f"the broker does not let us listen to {topics[0]}")
        for topic in denied:
            self._refuse("subscription", "denied_by_broker", topic)

    def _begin(self, address: str) -> None:
        self.is_connected = True
        self._effects.clear()
        self._listener.connected(address)
        self._take(self._sender.handle(Event.CONNECTED, _now_ms()))

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for each in client.messages:
            payload = each.payload if isinstance(each.payload, bytes) else b""
            kind = message.kind_of(each.topic.value)
            if kind is Topic.RECEIPT:
                await self._on_receipt(payload)
            elif kind in REACH:
                self._listener.nudged(payload, REACH[kind])
            elif kind is Topic.ORDER:
                await self._listener.ordered(payload)
            elif kind is Topic.LIVE:
                self._listener.spoken(payload)
            else:
                self._refuse("message", "unknown_topic", each.topic.value)
            await asyncio.sleep(_BREATH_S)

    async def _on_receipt(self, data: bytes) -> None:
        companions = self._around.companions
        try:
            if not companions.know(Bundle.from_bytes(data)):
                return  # bare, from a new key: what we send again is answered whole
            whole = companions.complete(data)
            body = accept(whole, self._around.trusted(), self._around.now()).body
        except FormatError as error:
            self._refuse("receipt", "format", str(error))
            return
        except TrustError as error:
            self._refuse("receipt", error.reason, error.detail)
            return
        companions.remember(whole)
        if not isinstance(body, Receipt):
            self._refuse("receipt", Refusal.KIND, type(body).__name__)
            return
        try:
            verdict = await asyncio.to_thread(self._outbox.mark, body)
        except StoreError as error:
            self._listener.store_failed(error)
            return
        self._listener.marked(body, verdict)
        if verdict is Verdict.STALE:
            self._refuse("receipt", "stale", f"of {body.time_ms}")
        self._take(self._sender.on_receipt(verdict, _now_ms()))

    async def _send(self, client: aiomqtt.Client) -> None:
        while True:
            while self._effects:
                await self._carry_out(self._effects.popleft(), client)
            self._stir.clear()
            deadline_ms = self._sender.deadline_ms
            wait_s = None if deadline_ms is None else max(0, deadline_ms - _now_ms()) / 1000
            await wait_until(self._stir, wait_s)
            self._take(self._sender.on_time(_now_ms()))

    async def _carry_out(self, effect: Effect, client: aiomqtt.Client) -> None:
        if effect is Effect.HANG_UP:
            raise aiomqtt.MqttError("no receipt for what was sent")
        if effect is Effect.SEND_NEXT:
            batch = await self._next_batch()
            if batch is None:
                self._take(self._sender.handle(Event.EMPTY, _now_ms()))
                return
            label = Kind.BATCH.label()
            self._in_flight = seal(batch.to_bytes(), label, self._around.signer, detached=False)
        # before it goes out: the receipt may be here before the broker's acknowledgement
        self._take(self._sender.handle(Event.SENT, _now_ms()))
        topic = message.batch_topic(self._around.endpoint)
        await client.publish(topic, self._in_flight, qos=1)

    async def _next_batch(self) -> Batch | None:
        try:
            return await asyncio.to_thread(self._outbox.next_batch)
        except StoreError as error:
            self._listener.store_failed(error)
            return None

    def _take(self, effects: Sequence[Effect]) -> None:
        self._effects.extend(effects)
        self._stir.set()

    def _refuse(self, what: str, reason: str, detail: str) -> None:
        count = self._repeats.happened((what, reason), _now_ms())
        if count:
            again = f" ({count} times)" if count > 1 else ""
            self._listener.refused(what, reason, f"{detail}{again}")


def _forget(client: aiomqtt.Client) -> None:
    """Take the exception that the client keeps, or it complains when it is collected."""
    future = client._disconnected
    if future.done() and not future.cancelled():
        future.exception()


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
