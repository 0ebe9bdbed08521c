"""The deterministic CBOR profile: one value, one encoding, nothing else."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_cbor import fuzz
from loa_protocol import cbor
from loa_protocol.errors import FormatError

SCALARS = (
    st.integers(-(2**64), 2**64 - 1)
    | st.booleans()
    | st.binary(max_size=40)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)


def values(keys: st.SearchStrategy[int]) -> st.SearchStrategy[Any]:
    return st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=12,
    )


VALUES = values(st.integers(-300, 70_000))


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max((depth(each) for each in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth(each) for each in value), default=0)
    return 0


@given(VALUES)
def test_a_value_comes_back_from_its_encoding(value: cbor.Value) -> None:
    if depth(value) <= cbor.MAX_DEPTH:
        assert cbor.decode(cbor.encode(value)) == value


@given(values(st.integers(0, 70_000)))
def test_an_independent_library_writes_the_same_bytes(value: cbor.Value) -> None:
    # cbor2 orders keys by length first (RFC 7049); for keys of one sign both orders agree
    assert cbor.encode(value) == cbor2.dumps(value, canonical=True)


@given(st.binary(max_size=60))
def test_bytes_that_decode_are_the_one_encoding_of_what_they_mean(data: bytes) -> None:
    try:
        value = cbor.decode(data)
    except FormatError:
        return
    assert cbor.encode(value) == data
    assert cbor2.loads(data) == value


@pytest.mark.parametrize(
    ("hexed", "why"),
    [
        ("1800", "an integer in a longer form than needed"),
        ("190017", "an integer in a longer form than needed"),
        ("1a0000ffff", "an integer in a longer form than needed"),
        ("1b00000000ffffffff", "an integer in a longer form than needed"),
        ("5801aa", "a byte string whose length has a longer form"),
        ("5f41aaff", "a byte string of indefinite length"),
        ("9f01ff", "an array of indefinite length"),
        ("bf0101ff", "a map of indefinite length"),
        ("a201010102", "a duplicate key"),
        ("a202010101", "keys in falling order"),
        ("a1616101", "a key that is text"),
        ("f6", "null"),
        ("f97e00", "a float"),
        ("c074323032362d30312d30315430303a30303a30305a", "a tag"),
        ("0101", "bytes after the end"),
        ("", "nothing"),
        ("62c328", "text that is not UTF-8"),
        ("81" * 7 + "00", "seven levels"),
        ("9b0fffffffffffffff", "a claimed length beyond the data"),
        ("5b7fffffffffffffff", "a claimed length beyond the data"),
        ("fc", "a reserved head"),
    ],
)
def test_what_is_not_deterministic_is_refused(hexed: str, why: str) -> None:
    with pytest.raises(FormatError):
        cbor.decode(bytes.fromhex(hexed))


def test_a_value_over_the_size_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(FormatError, match="allowed"):
        cbor.decode(cbor.encode(bytes(cbor.MAX_BYTES)))


def test_our_own_mistakes_are_not_format_errors() -> None:
    with pytest.raises(ValueError, match="no place"):
        cbor.encode(1.5)  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(ValueError, match="64 bits"):
        cbor.encode(2**64)
    with pytest.raises(ValueError, match="integers"):
        cbor.encode({"a": 1})  # type: ignore[dict-item]  # the point of the test


@given(st.binary(max_size=80))
def test_no_bytes_raise_anything_but_a_named_error(data: bytes) -> None:
    fuzz(data)
