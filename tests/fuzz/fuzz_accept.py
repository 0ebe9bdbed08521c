"""The acceptance rule, its bundles, certificates and seals."""

from __future__ import annotations

import contextlib

from loa_protocol.accept import accept
from loa_protocol.errors import FormatError
from loa_protocol.succession import accept_root, accept_transfer
from loa_protocol.trust import TrustError
from support.province import NOW, province


def fuzz(data: bytes) -> None:
    """Judge *data* by every door."""
    trusted = province().trusted()
    with contextlib.suppress(FormatError, TrustError):
        accept(data, trusted, NOW)
    with contextlib.suppress(FormatError, TrustError):
        accept_root(data, trusted, NOW)
    with contextlib.suppress(FormatError, TrustError):
        accept_transfer(data, trusted, NOW)
