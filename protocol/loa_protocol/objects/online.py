"""What online keys may say: hashes, the time, and how far records have arrived."""

from __future__ import annotations

from dataclasses import dataclass

from loa_protocol.objects.authority import SECONDS, Level
from loa_protocol.schema import Bytes, Choice, Int, ListOf, Nested, Wire, wire
from loa_protocol.scope import SCOPE

HASH = Bytes(32, 32)
ENDPOINT = Bytes(16, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyMark(Wire):
    """Which policy of a scope is the newest."""

    scope: str = wire(1, SCOPE)
    epoch: int = wire(2, Int(0, 2**31))
    serial: int = wire(3, Int())
    digest: bytes = wire(4, HASH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head(Wire):
    """The newest of everything, by hash alone; stale after 60 minutes."""

    scope: str = wire(1, SCOPE)
    time: int = wire(2, SECONDS)
    tree: bytes = wire(3, HASH)  # RFC 9162 Merkle root over the leaves of merkle.py
    leaves: int = wire(4, Int())
    standing_orders: bytes = wire(5, HASH)  # of the document of that kind; all zero without one
    deny_list: bytes = wire(6, HASH)  # all zero where there is none
    root_version: int = wire(7, Int(1))
    root: bytes = wire(8, HASH)
    policies: tuple[PolicyMark, ...] = wire(9, ListOf(Nested(PolicyMark, row=True), 256))


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderMark(Wire):
    """One order that stands: an alert, a grant, a command or what ends one."""

    scope: str = wire(1, SCOPE)
    kind: int = wire(2, Int(1, 255))  # of envelope.Kind
    digest: bytes = wire(3, HASH)
    until: int = wire(4, SECONDS)  # when it may leave the list
    # at which the server knows it; who took it with lighter seals fetches it, and judges it itself
    level: Level | None = wire(5, Choice(Level), optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerMark(Wire):
    """The certificate of somebody who may give orders in a scope: boards keep it for short forms.

    A message over SMS has no room for certificates.
    """

    scope: str = wire(1, SCOPE)
    digest: bytes = wire(2, HASH)


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingOrders(Wire):
    """What is in force. Not signed: the head names its hash, and each order has its own seals.

    Absence from it ends nothing; only a signed object does.
    """

    orders: tuple[OrderMark, ...] = wire(1, ListOf(Nested(OrderMark, row=True), 1024))
    signers: tuple[SignerMark, ...] = wire(2, ListOf(Nested(SignerMark, row=True), 1024))


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf(Wire):
    """One leaf of the head's tree: the newest playlist of a scope."""

    scope: str = wire(1, SCOPE)
    epoch: int = wire(2, Int(0, 2**31))
    serial: int = wire(3, Int())
    digest: bytes = wire(4, HASH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inclusion(Wire):
    """The path that shows a leaf under the head's root. Not signed: the head is."""

    leaf: Leaf = wire(1, Nested(Leaf))
    index: int = wire(2, Int())
    path: tuple[bytes, ...] = wire(3, ListOf(HASH, 64))


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeAnswer(Wire):
    """The time, over a nonce that the asking endpoint made."""

    nonce: bytes = wire(1, Bytes(16, 32))
    time_ms: int = wire(2, Int(0, 2**50))


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt(Wire):
    """How far an endpoint's records are committed at the server."""

    endpoint: bytes = wire(1, ENDPOINT)
    epoch: int = wire(2, Int(0, 2**31))
    next: int = wire(3, Int())  # the sequence the server wants next in that epoch
    chain: bytes = wire(4, HASH)
    time_ms: int = wire(5, Int(0, 2**50))


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(Wire):
    """Records of one endpoint, chained to those before; sealed by the device key alone."""

    endpoint: bytes = wire(1, ENDPOINT)
    epoch: int = wire(2, Int(0, 2**31))
    number: int = wire(3, Int())
    first: int = wire(4, Int())  # sequence of the first record
    previous: bytes = wire(5, HASH)  # chain hash before it
    records: tuple[bytes, ...] = wire(6, ListOf(Bytes(1, 4096), 256, 1))
