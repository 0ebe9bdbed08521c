"""The words of the bench, on the board's side and on the tool's, and requests for certificates."""

from __future__ import annotations

import contextlib

from loa_manager import x509
from loa_manager.keyring import parse_chain, parse_request
from loa_protocol import bench
from loa_protocol.errors import FormatError


def fuzz(data: bytes) -> None:
    """Parse *data* as everything that crosses the bench; what parses must encode the same."""
    for parse in (bench.parse_question, bench.parse_answer):
        with contextlib.suppress(FormatError):
            assert bench.encode(parse(data)) == data
    for read in (x509.read_csr, x509.from_der_key, x509.from_pem, parse_request, parse_chain):
        with contextlib.suppress(FormatError):
            read(data)
