"""Records and batches as they reach the manager."""

from __future__ import annotations

import contextlib

from loa_protocol.envelope import open_seal
from loa_protocol.errors import FormatError
from loa_protocol.objects.online import Batch
from loa_protocol.record import Record


def fuzz(data: bytes) -> None:
    """Parse *data* as a record and as a batch; a record comes back as the same bytes."""
    with contextlib.suppress(FormatError):
        assert Record.from_bytes(data).to_bytes() == data
    with contextlib.suppress(FormatError):
        Batch.from_bytes(data)
    with contextlib.suppress(FormatError):
        open_seal(data)
