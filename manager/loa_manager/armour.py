"""Armoured text: bytes between a begin and an end line, which travel by mail and on paper."""

from __future__ import annotations

import base64
import binascii
import textwrap
from typing import Final

from loa_protocol.errors import FormatError

MAX_FILE: Final = 64 * 1024  # a chain has at most 16 certificates of a few hundred bytes
_WIDTH: Final = 64


def armour(title: str, data: bytes) -> bytes:
    """Return *data* as text under *title*."""
    lines = textwrap.wrap(base64.b64encode(data).decode(), _WIDTH)
    return "\n".join([f"-----BEGIN {title}-----", *lines, f"-----END {title}-----", ""]).encode()


def unarmour(title: str, data: bytes) -> bytes:
    """Return the bytes that stand as text under *title* in *data*.

    Raises:
        FormatError: too long, not under that title, or damaged.
    """
    if len(data) > MAX_FILE:
        raise FormatError(f"{len(data)} bytes are more than the {MAX_FILE} allowed")
    try:
        text = data.decode("ascii").strip()
    except UnicodeDecodeError:
        raise FormatError(f"not a {title}: not plain text") from None
    begin, end = f"-----BEGIN {title}-----", f"-----END {title}-----"
    if not text.startswith(begin) or not text.endswith(end) or len(text) < len(begin) + len(end):
        raise FormatError(f"not a {title}: begin or end is missing")
    try:
        return base64.b64decode("".join(text[len(begin) : -len(end)].split()), validate=True)
    except binascii.Error:
        raise FormatError(f"a {title} with damaged base64") from None
