"""Answers the broker when it asks whether a client may come in, and cuts off who is revoked.

The broker asks over its own client port (NATS authorisation call-out), once a connection. What it
is told is decided in :func:`decide`; the rest of this module carries the question and the answer.
A client that is revoked while it is connected is cut within :data:`SWEEP_S`.
"""

from __future__ import annotations

import asyncio
import binascii
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import nats
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from loa_manager.serve.admission import (
    SERVER,
    Admitted,
    Authorities,
    CertificateKind,
    Denial,
    Denied,
    Roster,
    admit,
)
from loa_manager.serve.nats_token import KeyType, NatsKey, open_token, sign_token
from loa_manager.serve.repeats import Repeats
from loa_protocol.errors import FormatError, MessageError, RefusedError, StoreError
from loa_protocol.trust import TrustError

ACCOUNT: Final = "DEVICES"  # the broker's account in which MQTT lives
SUBJECT: Final = "$SYS.REQ.USER.AUTH"
SWEEP_S: Final = 5.0
KICK_S: Final = 2.0
MOST_WAITING: Final = 2000  # questions; a later one would be answered after the broker gave up
LONGEST_STAY: Final = timedelta(hours=24)  # then the client comes again and is judged again
DEVICE_SUBSCRIPTIONS: Final = 32  # down, and a look for each prefix of a scope, twice over

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a client may say and hear, in NATS subjects, and until when."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    subscriptions: int
    expires: datetime
    name: str


@dataclass(frozen=True, slots=True)
class Request:
    """The broker's question about one client."""

    server: str  # the broker's key, which signed the question
    user: str  # the one-time key that the answer is for
    connection: int
    is_mqtt: bool
    client_id: str
    leaf: bytes | None  # DER of the verified client certificate


def parse_request(data: bytes) -> Request:
    """Return the question in the token *data*.

    Raises:
        FormatError: *data* is not the broker's question.
        TrustError: it is not signed by whom it names.
    """
    issuer, claims = open_token(data)
    try:
        body = msgspec.json.decode(claims, type=_Claims).nats
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
        raise MessageError(f"not a question of the broker: {error}") from None
    if body.server_id.id != issuer:
        raise MessageError("the question names another broker than its signer")
    chains = body.client_tls.verified_chains if body.client_tls else []
    return Request(
        server=issuer,
        user=body.user_nkey,
        connection=body.client_info.id,
        is_mqtt=body.client_info.type == "mqtt",
        client_id=body.client_info.mqtt_id,
        leaf=_leaf(chains),
    )


def decide(
    request: Request, authorities: Authorities, roster: Roster, now: datetime
) -> Permissions | Denied:
    """Tell what the client of *request* may do.

    The client id must be the board's own: to the broker, who brings a client id takes over the
    session and the subscriptions behind it.
    """
    if not request.is_mqtt:
        return Denied(Denial.NOT_MQTT)
    verdict = admit(request.leaf, authorities, roster, now)
    if isinstance(verdict, Denied):
        return verdict
    if verdict.kind is CertificateKind.BENCH:
        return Denied(Denial.KIND, verdict.name)
    if request.client_id != verdict.name:
        return Denied(Denial.CLIENT_ID, verdict.name)
    expires = min(verdict.expires, now + LONGEST_STAY)
    if verdict.kind is CertificateKind.SERVER:
        return _ingest_permissions(expires)
    return _device_permissions(verdict, expires)


def _device_permissions(board: Admitted, expires: datetime) -> Permissions:
    prefixes = board.scope.split("/")
    looks = (f"scope.{'.'.join(prefixes[:n])}.look" for n in range(1, len(prefixes) + 1))
    down = f"down.{board.name}"
    return Permissions(
        # one topic, not all below: a hostile board could fill the store with retained messages
        publish=(f"up.{board.name}.batch",),
        # the broker turns the MQTT filter x/# into two subscriptions, x and x.>
        subscribe=(down, f"{down}.>", *looks),
        subscriptions=DEVICE_SUBSCRIPTIONS,
        expires=expires,
        name=board.name,
    )


def _ingest_permissions(expires: datetime) -> Permissions:
    return Permissions(
        publish=("down.>", "scope.>"),
        # QoS 1 deliveries reach the client over a subject of the broker's own
        subscribe=("up.*.batch", "$MQTT.sub.>"),
        subscriptions=-1,
        expires=expires,
        name=SERVER,
    )


def answer(request: Request, verdict: Permissions | Denied, key: NatsKey, now: datetime) -> bytes:
    """Return the token that tells the broker *verdict*."""
    common = {"sub": request.user, "iat": int(now.timestamp())}
    reply: dict[str, Any] = {"type": "authorization_response", "version": 2}
    if isinstance(verdict, Denied):
        reply["error"] = verdict.reason.value
    else:
        reply["jwt"] = sign_token(
            {
                **common,
                "aud": ACCOUNT,
                "name": verdict.name,
                "exp": int(verdict.expires.timestamp()),
                "nats": {
                    "type": "user",
                    "version": 2,
                    "pub": {"allow": list(verdict.publish)},
                    "sub": {"allow": list(verdict.subscribe)},
                    "subs": verdict.subscriptions,
                    "data": -1,
                    "payload": -1,
                },
            },
            key,
        )
    return sign_token({**common, "aud": request.server, "nats": reply}, key).encode()


@dataclass(frozen=True, slots=True)
class CalloutKeys:
    """The keys between broker and call-out. The log-in is never on a disk."""

    issuer: NatsKey  # signs the answers
    user: NatsKey  # logs in to the broker's client port

    @classmethod
    def of(cls, issuer: NatsKey) -> CalloutKeys:
        """Answer as *issuer*; the log-in is made anew."""
        return cls(issuer, NatsKey.generate(KeyType.USER))


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
            await self._client.subscribe(
                SUBJECT, cb=self._on_question, pending_msgs_limit=MOST_WAITING
            )
            await self._client.flush()
            self.is_open.set()
        except (NatsError, OSError, TimeoutError) as error:
            raise RefusedError(address, str(error) or type(error).__name__) from None

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
            return decide(request, self._authorities, self._roster, now)
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


def _leaf(chains: list[list[str]]) -> bytes | None:
    if not chains or not chains[0]:
        return None
    try:
        certificate = x509.load_pem_x509_certificate(chains[0][0].encode())
    except (ValueError, binascii.Error) as error:
        raise MessageError(f"client certificate: {error}") from None
    return certificate.public_bytes(Encoding.DER)


class _ServerId(msgspec.Struct):
    id: str


class _ClientInfo(msgspec.Struct):
    id: int = 0
    type: str = ""
    mqtt_id: str = ""


class _ClientTls(msgspec.Struct):
    verified_chains: list[list[str]] = []


class _Body(msgspec.Struct):
    server_id: _ServerId
    user_nkey: str
    client_info: _ClientInfo
    client_tls: _ClientTls | None = None


class _Claims(msgspec.Struct):
    nats: _Body
