"""Layouts declared once: encoder, strict parser, CDDL."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_protocol import cbor
from loa_protocol.errors import FormatError, MessageError
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.authority import Certificate, Level, Role, Root, RootKey, Transfer
from loa_protocol.objects.bulletin import Bulletin
from loa_protocol.objects.command import Command
from loa_protocol.objects.live import Grant, LiveChunk
from loa_protocol.objects.online import (
    Batch,
    Head,
    Inclusion,
    Leaf,
    OrderMark,
    PolicyMark,
    Receipt,
    SignerMark,
    StandingOrders,
    TimeAnswer,
)
from loa_protocol.objects.placement import Assignment, Denied, DenyList, Fitting, Settings
from loa_protocol.objects.playlist import (
    Bearer,
    FmWindow,
    Item,
    Media,
    Playlist,
    Proof,
    Session,
    Span,
    Stream,
)
from loa_protocol.objects.policy import AlertLimits, Hours, Policy, VolumeCap
from loa_protocol.objects.standing import StandingProgramme, WeeklySession, WeeklyWindow
from loa_protocol.schema import Int, ListOf, MapOf, Text, Wire, cddl, wire
from support.province import playlist, policy

LAYOUTS: tuple[type[Wire], ...] = (
    Root,
    RootKey,
    Certificate,
    Transfer,
    Policy,
    Hours,
    VolumeCap,
    AlertLimits,
    Playlist,
    Media,
    Session,
    Item,
    Bearer,
    Span,
    FmWindow,
    Stream,
    Proof,
    StandingProgramme,
    WeeklySession,
    WeeklyWindow,
    Bulletin,
    Alert,
    Grant,
    LiveChunk,
    Command,
    StandingOrders,
    OrderMark,
    SignerMark,
    Assignment,
    Settings,
    Fitting,
    DenyList,
    Denied,
    Head,
    PolicyMark,
    Inclusion,
    Leaf,
    TimeAnswer,
    Receipt,
    Batch,
)


def test_objects_come_back_from_their_bytes() -> None:
    for each in (playlist(), policy()):
        assert type(each).from_bytes(each.to_bytes()) == each


def test_a_missing_key_is_named() -> None:
    value = policy().to_value()
    del value[6]
    with pytest.raises(MessageError, match=r"Policy\.utc_offset_min is missing"):
        Policy.from_value(dict(value))


def test_a_value_out_of_range_is_named_with_its_field() -> None:
    value = policy().to_value()
    value[6] = 10_000
    with pytest.raises(MessageError, match=r"Policy\.utc_offset_min: expected .* 840, got 10000"):
        Policy.from_value(dict(value))


def test_a_bad_object_is_found_at_home_before_it_is_signed() -> None:
    with pytest.raises(MessageError, match="utc_offset_min"):
        policy(utc_offset_min=10_000).to_bytes()


def test_text_must_be_composed_vietnamese_without_control_characters() -> None:
    word = Text(20)
    assert word.from_value("xã Tân Thành") == "xã Tân Thành"
    for bad in ("xa\u0303", "a\nb", "a\x9b2J", "a\u2028b", "a\u202eb", "", "x" * 21, 7, b"x"):
        with pytest.raises(MessageError):
            word.from_value(bad)


def test_true_is_no_number() -> None:
    with pytest.raises(MessageError):
        Int().from_value(True)


def test_optional_fields_may_be_absent_and_stay_absent() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Pair(Wire):
        one: int = wire(1, Int())
        two: int | None = wire(2, Int(), optional=True)

    assert Pair.from_value({1: 5}) == Pair(one=5)
    assert Pair(one=5).to_value() == {1: 5}
    assert Pair.from_value({1: 5, 2: 6}).two == 6


def test_lists_and_maps_have_their_sizes_checked_both_ways() -> None:
    pair, single = ListOf(Int(0, 9), 2), MapOf(Int(0, 9), 1)
    assert pair.from_value(pair.to_value((1, 2))) == (1, 2)
    assert single.from_value(single.to_value({1: 2})) == {1: 2}
    with pytest.raises(MessageError):
        pair.from_value([1, 2, 3])
    with pytest.raises(MessageError):
        pair.to_value((1, 2, 3))
    with pytest.raises(MessageError):
        single.from_value({1: 2, 2: 3})


@given(st.dictionaries(st.integers(0, 30), st.integers() | st.binary() | st.lists(st.integers())))
def test_no_value_makes_a_layout_raise_anything_but_a_format_error(value: dict[int, Any]) -> None:
    for layout in LAYOUTS:
        try:
            layout.from_value(value)
        except FormatError:
            continue


def test_every_payload_keeps_within_the_depth_limit() -> None:
    for each in (playlist(), policy()):
        assert cbor.decode(each.to_bytes()) == each.to_value()


def test_the_cddl_page_is_what_the_code_says() -> None:
    page = pathlib.Path(__file__).parents[2] / "docs" / "protocol" / "objects.cddl"
    rules = "\n\n".join(cddl(layout) for layout in LAYOUTS)
    text = page.read_text(encoding="utf-8")
    assert text.endswith(rules + "\n"), "the rules have changed; the page must say:\n" + rules


def test_enumerations_keep_their_numbers() -> None:
    assert [role.value for role in Role] == list(range(1, 12))
    assert [level.value for level in Level] == [1, 2, 3]
