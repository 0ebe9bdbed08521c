"""The broker's question: a signed token with a client's own words and certificate inside."""

from __future__ import annotations

import contextlib

from loa_manager.serve.nats_token import KeyType, NatsKey, sign_token
from loa_manager.serve.permissions import parse_request
from loa_protocol.errors import FormatError
from loa_protocol.trust import TrustError

_BROKER = NatsKey.generate(KeyType.SERVER)


def fuzz(data: bytes) -> None:
    """Read *data* as a token, and as a client's words inside a token that is well signed."""
    for token in (data, _wrapped(data)):
        with contextlib.suppress(FormatError, TrustError):
            parse_request(token)


def _wrapped(data: bytes) -> bytes:
    text = data.decode("latin-1")
    body = {
        "server_id": {"id": _BROKER.public},
        "user_nkey": text[:60],
        "client_info": {"type": "mqtt", "mqtt_id": text},
        "client_tls": {"verified_chains": [[text]]},
        "connect_opts": {"user": text, "pass": text},
    }
    return sign_token({"nats": body}, _BROKER).encode()
