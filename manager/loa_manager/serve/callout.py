"""Answers the broker when it asks whether a client may come in, and cuts off who is revoked.

The broker asks over its own client port (NATS authorisation call-out), once a connection. What it
is told is decided in :mod:`loa_manager.serve.permissions`; this module carries question and answer.
A client that is revoked while it is connected is cut within :data:`SWEEP_S`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from loa_manager.serve.admission import Authorities, Denial, Denied, Roster
from loa_manager.serve.nats_token import KeyType, NatsKey
from loa_manager.serve.permissions import (
    DEVICE_SUBSCRIPTIONS,
    Permissions,
    Request,
    answer,
    decide,
    parse_request,
)
from loa_manager.serve.repeats import Repeats
from loa_protocol.errors import FormatError, RefusedError, StoreError
from loa_protocol.trust import TrustError

SUBJECT: Final = "$SYS.REQ.USER.AUTH"
SWEEP_S: Final = 5.0
KICK_S: Final = 2.0
OPEN_S: Final = 15.0
MOST_WAITING: Final = 2000  # questions; a later one would be answered after the broker gave up

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, repr=False)
class CalloutKeys:
    """The keys between broker and call-out. Log-in and word are never on a disk."""

    issuer: NatsKey  # signs the answers
    user: NatsKey  # logs in to the broker's client port
    word: str  # by which the server's own MQTT client is known

    @classmethod
    def of(cls, issuer: NatsKey) -> CalloutKeys:
        """Answer as *issuer*; log-in and word are made anew."""
        return cls(issuer, NatsKey.generate(KeyType.USER), secrets.token_urlsafe(32))

    def __repr__(self) -> str:
        return "CalloutKeys(***)"


class Callout:
    """The link to the broker's client port."""

    def __init__(
        self,
        keys: CalloutKeys,
        authorities: Authorities,
        roster: Roster,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._keys, self._authorities, self._roster = keys, authorities, roster
        self._clock = clock
        self._connections: dict[str, tuple[str, int]] = {}  # endpoint -> broker, connection
        self._client: Client | None = None
        self._repeats = Repeats()
        self.is_open = asyncio.Event()  # set while the broker's questions reach us

    async def open(self, address: str, tls: ssl.SSLContext) -> None:
        """Log in at *address* and answer from now on, across restarts of the broker.

        Raises:
            RefusedError: the broker cannot be reached or does not know us.
        """
        try:
            async with asyncio.timeout(OPEN_S):
                await self._open(address, tls)
        except (NatsError, OSError, TimeoutError) as error:
            raise RefusedError(address, str(error) or type(error).__name__) from None
        self.is_open.set()

    async def _open(self, address: str, tls: ssl.SSLContext) -> None:
        self._client = await nats.connect(
            address,
            nkeys_seed_str=self._keys.user.seed,
            tls=tls,
            tls_handshake_first=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,
            connect_timeout=5,
            error_cb=_on_link_error,
            disconnected_cb=self._on_lost,
            reconnected_cb=self._on_found,
        )
        await self._client.subscribe(SUBJECT, cb=self._on_question, pending_msgs_limit=MOST_WAITING)
        await self._client.flush()

    async def close(self) -> None:
        """Leave the broker."""
        if self._client is not None:
            await self._client.close()

    async def sweep(self) -> None:
        """Cut off, every :data:`SWEEP_S`, who was revoked while connected; never returns."""
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                await self.cut_revoked()
            except StoreError as error:
                log.error("registry_unavailable", extra={"why": str(error)})

    async def cut_revoked(self) -> None:
        """Cut off whom the registry has revoked since they came in."""
        revoked = await asyncio.to_thread(self._roster.revoked)
        for endpoint in self._connections.keys() & revoked:
            server, connection = self._connections.pop(endpoint)
            await self._kick(server, connection)
            log.warning("endpoint_cut_off", extra={"endpoint": endpoint, "reason": Denial.REVOKED})

    async def _kick(self, server: str, connection: int) -> None:
        assert self._client is not None  # only who answered can cut
        order = msgspec.json.encode({"cid": connection})
        try:
            # the broker heeds a request only, though the answer says nothing
            await self._client.request(f"$SYS.REQ.SERVER.{server}.KICK", order, timeout=KICK_S)
        except NatsError as error:  # that broker is gone, and the connection with it
            log.debug("cut_unanswered", extra={"why": str(error)})

    async def _on_lost(self) -> None:
        self.is_open.clear()

    async def _on_found(self) -> None:
        self.is_open.set()

    async def _on_question(self, message: Msg) -> None:
        now = self._clock()
        try:
            request = parse_request(message.data)
        except (FormatError, TrustError) as error:
            log.error("callout_question_unreadable", extra={"why": str(error)})
            return
        verdict = await asyncio.to_thread(self._decide, request, now)
        if isinstance(verdict, Denied):
            self._say_refused(verdict)
        elif verdict.subscriptions == DEVICE_SUBSCRIPTIONS:
            self._connections[verdict.name] = request.server, request.connection
        await message.respond(answer(request, verdict, self._keys.issuer, now))

    def _decide(self, request: Request, now: datetime) -> Permissions | Denied:
        try:
            keys = self._keys
            return decide(request, self._authorities, self._roster, now, word=keys.word)
        except StoreError as error:
            log.error("registry_unavailable", extra={"why": str(error)})
            return Denied(Denial.UNAVAILABLE, request.client_id)

    def _say_refused(self, denied: Denied) -> None:
        held = self._repeats.admit(denied.reason, denied.who, time.monotonic())
        if held is not None:
            fields = {"who": denied.who, "reason": denied.reason, "held_back": held}
            log.warning("client_refused", extra=fields)


async def _on_link_error(error: Exception) -> None:
    log.debug("callout_link", extra={"why": str(error)})  # the broker's own end says it better
