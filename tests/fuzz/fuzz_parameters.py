"""Fallback parameters as they come out of a settings object."""

from __future__ import annotations

from loa_protocol import cbor
from loa_protocol.errors import FormatError, MessageError
from loa_protocol.parameters import FallbackParameters


def fuzz(data: bytes) -> None:
    """Accept and write back, or refuse with a named error."""
    try:
        value = cbor.decode(data)
    except FormatError:
        return
    if not isinstance(value, dict):
        return
    try:
        parameters = FallbackParameters.from_map(value)  # type: ignore[arg-type]  # anything may come
    except MessageError:
        return
    assert FallbackParameters.from_map(parameters.to_map()) == parameters
