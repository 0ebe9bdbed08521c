"""What a board posts to be certified: base64 with a PKCS#10 request inside."""

from __future__ import annotations

import base64
import contextlib
from functools import cache

from loa_manager import x509
from loa_manager.serve.enrolment import parse_body
from loa_protocol.errors import FormatError
from support.device_ca_lab import make_csr, new_key


@cache
def _good() -> bytes:
    return make_csr(new_key())


def fuzz(data: bytes) -> None:
    """Read *data* as the body, as the request inside, and as a damage to a good request."""
    good = _good()
    at = int.from_bytes(data[:2]) % len(good)
    damaged = good[:at] + data[2:] + good[at + len(data[2:]) :]
    for body in (data, base64.b64encode(data), base64.b64encode(damaged)):
        with contextlib.suppress(FormatError):
            x509.read_csr(parse_body(body))
