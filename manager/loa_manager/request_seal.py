"""A request that carries its sender's seal: how people's machines show who they are. Pure.

No passwords, no client certificates: the key that signs drafts and orders signs the request too,
over its method, target, host, time, a random nonce and the hash of its body. Two headers carry the
seal and the certificates that lead from the key to the province's root. The other side keeps the
nonces it has seen for as long as a request counts, so that none counts twice.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from loa_manager.keyring import Identity
from loa_protocol import cbor
from loa_protocol.chain import resolve
from loa_protocol.envelope import MAX_CERTIFICATES, open_seal, seal
from loa_protocol.errors import FormatError, LoaError, MessageError
from loa_protocol.objects.authority import Level, Role
from loa_protocol.schema import Bytes, Int, Text, Wire, wire
from loa_protocol.scope import is_inside
from loa_protocol.trust import Now, Trusted, TrustError

LABEL: Final = "loa/request/1"
SEAL_HEADER: Final = "Loa-Request"
CHAIN_HEADER: Final = "Loa-Certificates"
WINDOW_MS: Final = 300_000  # how far the two clocks may lie apart
MAX_SEAL: Final = 2_400  # characters of base64: a target of 1,024 bytes and the rest
MAX_CHAIN: Final = 10_000  # characters of base64; three certificates of two issuers have 2,500
NONCE_BYTES: Final = 16
MOST_NONCES: Final = 100_000
MOST_NONCES_OF_ONE: Final = 10_000  # 1.2 GB in portions of 128 KiB within the window


class RequestError(LoaError):
    """A request is refused: *status* as in HTTP, *reason* a stable word."""

    def __init__(self, status: int, reason: str, who: str = "") -> None:
        super().__init__(f"{status} {reason}")
        self.status, self.reason, self.who = status, reason, who


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(Wire):
    """What the seal is over; the target is path and query as they stand in the request line."""

    method: str = wire(1, Text(8))
    target: str = wire(2, Text(1024, str.isascii))
    host: str = wire(3, Text(253, str.isascii))
    time_ms: int = wire(4, Int())
    nonce: bytes = wire(5, Bytes(NONCE_BYTES, NONCE_BYTES))
    body: bytes = wire(6, Bytes(32, 32))  # SHA-256


@dataclass(frozen=True, slots=True)
class Sender:
    """Who made a request, as the certificate says; nothing in it comes from the request itself."""

    holder: str
    kid: bytes
    scopes: tuple[str, ...]
    roles: frozenset[Role]
    level: Level

    def covers(self, scope: str) -> bool:
        """Tell whether *scope* lies inside one of the sender's."""
        return any(is_inside(scope, prefix) for prefix in self.scopes)

    def need(self, scope: str, *roles: Role) -> None:
        """Pass when the sender speaks for *scope* in one of *roles*.

        Raises:
            RequestError: 403 ``scope`` or ``role``. The scope comes first: who is foreign learns
                nothing of what a role would have opened.
        """
        if not self.covers(scope):
            raise RequestError(403, "scope", self.holder)
        if not self.roles.intersection(roles):
            raise RequestError(403, "role", self.holder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A request as it arrived: what the claim is compared with."""

    method: str
    target: str
    hosts: frozenset[str]  # the names under which this server may be asked, lower case
    headers: Mapping[str, str]  # names in lower case


def seal_request(identity: Identity, claim: Claim) -> dict[str, str]:
    """Return the headers that carry *claim* under the seal of *identity*."""
    sealed = seal(claim.to_bytes(), LABEL, identity.signer, detached=False)
    return {
        SEAL_HEADER: base64.b64encode(sealed).decode(),
        CHAIN_HEADER: base64.b64encode(cbor.encode(list(identity.chain))).decode(),
    }


class Door:
    """Judges requests, and remembers the nonces of those it let in.

    Memory is bounded: a nonce is kept while its request counts, so many of one key and so many in
    all. A server that begins anew has forgotten them, and refuses what was sealed before it began.
    What a clock ahead of ours sealed just before could come once more, for as long as that clock is
    ahead: so every route takes the same thing twice without effect.
    """

    def __init__(self, started_ms: int) -> None:
        self._started_ms = started_ms
        self._seen: set[tuple[bytes, bytes]] = set()
        self._ages: deque[tuple[int, tuple[bytes, bytes]]] = deque()
        self._counts: dict[bytes, int] = {}

    def judge(self, shown: Shown, trusted: Trusted, now: Now, now_ms: int) -> tuple[Sender, Claim]:
        """Return who sent the request, and the claim with the hash that its body must have.

        Args:
            shown: The request without its body.
            trusted: The root, and what is denied.
            now: For the certificates' dates.
            now_ms: The same instant in milliseconds.

        Raises:
            RequestError: 401 with ``no_signature``, ``format``, a reason of the acceptance rule,
                ``other_request``, ``host``, ``clock`` or ``replayed``; 429 ``too_many``.
        """
        sender, claim = _open(shown, trusted, now)
        if (claim.method, claim.target) != (shown.method, shown.target):
            raise RequestError(401, "other_request", sender.holder)
        if claim.host.lower() not in shown.hosts:
            raise RequestError(401, "host", sender.holder)
        if abs(claim.time_ms - now_ms) > WINDOW_MS or claim.time_ms < self._started_ms:
            raise RequestError(401, "clock", sender.holder)
        self._remember(sender, claim, now_ms)
        return sender, claim

    def _remember(self, sender: Sender, claim: Claim, now_ms: int) -> None:
        # the longest that the request just judged can count: its time may lie ahead of ours
        while self._ages and self._ages[0][0] < now_ms - 2 * WINDOW_MS:
            _at, old = self._ages.popleft()
            self._seen.discard(old)
            self._counts[old[0]] -= 1
            if not self._counts[old[0]]:
                del self._counts[old[0]]
        key = sender.kid, claim.nonce
        if key in self._seen:
            raise RequestError(401, "replayed", sender.holder)
        mine = self._counts.get(sender.kid, 0)
        if mine >= MOST_NONCES_OF_ONE or len(self._seen) >= MOST_NONCES:
            raise RequestError(429, "too_many", sender.holder)
        self._seen.add(key)
        self._ages.append((now_ms, key))
        self._counts[sender.kid] = mine + 1


def check_body(claim: Claim, body: bytes) -> None:
    """Pass when *body* is the one that was claimed; raise RequestError 401 ``body`` if not."""
    if hashlib.sha256(body).digest() != claim.body:
        raise RequestError(401, "body")


def _open(shown: Shown, trusted: Trusted, now: Now) -> tuple[Sender, Claim]:
    texts = shown.headers.get(SEAL_HEADER.lower()), shown.headers.get(CHAIN_HEADER.lower())
    if texts[0] is None or texts[1] is None:
        raise RequestError(401, "no_signature")
    try:
        opened = open_seal(_decode(texts[0], MAX_SEAL))
        if opened.payload is None:
            raise MessageError("the claim is missing")
        claim = Claim.from_bytes(opened.payload)
        chain = _parse_chain(_decode(texts[1], MAX_CHAIN))
        found = resolve(chain, trusted, now).get(opened.kid)
    except FormatError:
        raise RequestError(401, "format") from None
    except TrustError as error:
        raise RequestError(401, str(error.reason)) from None
    if found is None or found.certificate is None:  # a root's own key signs no requests
        raise RequestError(401, "unknown_signer")
    if not opened.is_by(found.key, opened.payload, LABEL):
        raise RequestError(401, "signature", found.holder)
    level = found.certificate.level
    return Sender(found.holder, found.key.kid, found.scopes, found.roles, level), claim


def _decode(text: str, most: int) -> bytes:
    if len(text) > most:
        raise FormatError(f"{len(text)} characters are more than the {most} allowed")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise FormatError("not base64") from None


def _parse_chain(data: bytes) -> list[bytes]:
    members = cbor.decode(data)
    if not isinstance(members, list) or len(members) > MAX_CERTIFICATES:
        raise MessageError("expected a list of certificates")
    chain = [member for member in members if isinstance(member, bytes)]
    if len(chain) != len(members):
        raise MessageError("a certificate is not a byte string")
    return chain
