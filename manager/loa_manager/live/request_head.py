"""Reads the head of what an encoder sends to an Icecast server: bytes from outside. Pure.

Encoders speak one of two ways: ``SOURCE /mount ICE/1.0`` (or HTTP/1.0), and ``PUT /mount HTTP/1.1``
since Icecast 2.4, often with ``Expect: 100-continue``. Both log in with HTTP Basic as ``source``.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import Final

from loa_protocol.errors import MessageError

MAX_HEAD: Final = 8 * 1024
END: Final = b"\r\n\r\n"
_METHODS: Final = ("SOURCE", "PUT")
_USER: Final = "source"


@dataclass(frozen=True, slots=True)
class SourceHead:
    """What an encoder asks for.

    Attributes:
        is_source: Whether it is the old method, which waits for an answer and then sends.
        mount: Where to.
        password: What it logs in with; empty where it does not.
        waits: Whether it waits for "100 Continue" before it sends.
        is_chunked: Whether its body comes in HTTP's chunks.
    """

    is_source: bool
    mount: str
    password: str
    waits: bool
    is_chunked: bool

    def is_let_in(self, mount: str, password: str) -> bool:
        """Tell whether it may send to *mount* with the right *password*."""
        is_word = hmac.compare_digest(self.password.encode(), password.encode())
        return is_word and self.mount == mount


def parse_head(data: bytes) -> SourceHead:
    """Read the head *data*, up to and with the empty line.

    Raises:
        MessageError: it is not what an encoder sends.
    """
    if len(data) > MAX_HEAD or not data.endswith(END):
        raise MessageError("no head of a request")
    first, *lines = data[: -len(END)].decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or parts[0] not in _METHODS:
        raise MessageError(f"not SOURCE or PUT: {first[:40]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise MessageError(f"no header: {line[:40]!r}")
        headers[name.strip().lower()] = value.strip()
    return SourceHead(
        is_source=parts[0] == "SOURCE",
        mount=parts[1],
        password=_password(headers.get("authorization", "")),
        waits=headers.get("expect", "").lower() == "100-continue",
        is_chunked=headers.get("transfer-encoding", "").lower() == "chunked",
    )


def _password(header: str) -> str:
    scheme, _space, text = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        user, _colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return ""
    return password if user == _USER else ""
