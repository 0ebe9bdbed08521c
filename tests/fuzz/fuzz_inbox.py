"""Fuzz target: the inbox, as any carrier meets it."""

from __future__ import annotations

from functools import cache

from loa_endpoint.core.inbox import Inbox, Nothing, Wait
from loa_endpoint.core.sync import Have, Refuse
from loa_protocol.cbor import MAX_BYTES
from loa_protocol.envelope import Bundle, Kind
from support.kept import signed_order
from support.orders import alert
from support.province import NOW, province

_KINDS = tuple(Kind)


def fuzz(data: bytes) -> None:
    """Offer *data*, as it is, as a payload and beside true seals: nothing is taken."""
    inbox = Inbox({}, {})
    have = Have(province().trusted(), frozenset())
    for each in (data, _as_payload(data), _as_certificate(data), _altered(data)):
        verdict = inbox.judge(each, have, NOW, alert_without_time=False)
        assert isinstance(verdict, Refuse | Wait | Nothing), verdict
    assert not inbox.known


@cache
def _order() -> Bundle:
    return Bundle.from_bytes(signed_order(alert()))


def _as_payload(data: bytes) -> bytes:
    kind = _KINDS[data[0] % len(_KINDS)] if data else Kind.ALERT
    return _bundle(int(kind), data[1:], _order().seals, _order().certificates)


def _as_certificate(data: bytes) -> bytes:
    return _bundle(Kind.ALERT, _order().payload, _order().seals, (data[:8192] or b"\x00",))


def _altered(data: bytes) -> bytes:
    """Return a true order with some bytes of its payload changed."""
    payload = bytearray(_order().payload)
    for number, byte in enumerate(data or b"\x01"):
        payload[(number * 7 + byte) % len(payload)] ^= byte or 1
    if bytes(payload) == _order().payload:
        payload[0] ^= 1
    return _bundle(Kind.ALERT, bytes(payload), _order().seals, _order().certificates)


def _bundle(
    kind: int, payload: bytes, seals: tuple[bytes, ...], certificates: tuple[bytes, ...]
) -> bytes:
    return Bundle(
        kind=kind,
        version=1,
        payload=(payload or b"\x00")[: MAX_BYTES // 2],
        seals=seals,
        certificates=certificates,
    ).to_bytes()
