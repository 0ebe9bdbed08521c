"""Carries batches from the broker to ingest, and receipts and nudges back.

Nothing here promises anything: a batch that is lost between broker and database has no receipt, and
its board sends it again.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

import aiomqtt

from loa_manager.ingest import Outcome
from loa_manager.serve.admission import SERVER
from loa_manager.serve.repeats import Repeats
from loa_protocol.companions import bare
from loa_protocol.errors import StoreError

UP: Final = "up/+/batch"
MOST_AT_ONCE: Final = 256  # batches in one transaction
MOST_BYTES: Final = 8 * 1024**2
MOST_WAITING: Final = 1024  # beyond, batches are dropped here and sent again by their boards
STORE_PAUSE_S: Final = 5.0
_KEEPALIVE_S: Final = 30
_TIMEOUT_S: Final = 10.0
_WELL: Final = frozenset({"stored", "duplicate", "gap"})

log = logging.getLogger(__name__)


class TakesBatches(Protocol):
    """Ingest, as seen from the link."""

    def take_many(self, batches: Sequence[bytes], now_ms: int) -> list[Outcome]:
        """Verify and commit *batches*, oldest first; raise StoreError when nothing was."""


def reconnect_delay(failures: int, chance: float) -> float:
    """Return seconds to wait after *failures* in a row: 0.25 s doubling to 30, less up to half.

    Args:
        failures: From 1.
        chance: Uniform in [0, 1): many who lost the same broker must not come back together.
    """
    return float(min(30.0, 0.25 * 2.0 ** min(failures - 1, 10)) * (1 - chance / 2))


def gather_receipts(outcomes: Sequence[Outcome]) -> dict[str, bytes]:
    """Return the newest receipt for each endpoint in *outcomes*."""
    return {
        each.endpoint: each.receipt
        for each in outcomes
        if each.endpoint is not None and each.receipt is not None
    }


@dataclass(slots=True)
class IngestLink:
    """The server's own MQTT client."""

    host: str
    wait_open: Callable[[], Awaitable[int]]  # returns the port once the broker answers
    context: Callable[[], ssl.SSLContext]
    ingest: TakesBatches
    on_commit: Callable[[], None]  # something new is in the database
    word: str = field(default="", repr=False)  # by which the broker's call-out knows us
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _client: aiomqtt.Client | None = None
    _repeats: Repeats = field(default_factory=Repeats)

    async def run(self, ready: asyncio.Event) -> None:
        """Stay connected until cancelled; *ready* at the first connection."""
        failures = 0
        while True:
            port = await self.wait_open()
            try:
                async with self._open(port) as client:
                    await client.subscribe(UP, qos=1)
                    self._client, failures = client, 0
                    log.info("ingest_connected", extra={"port": port})
                    ready.set()
                    await self._serve(client)
            except aiomqtt.MqttError as error:
                failures += 1
                delay = reconnect_delay(failures, random.random())
                if failures == 1:  # once a change of state
                    fields = {"why": str(error), "next_try_s": round(delay, 2)}
                    log.warning("ingest_disconnected", extra=fields)
            finally:
                self._client = None
            await asyncio.sleep(delay)

    async def nudge(self, topic: str, head: bytes) -> None:
        """Send the newest *head* under *topic*; without a broker the boards find it later.

        It goes without its certificates, which every board has from the head that it fetched.
        """
        await self._send(topic, bare(head))

    async def push(self, topic: str, order: bytes) -> bool:
        """Send *order* under *topic*; tell whether there was a broker to take it."""
        return await self._send(topic, order)

    def _open(self, port: int) -> aiomqtt.Client:
        return aiomqtt.Client(
            self.host,
            port,
            identifier=SERVER,
            username=SERVER,
            password=self.word,
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=False,  # the broker keeps batches for us while we are away
            tls_context=self.context(),
            keepalive=_KEEPALIVE_S,
            timeout=_TIMEOUT_S,
            max_queued_incoming_messages=MOST_WAITING,
        )

    async def _serve(self, client: aiomqtt.Client) -> None:
        while True:
            batches = [_payload(await anext(client.messages))]
            size = len(batches[0])
            while len(client.messages) and len(batches) < MOST_AT_ONCE and size < MOST_BYTES:
                batches.append(_payload(await anext(client.messages)))
                size += len(batches[-1])
            await self._take(batches)

    async def _take(self, batches: list[bytes]) -> None:
        now_ms = round(self.clock().timestamp() * 1000)
        work = asyncio.create_task(asyncio.to_thread(self.ingest.take_many, batches, now_ms))
        try:
            outcomes = await asyncio.shield(work)
        except StoreError as error:
            log.error("store_failed", extra={"why": str(error), "batches": len(batches)})
            await asyncio.sleep(STORE_PAUSE_S)  # the boards send them again
            return
        except asyncio.CancelledError:
            await asyncio.wait({work})  # a stop waits for what is being committed
            raise
        if any(each.stored for each in outcomes):
            self.on_commit()
        for endpoint, receipt in gather_receipts(outcomes).items():
            await self._send(f"down/{endpoint}/receipt", receipt)
        for each in outcomes:
            self._say_refused(each)

    async def _send(self, topic: str, payload: bytes) -> bool:
        client = self._client
        if client is None:
            return False
        try:
            await client.publish(topic, payload, qos=0)
        except aiomqtt.MqttError as error:  # the loop that reads will notice too
            log.debug("not_sent", extra={"topic": topic, "why": str(error)})
            return False
        return True

    def _say_refused(self, outcome: Outcome) -> None:
        if outcome.reason in _WELL:
            return
        who = outcome.endpoint or ""
        held = self._repeats.admit(outcome.reason, who, time.monotonic())
        if held is not None:
            fields = {"endpoint": who, "reason": outcome.reason, "held_back": held}
            log.warning("batch_refused", extra=fields)


def _payload(message: aiomqtt.Message) -> bytes:
    return message.payload if isinstance(message.payload, bytes) else b""
