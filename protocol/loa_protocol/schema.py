"""Layouts of wire objects, declared once beside the field they belong to.

A wire object is a frozen dataclass whose fields are declared with :func:`wire`: an integer key and
a codec. From that one declaration come the encoder, the strict parser (unknown keys, missing keys,
wrong types and values out of range are refused) and the CDDL text of the documentation.
"""

from __future__ import annotations

import dataclasses
import enum
import re
import unicodedata
from collections.abc import Callable
from typing import Any, ClassVar, Protocol, Self, TypeVar, cast

from loa_protocol import cbor
from loa_protocol.cbor import Value
from loa_protocol.errors import MessageError

_Enum = TypeVar("_Enum", bound=enum.IntEnum)
# C0 and C1 controls, line separators, and what turns the direction of writing: a signed title must
# read the same in every log and on every terminal
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
UINT_MAX = 2**63 - 1  # SQLite and every language's signed integer can hold it


class Codec(Protocol):
    """How one field goes to the wire and comes back."""

    def to_value(self, field: Any) -> Value:  # noqa: ANN401 - each codec narrows it
        """Return the CBOR value of *field*."""

    def from_value(self, value: Value) -> Any:  # noqa: ANN401 - each codec narrows it
        """Return the field; raise MessageError when *value* is not of this kind."""

    def cddl(self) -> str:
        """Return the type's text in CDDL (RFC 8610)."""


@dataclasses.dataclass(frozen=True)
class Int:
    """An integer from *low* to *high*, both allowed."""

    low: int = 0
    high: int = UINT_MAX

    def to_value(self, field: int) -> Value:
        """Check the range on the way out too: a bad publisher is found at home."""
        return self.from_value(int(field))

    def from_value(self, value: Value) -> int:
        """Raise MessageError outside the range."""
        if type(value) is not int or not self.low <= value <= self.high:
            raise MessageError(
                f"expected an integer from {self.low} to {self.high}, got {value!r:.40}"
            )
        return value

    def cddl(self) -> str:
        """Give the range."""
        return "uint" if (self.low, self.high) == (0, UINT_MAX) else f"{self.low}..{self.high}"


@dataclasses.dataclass(frozen=True)
class Bytes:
    """A byte string of *low* to *high* bytes."""

    low: int
    high: int

    def to_value(self, field: bytes) -> Value:
        """Check the length on the way out too."""
        return self.from_value(field)

    def from_value(self, value: Value) -> bytes:
        """Raise MessageError outside the length."""
        if not isinstance(value, bytes) or not self.low <= len(value) <= self.high:
            raise MessageError(f"expected {self.low} to {self.high} bytes, got {value!r:.40}")
        return value

    def cddl(self) -> str:
        """Give the length."""
        return (
            f"bstr .size {self.low}"
            if self.low == self.high
            else f"bstr .size ({self.low}..{self.high})"
        )


@dataclasses.dataclass(frozen=True)
class Text:
    """Text of at most *high* characters in NFC, optionally checked by *rule*."""

    high: int
    rule: Callable[[str], bool] | None = None
    low: int = 1

    def to_value(self, field: str) -> Value:
        """Check on the way out too."""
        return self.from_value(field)

    def from_value(self, value: Value) -> str:
        """Raise MessageError for other types, lengths, control characters or non-NFC text."""
        if not isinstance(value, str) or not self.low <= len(value) <= self.high:
            raise MessageError(f"expected {self.low} to {self.high} characters, got {value!r:.40}")
        if not (value.isascii() or unicodedata.is_normalized("NFC", value)) or _CONTROL.search(
            value
        ):
            raise MessageError(f"text is not NFC or holds control characters: {value!r:.40}")
        if self.rule is not None and not self.rule(value):
            raise MessageError(f"not of the expected form: {value!r:.40}")
        return value

    def cddl(self) -> str:
        """Give the length."""
        return f"tstr .size ({self.low}..{self.high})"


@dataclasses.dataclass(frozen=True)
class Bool:
    """True or false."""

    def to_value(self, field: bool) -> Value:
        """Pass it on."""
        return self.from_value(field)

    def from_value(self, value: Value) -> bool:
        """Raise MessageError for anything else."""
        if not isinstance(value, bool):
            raise MessageError(f"expected true or false, got {value!r:.40}")
        return value

    def cddl(self) -> str:
        """Name the type."""
        return "bool"


class Choice:
    """One of the numbers of an enumeration."""

    def __init__(self, kind: type[_Enum]) -> None:
        self._kind = kind
        self._members = {member.value: member for member in kind}

    def to_value(self, field: enum.IntEnum) -> Value:
        """Give the number."""
        return int(self._kind(field))

    def from_value(self, value: Value) -> enum.IntEnum:
        """Raise MessageError for a number without a name."""
        if type(value) is not int or value not in self._members:
            raise MessageError(f"{value!r:.40} is no {self._kind.__name__.lower()}")
        return self._members[value]

    def cddl(self) -> str:
        """List the numbers with their names."""
        return " / ".join(f"{member.value}" for member in self._kind)


@dataclasses.dataclass(frozen=True)
class ListOf:
    """An array of *low* to *high* members of one kind, kept as a tuple."""

    member: Codec
    high: int
    low: int = 0

    def to_value(self, field: tuple[Any, ...]) -> Value:
        """Encode each member."""
        if not self.low <= len(field) <= self.high:
            raise MessageError(f"expected {self.low} to {self.high} members, got {len(field)}")
        return [self.member.to_value(each) for each in field]

    def from_value(self, value: Value) -> tuple[Any, ...]:
        """Raise MessageError for another type, length or member."""
        if not isinstance(value, list) or not self.low <= len(value) <= self.high:
            raise MessageError(f"expected {self.low} to {self.high} members, got {value!r:.40}")
        return tuple(self.member.from_value(each) for each in value)

    def cddl(self) -> str:
        """Give the member and the count."""
        return f"[{self.low}*{self.high} {self.member.cddl()}]"


@dataclasses.dataclass(frozen=True)
class MapOf:
    """A map from integers to one kind of member."""

    member: Codec
    high: int
    key: Codec = Int()

    def to_value(self, field: dict[int, Any]) -> Value:
        """Encode each member."""
        return {
            cast("int", self.key.to_value(k)): self.member.to_value(v) for k, v in field.items()
        }

    def from_value(self, value: Value) -> dict[int, Any]:
        """Raise MessageError for another type, length, key or member."""
        if not isinstance(value, dict) or len(value) > self.high:
            raise MessageError(f"expected a map of at most {self.high} members, got {value!r:.40}")
        return {self.key.from_value(k): self.member.from_value(v) for k, v in value.items()}

    def cddl(self) -> str:
        """Give key and member."""
        return f"{{* {self.key.cddl()} => {self.member.cddl()}}}"


class Nested:
    """Another wire object, as a map; with *row*, as an array of its fields in key order."""

    def __init__(self, kind: type[Wire], *, row: bool = False) -> None:
        self._kind, self._row = kind, row

    def to_value(self, field: Wire) -> Value:
        """Encode the object."""
        value = field.to_value()
        return list(value.values()) if self._row else cast("Value", value)

    def from_value(self, value: Value) -> Wire:
        """Raise MessageError when the object's own parser does."""
        if self._row:
            if not isinstance(value, list):
                raise MessageError(f"expected a row, got {value!r:.40}")
            value = dict(enumerate(value, start=1))
        return self._kind.from_value(value)

    def cddl(self) -> str:
        """Name the object."""
        return f"{_cddl_name(self._kind)}{'-row' if self._row else ''}"


def wire(key: int, codec: Codec, *, optional: bool = False) -> Any:  # noqa: ANN401 - as dataclasses.field
    """Declare a dataclass field by integer *key* and *codec*; optional ones default to None."""
    metadata = {"key": key, "codec": codec, "optional": optional}
    if optional:
        return dataclasses.field(default=None, metadata=metadata)
    return dataclasses.field(metadata=metadata)


class Wire:
    """Base of the wire objects."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def to_value(self) -> dict[int, Value]:
        """Return the object as a map of CBOR values, in key order."""
        value: dict[int, Value] = {}
        for key, entry in _layout(type(self)).items():
            content = getattr(self, entry.name)
            if content is None and entry.optional:
                continue
            try:
                value[key] = entry.codec.to_value(content)
            except MessageError as error:
                raise MessageError(f"{type(self).__name__}.{entry.name}: {error}") from None
        return value

    def to_bytes(self) -> bytes:
        """Return the object's one encoding."""
        self.check()  # a bad publisher is found at home
        return cbor.encode(self.to_value())

    def check(self) -> None:
        """Raise MessageError where fields that are fine alone contradict each other."""

    @classmethod
    def from_value(cls, value: Value) -> Self:
        """Return the object that *value* describes.

        Raises:
            MessageError: a key is unknown or missing, or a value is not of its kind.
        """
        if not isinstance(value, dict):
            raise MessageError(f"{cls.__name__}: expected a map, got {value!r:.40}")
        layout = _layout(cls)
        content: dict[str, Any] = {}
        for key, entry in layout.items():
            if key in value:
                try:
                    content[entry.name] = entry.parse(value[key])
                except MessageError as error:
                    raise MessageError(f"{cls.__name__}.{entry.name}: {error}") from None
            elif not entry.optional:
                raise MessageError(f"{cls.__name__}.{entry.name} is missing")
        if len(content) < len(value):
            unknown = sorted(value.keys() - layout.keys())
            raise MessageError(f"{cls.__name__}: unknown keys {unknown}")
        made = cls(**content)
        made.check()
        return made

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Parse *data*.

        Raises:
            FormatError: *data* is not deterministic CBOR.
            MessageError: it is, but not of this object.
        """
        return cls.from_value(cbor.decode(data))


def cddl(kind: type[Wire]) -> str:
    """Return the CDDL rule of *kind*, one line a field."""
    lines = [f"{_cddl_name(kind)} = {{"]
    for key, entry in _layout(kind).items():
        optional = "? " if entry.optional else ""
        lines.append(f"  {optional}{key} => {entry.codec.cddl()},  ; {entry.name}")
    return "\n".join([*lines, "}"])


@dataclasses.dataclass(frozen=True, slots=True)
class _Entry:
    """One field of a layout."""

    name: str
    codec: Codec
    optional: bool
    parse: Callable[[Value], Any]  # the codec's, looked up once


_layouts: dict[type, dict[int, _Entry]] = {}


def _layout(kind: type[Wire]) -> dict[int, _Entry]:
    known = _layouts.get(kind)  # a layout never changes: worked out once a class
    if known is not None:
        return known
    entries = {
        int(field.metadata["key"]): _Entry(
            field.name,
            field.metadata["codec"],
            field.metadata["optional"],
            field.metadata["codec"].from_value,
        )
        for field in dataclasses.fields(kind)
    }
    _layouts[kind] = dict(sorted(entries.items()))
    return _layouts[kind]


def _cddl_name(kind: type[Wire]) -> str:
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in kind.__name__).lstrip("-")
