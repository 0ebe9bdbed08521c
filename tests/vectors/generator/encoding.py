"""Bytes that mean the same to a lax reader: all of them validly signed, all of them refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from loa_protocol import cbor
from loa_protocol.envelope import Bundle, Kind
from vectors.generator import bodies
from vectors.generator.case import FORMAT, Case
from vectors.generator.odd import Pairs, Raw, encode, long_head, with_value
from vectors.generator.world import APPROVER, EDITOR, OFFICERS, sign, sign_bytes

_VALUE: Final[dict[int, Any]] = dict(bodies.playlist().to_value())
_GOOD: Final = sign(Kind.PLAYLIST, bodies.playlist(), EDITOR, APPROVER)
_TITLE: Final = (8, 0, 3)


def cases() -> Iterator[Case]:
    """Yield the cases of the payload's encoding, then those of the bundle's."""
    for name, why, payload in _payloads():
        yield Case(
            "encoding", name, why, sign_bytes(Kind.PLAYLIST, payload, EDITOR, APPROVER), FORMAT
        )
    for name, why, data in _bundles():
        yield Case("encoding", name, why, data, FORMAT)
    for serial in (0, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32):
        data = sign(Kind.PLAYLIST, bodies.playlist(serial=serial), EDITOR, APPROVER)
        yield Case(
            "encoding", f"serial_{serial}", "A number at the edge of its shortest form.", data
        )
    village = bodies.assignment().to_bytes()[:-1]
    yield Case(
        "encoding",
        "text_at_the_end_cut_off",
        "The last text lacks its last letter.",
        sign_bytes(Kind.ASSIGNMENT, village, *OFFICERS),
        FORMAT,
    )
    yield Case(
        "encoding",
        "deepest_known_object",
        "Text in Vietnamese, nested rows, maps: the plain form of every type passes.",
        _GOOD,
        expected={"known": False, "pending": False, "level": 1},
    )


def _at(path: tuple[int, ...], raw: Any) -> bytes:
    return encode(with_value(_VALUE, path, raw))


def _payloads() -> Iterator[tuple[str, str, bytes]]:
    yield from _numbers()
    yield from _lengths()
    yield from _maps()
    yield from _texts()
    yield from _simple()


def _numbers() -> Iterator[tuple[str, str, bytes]]:
    for width in (1, 2, 4, 8):
        yield (
            f"integer_in_{width}_bytes_too_many",
            f"The serial 5 in {width} bytes after its head: a longer form than needed.",
            _at((3,), long_head(0, 5, width)),
        )
    yield (
        "integer_of_2_bytes_in_4",
        "65535 fits two bytes and is written in four.",
        _at((3,), long_head(0, 0xFFFF, 4)),
    )
    yield (
        "integer_of_4_bytes_in_8",
        "2^32 - 1 fits four bytes and is written in eight.",
        _at((3,), long_head(0, 0xFFFFFFFF, 8)),
    )
    yield (
        "negative_in_a_longer_form",
        "-1 in a byte of its own, where the head alone would do.",
        _at((3,), Raw(b"\x38\x00")),
    )
    yield "negative_serial", "Serials begin at 0.", _at((3,), -1)
    yield "serial_of_2_to_the_63", "Serials end at 2^63 - 1.", _at((3,), 2**63)
    yield "serial_of_2_to_the_64_less_1", "The largest number CBOR writes.", _at((3,), 2**64 - 1)
    yield (
        "bignum",
        "A number as a byte string under tag 2: no tags inside a payload.",
        _at((3,), Raw(b"\xc2\x41\x05")),
    )
    for name, raw in (
        ("half", "f94500"),
        ("single", "fa40a00000"),
        ("double", "fb4014000000000000"),
    ):
        yield (
            f"float_{name}",
            f"The serial 5 as a float of {name} precision: there are no floats.",
            _at((3,), Raw(bytes.fromhex(raw))),
        )


def _lengths() -> Iterator[tuple[str, str, bytes]]:
    sha = bodies.playlist().media[0].sha256
    yield (
        "byte_string_length_too_long",
        "32 bytes whose length stands in two bytes.",
        _at((6, 0, 0), Raw(long_head(2, 32, 2) + sha)),
    )
    yield (
        "text_length_too_long",
        "Text of 2 bytes whose length has a byte of its own.",
        _at((8, 0, 6), Raw(b"\x78\x02vi")),
    )
    yield "array_length_too_long", "An empty array in two bytes.", _at((9,), long_head(4, 0, 1))
    yield (
        "map_length_too_long",
        "The whole payload as a map whose count has a byte of its own.",
        b"\xb8\x09" + encode(_VALUE)[1:],
    )
    yield (
        "byte_string_of_indefinite_length",
        "A hash in one chunk of an indefinite string.",
        _at((6, 0, 0), Raw(b"\x5f\x58\x20" + sha + b"\xff")),
    )
    yield (
        "text_of_indefinite_length",
        "A language in one chunk of an indefinite string.",
        _at((8, 0, 6), Raw(b"\x7f\x62vi\xff")),
    )
    yield (
        "array_of_indefinite_length",
        "An empty array, ended by a break.",
        _at((9,), Raw(b"\x9f\xff")),
    )
    yield (
        "map_of_indefinite_length",
        "The whole payload as an indefinite map.",
        b"\xbf" + encode(_VALUE)[1:] + b"\xff",
    )
    yield "break_alone", "A break where a value should be.", _at((3,), Raw(b"\xff"))
    yield (
        "array_longer_than_the_data",
        "An array that claims 2^60 members: refused before anything is set aside for them.",
        _at((9,), Raw(b"\x9b\x10" + bytes(7))),
    )
    yield (
        "byte_string_longer_than_the_data",
        "A string that claims 2^62 bytes.",
        _at((9,), Raw(b"\x5b\x40" + bytes(7))),
    )
    yield "reserved_length", "Additional information 28 is reserved.", _at((3,), Raw(b"\x1c"))
    yield (
        "too_deep",
        "Seven levels: the profile ends at six.",
        _at((9,), Raw(b"\x81" * 6 + b"\x00")),
    )
    yield "payload_trailing_byte", "One byte after the payload's end.", encode(_VALUE) + b"\x00"
    yield "payload_cut_off", "The payload ends a byte early.", encode(_VALUE)[:-1]


def _maps() -> Iterator[tuple[str, str, bytes]]:
    rows = list(_VALUE.items())
    yield (
        "duplicate_key",
        "The serial twice: readers that take the first and the last would differ.",
        encode(Pairs([*rows[:3], rows[2], *rows[3:]])),
    )
    yield (
        "duplicate_key_with_other_value",
        "Two serials, 5 and 6.",
        encode(Pairs([*rows[:3], (3, 6), *rows[3:]])),
    )
    yield (
        "unordered_keys",
        "Keys 2 and 1 in falling order.",
        encode(Pairs([rows[1], rows[0], *rows[2:]])),
    )
    yield (
        "key_in_a_longer_form",
        "Key 3 in two bytes.",
        encode(Pairs([*rows[:2], (Raw(b"\x18\x03"), 5), *rows[3:]])),
    )
    yield "text_key", "A key that is text.", encode(Pairs([*rows, ("x", 1)]))
    yield "byte_string_key", "A key that is bytes.", encode(Pairs([*rows, (b"x", 1)]))
    yield "negative_key", "Key -1 is none of the object's.", encode(Pairs([*rows, (-1, 1)]))
    yield (
        "unknown_key",
        "A new field is a new version: unknown keys are refused.",
        encode({**_VALUE, 99: 1}),
    )
    yield "missing_key", "No expiry.", encode({k: v for k, v in _VALUE.items() if k != 5})
    yield "array_instead_of_map", "The fields as an array.", encode(list(_VALUE.values()))


def _texts() -> Iterator[tuple[str, str, bytes]]:
    def title(raw: bytes) -> bytes:
        return _at(_TITLE, Raw(bytes([0x60 | len(raw)]) + raw))

    yield "text_not_utf8", "A Latin-1 letter.", title(b"Lo\xe0")
    yield "text_overlong_utf8", "A slash in two bytes.", title(b"a\xc0\xafb")
    yield "text_with_a_surrogate", "Half a surrogate pair.", title(b"a\xed\xa0\x80")
    yield "text_beyond_unicode", "A code point above U+10FFFF.", title(b"\xf4\x90\x80\x80")
    yield (
        "text_decomposed",
        "'à' as a letter and a combining accent: text is in NFC.",
        title(b"Loa\xcc\x80"),
    )
    yield "text_with_a_line_end", "Control characters have no place in a title.", title(b"a\nb")
    yield "text_with_a_nul", "Nor has NUL.", title(b"a\x00b")
    yield (
        "text_with_a_c1_control",
        "U+009B begins a command to some terminals.",
        title("a\x9b2J".encode()),
    )
    yield "text_with_a_line_separator", "U+2028 ends a line.", title("a\u2028b".encode())
    yield (
        "text_that_turns_its_direction",
        "U+202E lets what follows read backwards.",
        title("a\u202eb".encode()),
    )
    yield "text_empty", "A title has a character at least.", title(b"")
    yield "text_as_bytes", "The title as a byte string.", _at(_TITLE, b"abc")


def _simple() -> Iterator[tuple[str, str, bytes]]:
    yield "null", "An absent field is absent, never null.", _at((9,), Raw(b"\xf6"))
    yield "undefined", "Nor undefined.", _at((9,), Raw(b"\xf7"))
    yield "simple_value", "An unassigned simple value.", _at((3,), Raw(b"\xe0"))
    yield "simple_value_in_two_bytes", "True in two bytes.", _at((3,), Raw(b"\xf8\x15"))
    yield "boolean_as_number", "True is not the number 1.", _at((2,), Raw(b"\xf5"))
    yield (
        "tag_around_a_number",
        "A tag that says nothing (55799).",
        _at((3,), Raw(b"\xd9\xd9\xf7\x05")),
    )
    yield (
        "tag_around_the_payload",
        "The same around the whole payload.",
        b"\xd9\xd9\xf7" + encode(_VALUE),
    )
    yield "boolean_as_kind", "True is not the kind 1.", _at((8, 0, 4), Raw(b"\xf5"))
    yield "row_as_map", "Rows are arrays.", _at((6, 0), {1: b"x" * 32, 2: 1, 3: 1, 4: 0, 5: 0})
    yield "number_without_a_name", "A bulletin of kind 9.", _at((8, 0, 4), 9)


def _bundles() -> Iterator[tuple[str, str, bytes]]:
    bundle = Bundle.from_bytes(_GOOD)
    value: dict[int, Any] = dict(bundle.to_value())
    rows = list(value.items())
    yield "nothing", "No bytes at all.", b""
    bomb = "A hundred thousand arrays, each inside the one before: refused without a deep stack."
    yield "bundle_bomb", bomb, b"\x81" * 100_000
    yield "bundle_trailing_byte", "One byte after the bundle's end.", _GOOD + b"\x00"
    yield "bundle_twice", "The bundle, and again.", _GOOD + _GOOD
    yield "bundle_cut_off", "The bundle ends a byte early.", _GOOD[:-1]
    yield (
        "bundle_unordered",
        "Kind and version change places.",
        encode(Pairs([rows[1], rows[0], *rows[2:]])),
    )
    yield "bundle_second_payload", "Two payloads.", encode(Pairs([*rows[:3], rows[2], *rows[3:]]))
    yield "bundle_unknown_key", "A sixth member.", encode({**value, 6: 1})
    yield (
        "bundle_without_seals",
        "No member 4, not even an empty list.",
        encode({k: v for k, v in rows if k != 4}),
    )
    yield "bundle_empty_payload", "A payload has a byte at least.", encode({**value, 3: b""})
    yield (
        "bundle_of_indefinite_length",
        "The bundle as an indefinite map.",
        b"\xbf" + _GOOD[1:] + b"\xff",
    )
    yield "bundle_self_described", "The tag that says 'this is CBOR'.", b"\xd9\xd9\xf7" + _GOOD
    yield "bundle_as_array", "The members without their keys.", encode(list(value.values()))
    yield "bundle_kind_0", "Kinds begin at 1.", encode({**value, 1: 0})
    yield (
        "bundle_nine_seals",
        "Eight seals are the most.",
        encode({**value, 4: list(bundle.seals[:1]) * 9}),
    )
    yield (
        "bundle_seventeen_certificates",
        "Sixteen certificates are the most.",
        encode({**value, 5: list(bundle.certificates[:1]) * 17}),
    )
    too_large = {**value, 3: bytes(cbor.MAX_BYTES - 2000)}
    padding = cbor.MAX_BYTES + 1 - len(encode(too_large))
    too_large[3] = bytes(cbor.MAX_BYTES - 2000 + padding)
    yield "bundle_too_large", "One byte more than 256 KiB.", encode(too_large)
    yield "json", "The same thing in JSON is no bundle.", b'{"kind": 4, "version": 1}'
