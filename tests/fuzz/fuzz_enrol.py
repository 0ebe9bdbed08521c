"""Fuzz target: what an enrolment service sends."""

from __future__ import annotations

import contextlib

from loa_endpoint.content.enrol import chain_of, life_of, read_certificates
from loa_protocol.errors import MessageError
from loa_protocol.keys import Algorithm, PublicKey

_OURS = PublicKey(Algorithm.ES256, bytes(33))


def fuzz(data: bytes) -> None:
    """Read *data* as an answer and as a certificate; only MessageError may come out."""
    with contextlib.suppress(MessageError):
        chain_of(read_certificates(data), _OURS, [])
    with contextlib.suppress(MessageError):
        life_of(data)
