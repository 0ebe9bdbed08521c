"""One value at a time: what it may look like, and that nothing else gets through."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_manager.publish import values
from loa_manager.publish.fields import Fields
from loa_manager.publish.places import Fault, Places, find_places
from loa_manager.publish.values import WrongValue
from loa_protocol.objects.authority import Level

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.dates()
    | st.times()
    | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
READERS: list[Callable[[object], object]] = [
    values.read_text(20),
    values.read_word(20),
    values.read_name,
    values.read_scope,
    values.read_file,
    values.read_integer(0, 15),
    values.read_choice(values.KINDS),
    values.read_choice(values.LEVELS),
    values.read_date,
    values.read_time,
    values.read_length(86_400),
    values.read_days,
    values.read_spans,
    values.read_frequency_khz,
    values.read_pi,
]


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


@pytest.mark.parametrize("reader", READERS)
@given(value=ANYTHING)
def test_a_reader_gives_a_value_or_says_what_it_expected(
    reader: Callable[[object], object], value: object
) -> None:
    told = ""
    try:
        reader(value)
    except WrongValue as wrong:
        told = str(wrong)
    assert not told or told.startswith("expected ")


@given(st.times().map(lambda time: time.replace(microsecond=0)))
def test_every_time_of_day_reads_alike_in_all_its_forms(time: datetime.time) -> None:
    seconds = time.hour * 3600 + time.minute * 60 + time.second
    assert values.read_time(time) == seconds
    assert values.read_time(f"{time:%H:%M:%S}") == seconds
    if not time.second:
        assert values.read_time(f"{time.hour}h{time:%M}") == seconds
        assert values.read_time(f" {time.hour}:{time:%M} ") == seconds


@given(st.integers(1, 86_400))
def test_every_length_reads_alike_in_all_its_forms(seconds: int) -> None:
    read = values.read_length(86_400)
    assert read(f"{seconds}s") == seconds
    hours, rest = divmod(seconds, 3600)
    assert read(f"{hours}h {rest // 60}m {rest % 60}s") == seconds
    if seconds % 60 == 0:
        assert read(seconds // 60) == read(f"{seconds // 60}m") == seconds


@given(st.dates(datetime.date(2000, 1, 1), datetime.date(2199, 12, 31)))
def test_every_day_reads_alike_in_both_forms(day: datetime.date) -> None:
    assert values.read_date(day) == values.read_date(f"{day:%d/%m/%Y}") == day


@given(st.integers(540, 1080))
def test_every_frequency_of_a_dial_is_exact(tenths: int) -> None:
    assert values.read_frequency_khz(tenths / 10) == tenths * 100


@given(st.sets(st.integers(0, 6), min_size=1))
def test_days_of_both_tongues_mean_the_same(days: set[int]) -> None:
    english = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    vietnamese = ["T2", "T3", "T4", "T5", "T6", "T7", "CN"]
    for names in (english, vietnamese):
        assert values.read_days([names[day] for day in days]) == days


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        (values.read_time, "24:00"),
        (values.read_time, "5:3"),
        (values.read_time, "05:60"),
        (values.read_time, "٠٥:٣٠"),  # Arabic digits are digits to Python, and to no officer
        (values.read_time, 530),
        (values.read_length(3600), "2h"),
        (values.read_length(3600), ""),
        (values.read_length(3600), "h"),
        (values.read_length(3600), -5),
        (values.read_length(3600), True),
        (values.read_date, datetime.datetime(2027, 1, 18)),  # noqa: DTZ001 - what TOML may give
        (values.read_date, "2027-01-18"),
        (values.read_date, "31/02/2027"),
        (values.read_date, datetime.date(1999, 1, 1)),
        (values.read_days, []),
        (values.read_days, ["mon", 3]),
        (values.read_days, "mon-"),
        (values.read_days, "weekend"),
        (values.read_spans, ["1:60-2:00"]),
        (values.read_spans, [["1:00", "2:00"]]),
        (values.read_frequency_khz, 53.9),
        (values.read_frequency_khz, True),
        (values.read_frequency_khz, "96.5"),
        (values.read_pi, 0),
        (values.read_pi, 0x10000),
        (values.read_pi, "9A01F"),
        (values.read_name, "Sáng"),
        (values.read_name, "a" * 25),
        (values.read_scope, "vn//ls"),
        (values.read_choice(values.LEVELS), "huyện"),
        (values.read_text(5), "   "),
        (values.read_text(5), "a\nb"),
        (values.read_word(5), "ßßß"),  # three letters that are six in lower case
    ],
)
def test_what_is_almost_right_is_wrong(reader: Callable[[object], object], value: object) -> None:
    with pytest.raises(WrongValue):
        reader(value)


def test_there_is_no_district_level() -> None:
    assert set(values.LEVELS.values()) == {Level.COMMUNE, Level.PROVINCE, Level.CENTRAL}


TEXT = '''
[schedule]
title = """
[session]
scope = "not a key"
"""
scope = "vn"

[[session]]
id = "a"
  [[session.item]]   # the first
  title = "x"
  [[ session.item ]]
  "title" = "y"
[[session]]
  [[session.item]]
  fm = { frequency = 96.5 }
[fm."xa"]
frequency = 1
'''


@pytest.mark.parametrize(
    ("path", "key", "line"),
    [
        (("schedule",), None, 2),
        (("schedule",), "title", 3),
        (("schedule",), "scope", 7),
        (("session", 0), "id", 10),
        (("session", 0, "item", 0), None, 11),
        (("session", 0, "item", 0), "title", 12),
        (("session", 0, "item", 1), None, 13),
        (("session", 0, "item", 1), "title", 13),  # a quoted key is found by its table
        (("session", 1), None, 15),
        (("session", 1, "item", 0), "fm", 17),
        (("fm", "xa"), "frequency", 19),
        (("session", 7), "id", None),
    ],
)
def test_lines_are_found_again(path: tuple[str | int, ...], key: str | None, line: int) -> None:
    assert find_places(TEXT).line(path, key) == line


@given(st.text(max_size=200))
def test_no_text_breaks_the_search_for_lines(text: str) -> None:
    places = find_places(text)
    assert all(1 <= line <= max(1, len(text.splitlines())) for line in places.lines.values())


def test_places_are_named_for_people() -> None:
    places = find_places(TEXT)
    path = ("session", 0, "item", 1)
    assert places.name(path, what="y") == 'line 13, session 1, item 2 "y"'
    assert places.name(("session", 7), "id") == "session 8, id"
    assert places.name(()) == "file"


def fields(**table: object) -> tuple[Fields, list[Fault]]:
    faults: list[Fault] = []
    return Fields(table, ("session", 0), places=Places(), faults=faults), faults


def test_a_wrong_value_is_a_fault_and_gives_the_default() -> None:
    table, faults = fields(volume="loud")
    assert table.read("volume", values.read_integer(0, 15), 10) == 10
    assert [str(fault) for fault in faults] == [
        "session 1, volume: expected a whole number from 0 to 15, got 'loud'"
    ]


def test_a_missing_value_is_a_fault_only_where_it_is_needed() -> None:
    table, faults = fields()
    assert table.read("volume", values.read_integer(0, 15)) is None
    assert faults == []
    assert table.need("start", values.read_time) is None
    assert [fault.text for fault in faults] == ["start is missing"]


def test_what_nobody_asked_for_is_named_with_its_nearest_likeness() -> None:
    table, faults = fields(strat="05:30", colour="red")
    table.read("start", values.read_time)
    table.finish()
    assert [fault.text for fault in faults] == [
        "unknown key strat; did you mean start?",
        "unknown key colour",
    ]


@pytest.mark.parametrize("value", ["x", [1], {"a": 1}, [[]]])
def test_a_table_array_is_an_array_of_tables(value: object) -> None:
    table, faults = fields(item=value)
    assert table.tables("item") == []
    assert [fault.text for fault in faults] == ["expected [[item]] tables"]


def test_a_long_value_is_cut_in_the_fault() -> None:
    table, faults = fields(id="x" * 5000)
    table.read("id", values.read_name)
    assert len(faults[0].text) < 200
