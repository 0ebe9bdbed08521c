"""Fuzz target: the compact form of an order."""

from __future__ import annotations

import contextlib

from loa_protocol.compact import MARK, compact, expand
from loa_protocol.envelope import Kind
from loa_protocol.errors import FormatError


def fuzz(data: bytes) -> None:
    """Expand *data*, bare and behind a head; what is expanded packs to the same bytes."""
    for each in (data, bytes((MARK, Kind.ALERT, 1, 1)) + data):
        with contextlib.suppress(FormatError):
            assert compact(expand(each)) == each
