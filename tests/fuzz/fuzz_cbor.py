"""The CBOR decoder."""

from __future__ import annotations

import contextlib

from loa_protocol import cbor
from loa_protocol.errors import FormatError


def fuzz(data: bytes) -> None:
    """Decode *data*; what decodes must encode to the same bytes."""
    with contextlib.suppress(FormatError):
        assert cbor.encode(cbor.decode(data)) == data
