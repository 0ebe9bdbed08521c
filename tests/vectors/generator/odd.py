"""CBOR that is not of the profile, written on purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loa_protocol import cbor


class Raw(bytes):
    """Bytes that stand in the output as they are."""

    __slots__ = ()


class Pairs(list[tuple[Any, Any]]):
    """A map as it shall be written: in this order, keys of any type, twice if wanted."""


def encode(value: Any) -> bytes:
    """Return *value* in CBOR, with :class:`Raw` and :class:`Pairs` taken literally."""
    match value:
        case Raw():
            return bytes(value)
        case Pairs():
            return _head(5, len(value)) + b"".join(encode(k) + encode(v) for k, v in value)
        case dict():
            rows = sorted((encode(k), encode(v)) for k, v in value.items())
            return _head(5, len(rows)) + b"".join(k + v for k, v in rows)
        case list() | tuple():
            return _head(4, len(value)) + b"".join(map(encode, value))
        case _:
            return cbor.encode(value)


def long_head(major: int, argument: int, width: int) -> Raw:
    """Return the head of an item with *argument* in *width* bytes, though fewer would do."""
    info = {1: 24, 2: 25, 4: 26, 8: 27}[width]
    return Raw(bytes([major << 5 | info]) + argument.to_bytes(width))


def with_value(value: Mapping[int, Any], path: Sequence[int], new: Any) -> dict[int, Any]:
    """Return *value* with *new* at *path*: keys of maps, indexes of arrays."""
    changed: dict[int, Any] = _changed(dict(value), path, new)
    return changed


def _changed(value: Any, path: Sequence[int], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _changed(copy[path[0]], path[1:], new) if len(path) > 1 else new
    return copy


def _head(major: int, argument: int) -> bytes:
    array = cbor.encode([0] * argument)[: -argument or None]
    return bytes([array[0] & 0x1F | major << 5]) + array[1:]
