"""Deterministic CBOR (RFC 8949 section 4.2.1), and nothing that is not deterministic.

Allowed: integers of 64 bits, byte strings, text, arrays, maps with integer keys in rising order of
their encoding, true and false. Not allowed: floats, tags, null, indefinite lengths, longer forms
than needed, duplicate or unordered keys, bytes after the end. One value has one encoding, so the
signed bytes and the meaning cannot drift apart.
"""

from __future__ import annotations

from typing import TypeAlias

from loa_protocol.errors import FormatError

Value: TypeAlias = "int | bool | bytes | str | list[Value] | dict[int, Value]"

MAX_BYTES = 256 * 1024  # trust.md section 1: an inline alert of 96 s Opus fits, a bomb does not
MAX_DEPTH = 6
_SIMPLE = {0xF4: False, 0xF5: True}


def encode(value: Value) -> bytes:
    """Return the one encoding of *value*.

    Raises:
        ValueError: *value* holds something outside the profile (our own mistake).
    """
    match value:
        case bool():
            return b"\xf5" if value else b"\xf4"
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case bytes():
            return _head(2, len(value)) + value
        case str():
            text = value.encode()
            return _head(3, len(text)) + text
        case list():
            return _head(4, len(value)) + b"".join(map(encode, value))
        case dict():
            if not all(type(key) is int for key in value):
                raise ValueError("map keys are integers")
            rows = sorted((encode(key), encode(item)) for key, item in value.items())
            return _head(5, len(rows)) + b"".join(key + item for key, item in rows)
    raise ValueError(f"{type(value).__name__} has no place in the profile")


def decode(data: bytes) -> Value:
    """Return the value whose one encoding is *data*.

    Raises:
        FormatError: *data* is longer than ``MAX_BYTES`` or not deterministic CBOR of this profile.
    """
    if len(data) > MAX_BYTES:
        raise FormatError(f"{len(data)} bytes are more than the {MAX_BYTES} allowed")
    value, end = _item(data, 0, MAX_DEPTH)
    if end != len(data):
        raise FormatError(f"{len(data) - end} bytes after the end of the value")
    return value


def head(data: bytes, at: int) -> tuple[int, int, int]:
    """Return (major type, argument, offset after the head) of the item at *at*.

    Raises:
        FormatError: the head is cut off, longer than needed or indefinite.
    """
    if at >= len(data):
        raise FormatError(f"the value ends too early, at byte {at}")
    major, info = data[at] >> 5, data[at] & 0x1F
    if info < 24:
        return major, info, at + 1
    if info > 27:
        raise FormatError(f"indefinite or reserved length at byte {at}")
    width = 1 << (info - 24)
    end = at + 1 + width
    if end > len(data):
        raise FormatError(f"the value ends too early, at byte {at}")
    argument = int.from_bytes(data[at + 1 : end])
    if argument < 24 or (width > 1 and argument < 1 << (4 * width)):
        raise FormatError(f"a longer form than needed at byte {at}")
    return major, argument, end


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    for info, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << (8 * width):
            return bytes([major << 5 | info]) + argument.to_bytes(width)
    raise ValueError("integers have at most 64 bits")


def _item(data: bytes, at: int, depth: int) -> tuple[Value, int]:
    initial = data[at] if at < len(data) else 0x1F
    if initial & 0x1F < 24:  # most heads are one byte; this line halves the time of a playlist
        major, argument, start = initial >> 5, initial & 0x1F, at + 1
    else:
        major, argument, start = head(data, at)
    if major <= 1:
        return (argument if major == 0 else -1 - argument), start
    if major <= 3:
        return _string(data, at, major=major, start=start, end=start + argument)
    if major == 7 and data[at] in _SIMPLE:
        return _SIMPLE[data[at]], start
    if major >= 6:
        raise FormatError(f"a tag, float or simple value at byte {at}")
    if depth == 0:
        raise FormatError(f"deeper than {MAX_DEPTH} levels at byte {at}")
    if argument > len(data) - start:  # each member takes a byte or more: no room for so many
        raise FormatError(f"the value ends too early, at byte {at}")
    return (
        _array(data, start, argument, depth) if major == 4 else _map(data, start, argument, depth)
    )


def _string(data: bytes, at: int, *, major: int, start: int, end: int) -> tuple[Value, int]:
    if end > len(data):
        raise FormatError(f"the value ends too early, at byte {at}")
    raw = data[start:end]
    if major == 2:
        return raw, end
    try:
        return raw.decode(), end
    except UnicodeDecodeError:
        raise FormatError(f"text that is not UTF-8 at byte {at}") from None


def _array(data: bytes, at: int, count: int, depth: int) -> tuple[Value, int]:
    members: list[Value] = []
    for _ in range(count):
        member, at = _item(data, at, depth - 1)
        members.append(member)
    return members, at


def _key(data: bytes, at: int) -> tuple[int, int]:
    major, argument, after = head(data, at)
    if major > 1:
        raise FormatError(f"a map key that is no integer at byte {at}")
    return (argument if major == 0 else -1 - argument), after


def _map(data: bytes, at: int, count: int, depth: int) -> tuple[Value, int]:
    members: dict[int, Value] = {}
    last = b""
    for _ in range(count):
        initial = data[at] if at < len(data) else 0xFF
        key, after = (initial, at + 1) if initial < 24 else _key(data, at)
        encoded = data[at:after]
        if encoded <= last:
            raise FormatError(f"duplicate or unordered map key at byte {at}")
        last = encoded
        members[key], at = _item(data, after, depth - 1)
    return members, at
