"""RDS groups against what stations really sent, and against any bytes at all."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuzz.fuzz_rds import fuzz
from loa_protocol.errors import FrameError
from loa_protocol.rds import (
    CORRECTED,
    DOUBTFUL,
    GROUP_MS,
    LOST,
    ClockTime,
    Group,
    RadioText,
    StationName,
    StationText,
    checkword,
    clock_group,
    is_intact,
    name_group,
    read_group,
    text_group,
    text_segments,
    to_rds_text,
)

# Vikerraadio, Estonia, as bits on air (published with the redsea decoder)
ON_AIR = [
    ("A", "00100010111000010111001100"),
    ("B", "00100101100000111100111110"),
    ("C", "00100000011001011011010011"),
    ("D", "01101001001000000110111110"),
]
HANOI = timedelta(hours=7)
blocks = st.integers(0, 0xFFFF)
levels = st.tuples(*[st.integers(0, 3)] * 4)


def heard(*groups: str) -> StationText:
    station = StationText()
    for text in groups:
        fact = read_group(Group.from_hex(text + "00"))
        assert fact is not None
        station.take(fact)
    return station


def test_a_group_takes_87_6_milliseconds() -> None:
    assert round(GROUP_MS, 1) == 87.6


@pytest.mark.parametrize(("offset", "bits"), ON_AIR)
def test_checkwords_are_those_of_a_real_station(offset: str, bits: str) -> None:
    word = int(bits, 2)
    assert checkword(word >> 10, offset) == word & 0x3FF
    assert is_intact(word, offset)
    assert not any(is_intact(word ^ 1 << bit, offset) for bit in range(26))


def test_the_group_goes_on_air_as_the_station_sent_it() -> None:
    group = Group(0x22E1, 0x2583, 0x2065, 0x6920)
    assert group.to_words() == tuple(int(bits, 2) for _, bits in ON_AIR)


def test_version_b_groups_carry_the_other_checkword_in_block_c() -> None:
    third = Group(0x9423, 0x0800, 0x9423, 0x2020).to_words()[2]
    assert is_intact(third, "C'")
    assert not is_intact(third, "C")


@pytest.mark.requirement("RAD-2")
@pytest.mark.parametrize(
    ("text", "utc", "offset"),
    [
        ("D31441C1C3EF5AC4", datetime(2017, 4, 4, 21, 43, tzinfo=UTC), timedelta(hours=2)),
        ("456940DDCD923BAE", datetime(2020, 8, 20, 3, 46, tzinfo=UTC), timedelta(hours=-7)),
        ("73014001DCE2000E", datetime(2026, 1, 1, tzinfo=UTC), HANOI),
    ],
)
def test_clock_times_of_real_stations_are_read(text: str, utc: datetime, offset: timedelta) -> None:
    assert read_group(Group.from_hex(text + "00")) == ClockTime(utc, offset)


def test_the_vietnamese_new_year_is_built_byte_for_byte() -> None:
    group = clock_group(0x7301, datetime(2026, 1, 1, tzinfo=UTC), HANOI)
    assert group.to_hex() == "73014001DCE2000E00"
    assert group.to_legacy_hex() == "4001DCE2000E00"
    assert [word & 0x3FF for word in group.to_words()] == [0x262, 0x2C6, 0x136, 0x298]


@given(
    st.integers(-2_000_000_000, 4_000_000_000),
    st.integers(-31, 31),
)
def test_any_minute_survives_the_way_over_the_air(unix_s: int, half_hours: int) -> None:
    minute = datetime.fromtimestamp(unix_s // 60 * 60, UTC)
    offset = timedelta(minutes=30 * half_hours)
    assert read_group(clock_group(0x7301, minute, offset)) == ClockTime(minute, offset)


@pytest.mark.parametrize("offset", [timedelta(minutes=45), timedelta(hours=16)])
def test_an_offset_that_rds_cannot_say_is_our_own_fault(offset: timedelta) -> None:
    with pytest.raises(ValueError):
        clock_group(0x7301, datetime(2026, 1, 1, tzinfo=UTC), offset)


def test_a_time_without_zone_is_our_own_fault() -> None:
    with pytest.raises(ValueError):
        clock_group(0x7301, datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test


@pytest.mark.parametrize("text", ["73014001DCE3800E", "73014001DCE20F0E"])
def test_an_hour_24_or_a_minute_60_is_no_clock_time(text: str) -> None:
    assert read_group(Group.from_hex(text + "00")) is None


def test_clock_time_needs_clean_blocks() -> None:
    for level in (CORRECTED, DOUBTFUL, LOST):
        for place in (1, 2, 3):
            errors = [0, 0, 0, 0]
            errors[place] = level
            damaged = Group(0x7301, 0x4001, 0xDCE2, 0x000E, (0, errors[1], errors[2], errors[3]))
            assert read_group(damaged) is None
    assert read_group(Group(0, 0x4001, 0xDCE2, 0x000E, (LOST, 0, 0, 0))) is not None


def test_a_finnish_station_is_called_by_its_name() -> None:
    station = heard("62040130966B594C", "6204013193CD4520", "62040132E4725833", "62040137966B4D20")
    assert station.name == "YLE X3M"


def test_a_slovenian_station_is_called_by_its_name_from_version_b() -> None:
    station = heard("9423080000002020", "9423080100004B52", "9423080200004B41", "9423080700002020")
    assert station.name == "KRKA"


def test_the_name_is_unknown_until_all_of_it_came() -> None:
    assert heard("62040130966B594C", "6204013193CD4520", "62040132E4725833").name is None


def test_a_radiotext_ends_at_its_end_mark() -> None:
    station = heard("C95424F04A41434B", "C95424F12039362E")
    assert station.text is None
    assert heard("C95424F04A41434B", "C95424F12039362E", "C95424F2390D0000").text == "JACK 96.9"


def test_a_radiotext_of_32_characters_comes_in_version_b() -> None:
    pairs = "PRIJETNO POSLUSANJE RADIA KRKA  "
    groups = [
        f"94232 80{n:X}0000{ord(pairs[2 * n]):02X}{ord(pairs[2 * n + 1]):02X}".replace(" ", "")
        for n in range(16)
    ]
    assert heard(*groups).text == "PRIJETNO POSLUSANJE RADIA KRKA"


def test_a_turned_flag_starts_a_new_text() -> None:
    station = StationText()
    for segment in range(text_segments("cũ")):
        station.take(read_text("cũ", segment, flag=False))
    assert station.text == "cu"
    station.take(read_text("bản tin mới", 0, flag=True))
    assert station.text is None


def read_text(text: str, segment: int, *, flag: bool) -> RadioText:
    fact = read_group(text_group(0x7301, segment, text, flag=flag))
    assert isinstance(fact, RadioText)
    return fact


@given(st.text(max_size=80), st.booleans())
def test_any_text_comes_back_in_plain_letters(text: str, flag: bool) -> None:
    station = StationText()
    for segment in range(text_segments(text)):
        station.take(read_text(text, segment, flag=flag))
    assert station.text == to_rds_text(text)[:64].rstrip()


@given(st.text(max_size=12))
def test_any_name_comes_back_in_plain_letters(name: str) -> None:
    station = StationText()
    for segment in range(4):
        fact = read_group(name_group(0x7301, segment, name))
        assert isinstance(fact, StationName)
        station.take(fact)
    assert station.name == to_rds_text(name)[:8].strip()


def test_vietnamese_loses_its_marks_on_a_receiver_that_has_none() -> None:
    assert to_rds_text("Đài Lạng Sơn ♫") == "Dai Lang Son ?"


def test_a_traffic_announcement_is_seen() -> None:
    fact = read_group(name_group(0x7301, 0, "LOA", announcement=True))
    assert isinstance(fact, StationName)
    assert (fact.traffic_announcement, fact.traffic_programme) == (True, False)


@pytest.mark.parametrize("errors", [(0, 2, 0, 0), (0, 3, 0, 0), (0, 0, 0, 2), (0, 0, 0, 3)])
def test_a_name_is_not_taken_from_doubtful_blocks(errors: tuple[int, int, int, int]) -> None:
    group = name_group(0x7301, 0, "LOA")
    assert read_group(Group(group.a, group.b, group.c, group.d, errors)) is None


def test_a_name_is_taken_from_a_corrected_block() -> None:
    group = name_group(0x7301, 0, "LOA")
    assert read_group(Group(group.a, group.b, group.c, group.d, (3, 1, 3, 1))) is not None


@given(blocks, blocks, blocks, blocks, levels)
def test_groups_survive_both_text_forms(
    a: int, b: int, c: int, d: int, errors: tuple[int, int, int, int]
) -> None:
    group = Group(a, b, c, d, errors)
    assert Group.from_hex(group.to_hex()) == group
    legacy = Group.from_hex(group.to_legacy_hex(), pi=a)
    assert legacy == Group(a, b, c, d, (LOST, *errors[1:]))


@pytest.mark.parametrize("text", ["", "73014001DCE2000E", "7301400 DCE2000E00", "G" * 18, "0" * 17])
def test_what_is_not_a_group_is_refused(text: str) -> None:
    with pytest.raises(FrameError):
        Group.from_hex(text)


@given(st.binary(max_size=24))
@example(b"73014001DCE2000E00")
@example(bytes.fromhex("73014001DCE2000E00"))
def test_any_bytes_raise_nothing_but_named_errors(data: bytes) -> None:
    fuzz(data)


@pytest.mark.requirement("RAD-2")
def test_a_million_random_blocks_raise_nothing() -> None:
    source = random.Random(20260101)
    station = StationText()
    for _ in range(250_000):
        bits = source.getrandbits(64)
        words = (bits & 0xFFFF, bits >> 16 & 0xFFFF, bits >> 32 & 0xFFFF, bits >> 48)
        fact = read_group(Group(*words))
        if fact is not None:
            station.take(fact)
