"""Fuzz target: the modem's answer to the question for its clock."""

from __future__ import annotations

import contextlib

from loa_endpoint.core.modem_clock import parse_modem_clock
from loa_protocol.errors import FormatError


def fuzz(data: bytes) -> None:
    """Read *data* as a line, and as what stands between the quotes; only FormatError comes out."""
    text = data.decode("latin-1")
    for line in (text, f'+CCLK: "{text}"'):
        with contextlib.suppress(FormatError):
            assert abs(parse_modem_clock(line)) < 2**43
