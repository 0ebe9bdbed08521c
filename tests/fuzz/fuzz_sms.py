"""Fuzz target: delivered messages, their headers, and what is put together from them."""

from __future__ import annotations

import contextlib

from loa_protocol.errors import FormatError
from loa_protocol.sms import parse_deliver, parse_part
from loa_protocol.sms_parts import MOST_SETS, Reassembler


def fuzz(data: bytes) -> None:
    """Read *data* as a PDU, and in pieces as user data; only FormatError comes out."""
    reassembler = Reassembler()
    pieces = [data[at : at + 12] for at in range(0, len(data), 12)]
    with contextlib.suppress(FormatError):
        came = parse_deliver(data)
        pieces.append(came.user_data)
    for number, piece in enumerate(pieces):
        with contextlib.suppress(FormatError):
            reassembler.take("", parse_part(piece, has_header=bool(number % 4)), number)
    assert len(reassembler) <= MOST_SETS
