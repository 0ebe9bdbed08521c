"""Fuzz target: the list of standing orders that a head names."""

from __future__ import annotations

import contextlib

from loa_endpoint.core.standing_list import StandingList
from loa_protocol.cbor import MAX_BYTES
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import FormatError
from support.province import CLUSTER, NOW


def fuzz(data: bytes) -> None:
    """Take *data* as a list, as it is and as the payload of one; what is wanted stays bounded."""
    for each in (data, _as_payload(data)):
        board = StandingList()
        with contextlib.suppress(FormatError):
            board.on_list(each, CLUSTER, NOW.unix_s)
        named = board.named
        assert len(list(board.wanted(named, {}, ()))) <= 64
        assert len(list(board.wanted_signers((), ()))) <= 96
        board.is_settled(named, {})


def _as_payload(data: bytes) -> bytes:
    payload = (data or b"\x00")[: MAX_BYTES - 1024]
    return Bundle(
        kind=Kind.STANDING_ORDERS, version=1, payload=payload, seals=(), certificates=()
    ).to_bytes()
