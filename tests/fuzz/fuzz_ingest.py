"""Batches from a hostile broker: any bytes are a sealed batch, or refused by name."""

from __future__ import annotations

from loa_manager.ingest import open_batch
from loa_protocol.errors import FormatError


def fuzz(data: bytes) -> None:
    """Open *data* as a sealed batch."""
    try:
        open_batch(data)
    except FormatError:
        return
