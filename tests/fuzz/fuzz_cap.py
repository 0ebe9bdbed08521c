"""CAP files that strangers bring: any bytes are a message of CAP 1.2, or a named error."""

from __future__ import annotations

from loa_manager.orders.cap import read_cap
from loa_manager.orders.cap_content import content_of
from loa_protocol.errors import ConfigError, FormatError


def fuzz(data: bytes) -> None:
    """Read *data*; where it is a message, ask what it wants of us."""
    try:
        content_of(read_cap(data), known=(), areas={})
    except (FormatError, ConfigError):
        return
