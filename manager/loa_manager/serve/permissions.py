"""What a client of the broker may say and hear: the decision behind the authorisation call-out.

Pure: the broker's question (a signed token), the registry and the time come in, an answer (a signed
token) goes out. :mod:`loa_manager.serve.callout` carries both.
"""

from __future__ import annotations

import binascii
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

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
from loa_manager.serve.nats_token import NatsKey, open_token, sign_token
from loa_protocol.errors import MessageError

ACCOUNT: Final = "DEVICES"  # the broker's account in which MQTT lives
LONGEST_STAY: Final = timedelta(hours=24)  # then the client comes again and is judged again
_HEARD: Final = ("head", "look", "order", "live")  # for each prefix of a board's scope
DEVICE_SUBSCRIPTIONS: Final = 64  # these for eight prefixes, its own twice, and spare


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
    word: str = field(default="", repr=False)  # the password that came with it


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
        word=body.connect_opts.password,
    )


def decide(
    request: Request,
    authorities: Authorities,
    roster: Roster,
    now: datetime,
    *,
    word: str | None = None,
) -> Permissions | Denied:
    """Tell what the client of *request* may do.

    The client id must be the board's own: to the broker, who brings a client id takes over the
    session and the subscriptions behind it. For the same reason the server's certificate alone does
    not make the server: whoever else holds it would take the batches that wait for us.

    Args:
        request: The broker's question.
        authorities: Whose certificates count.
        roster: The registry.
        now: Time of the judgement, UTC.
        word: What our own client says, made anew in each run; None lets none in.
    """
    if not request.is_mqtt:
        return Denied(Denial.NOT_MQTT)
    verdict = admit(request.leaf, authorities, roster, now)
    if isinstance(verdict, Denied):
        return verdict
    is_server = verdict.kind is CertificateKind.SERVER
    rules = (
        (verdict.kind is CertificateKind.BENCH, Denial.KIND),
        (request.client_id != verdict.name, Denial.CLIENT_ID),
        (is_server and not _is_word(request.word, word), Denial.WORD),
    )
    for is_broken, reason in rules:
        if is_broken:
            return Denied(reason, verdict.name)
    expires = min(verdict.expires, now + LONGEST_STAY)
    if is_server:
        return _ingest_permissions(expires)
    return _device_permissions(verdict, expires)


def _is_word(said: str, word: str | None) -> bool:
    return word is not None and hmac.compare_digest(said.encode(), word.encode())


def _device_permissions(board: Admitted, expires: datetime) -> Permissions:
    prefixes = board.scope.split("/")
    above = [".".join(prefixes[:n]) for n in range(1, len(prefixes) + 1)]
    heard = (f"scope.{prefix}.{what}" for what in _HEARD for prefix in above)
    down = f"down.{board.name}"
    return Permissions(
        # one topic, not all below: a hostile board could fill the store with retained messages
        publish=(f"up.{board.name}.batch",),
        # the broker turns the MQTT filter x/# into two subscriptions, x and x.>
        subscribe=(down, f"{down}.>", *heard),
        subscriptions=DEVICE_SUBSCRIPTIONS,
        expires=expires,
        name=board.name,
    )


def _ingest_permissions(expires: datetime) -> Permissions:
    return Permissions(
        publish=("down.>", "scope.>"),
        # QoS 1 reaches a client over this subject of the broker's own: so its manual says, though
        # version 2.15 does without
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


def _leaf(chains: list[list[str]]) -> bytes | None:
    if not chains or not chains[0]:
        return None
    try:
        certificate = x509.load_pem_x509_certificate(chains[0][0].encode())
    except (ValueError, binascii.Error, x509.InvalidVersion) as error:
        raise MessageError(f"client certificate: {error}") from None
    return certificate.public_bytes(Encoding.DER)


class _ServerId(msgspec.Struct):
    id: str


class _ClientInfo(msgspec.Struct):
    id: int = 0
    type: str = ""
    mqtt_id: str = ""


class _ConnectOpts(msgspec.Struct):
    password: str = msgspec.field(default="", name="pass")


class _ClientTls(msgspec.Struct):
    verified_chains: list[list[str]] = []


class _Body(msgspec.Struct):
    server_id: _ServerId
    user_nkey: str
    client_info: _ClientInfo
    client_tls: _ClientTls | None = None
    connect_opts: _ConnectOpts = msgspec.field(default_factory=_ConnectOpts)


class _Claims(msgspec.Struct):
    nats: _Body
