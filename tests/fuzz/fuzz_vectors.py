"""The vectors' door: requests that another implementation's tools might write."""

from __future__ import annotations

import contextlib

from loa_protocol import vectors
from loa_protocol.errors import MessageError


def fuzz(data: bytes) -> None:
    """Read *data* as a request; what is no request is a MessageError, all else a verdict."""
    with contextlib.suppress(MessageError):
        vectors.answer(data.decode(errors="replace"))
