"""Seals and bundles, before anybody judges who made them."""

from __future__ import annotations

import contextlib

from loa_protocol.envelope import Bundle, open_seal
from loa_protocol.errors import FormatError


def fuzz(data: bytes) -> None:
    """Open *data* as a seal and as a bundle; a bundle that opens closes to the same bytes."""
    with contextlib.suppress(FormatError):
        opened = open_seal(data)
        assert data.endswith(opened.signature)
    with contextlib.suppress(FormatError):
        bundle = Bundle.from_bytes(data)
        assert bundle.to_bytes() == data
        for each in bundle.seals:
            with contextlib.suppress(FormatError):
                open_seal(each)
