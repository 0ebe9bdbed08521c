"""What a board posts to be certified: base64 with a PKCS#10 request inside."""

from __future__ import annotations

import base64
import contextlib

from loa_manager import x509
from loa_manager.serve.enrolment import parse_body
from loa_protocol.errors import FormatError


def fuzz(data: bytes) -> None:
    """Read *data* as the body, and as the request inside a good body."""
    for body in (data, base64.b64encode(data)):
        with contextlib.suppress(FormatError):
            x509.read_csr(parse_body(body))
