"""Numbers read aloud: as people do, and so that each can be understood back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_manager.phrases import english, vietnamese
from loa_manager.phrases.vietnamese import NORTH, SOUTH, Style

STYLES = [NORTH, SOUTH, Style(four="bốn", early_day="mồng")]
NUMBERS = st.integers(0, 999_999)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "không"), (1, "một"), (4, "bốn"), (5, "năm"), (9, "chín"),
        (10, "mười"), (11, "mười một"), (14, "mười bốn"), (15, "mười lăm"), (19, "mười chín"),
        (20, "hai mươi"), (21, "hai mươi mốt"), (24, "hai mươi tư"), (25, "hai mươi lăm"),
        (30, "ba mươi"), (44, "bốn mươi tư"), (55, "năm mươi lăm"), (91, "chín mươi mốt"),
        (100, "một trăm"), (101, "một trăm linh một"), (104, "một trăm linh bốn"),
        (105, "một trăm linh năm"), (110, "một trăm mười"), (111, "một trăm mười một"),
        (115, "một trăm mười lăm"), (121, "một trăm hai mươi mốt"), (500, "năm trăm"),
        (555, "năm trăm năm mươi lăm"), (999, "chín trăm chín mươi chín"),
        (1_000, "một nghìn"), (1_001, "một nghìn không trăm linh một"),
        (1_015, "một nghìn không trăm mười lăm"), (1_050, "một nghìn không trăm năm mươi"),
        (1_100, "một nghìn một trăm"), (2_026, "hai nghìn không trăm hai mươi sáu"),
        (10_000, "mười nghìn"), (15_005, "mười lăm nghìn không trăm linh năm"),
        (21_000, "hai mươi mốt nghìn"), (100_000, "một trăm nghìn"),
        (105_000, "một trăm linh năm nghìn"),
        (123_456, "một trăm hai mươi ba nghìn bốn trăm năm mươi sáu"),
        (900_000, "chín trăm nghìn"),
        (999_999, "chín trăm chín mươi chín nghìn chín trăm chín mươi chín"),
    ],
)  # fmt: skip
def test_vietnamese_numbers_read_as_people_say_them(number: int, words: str) -> None:
    assert vietnamese.read_number(number) == words


def test_the_regions_differ_in_three_words() -> None:
    assert vietnamese.read_number(1_105, SOUTH) == "một ngàn một trăm lẻ năm"
    assert vietnamese.read_number(24, Style(four="bốn")) == "hai mươi bốn"


@pytest.mark.parametrize(
    ("whole", "digits", "words"),
    [
        (3, "75", "ba phẩy bảy mươi lăm"), (3, "5", "ba phẩy năm"),
        (0, "05", "không phẩy không năm"),
        (12, "10", "mười hai phẩy mười"), (3, "00", "ba phẩy không không"),
        (1, "125", "một phẩy một hai năm"), (21, "4", "hai mươi mốt phẩy bốn"),
        (5, "24", "năm phẩy hai mươi tư"),
    ],
)  # fmt: skip
def test_vietnamese_decimals(whole: int, digits: str, words: str) -> None:
    assert vietnamese.read_decimal(whole, digits) == words


def test_vietnamese_times_and_dates() -> None:
    assert vietnamese.read_time(17, 0) == "mười bảy giờ"
    assert vietnamese.read_time(5, 45) == "năm giờ bốn mươi lăm phút"
    assert vietnamese.read_time(0, 5) == "không giờ năm phút"
    assert vietnamese.read_date(5, 4, None) == "ngày mùng năm tháng tư"
    assert vietnamese.read_date(10, 10, None) == "ngày mùng mười tháng mười"
    whole = "ngày hai mươi mốt tháng một năm hai nghìn không trăm hai mươi bảy"
    assert vietnamese.read_date(21, 1, 2027) == whole
    assert vietnamese.read_date(4, 2, None, Style(early_day="")) == "ngày bốn tháng hai"


def understand(words: str) -> int:
    """Read Vietnamese words back, by a grammar of its own: places, not the reader's tables."""
    digits = {**{word: n for n, word in enumerate(vietnamese.DIGITS)}, "mốt": 1, "tư": 4, "lăm": 5}
    total = group = 0
    pending: int | None = None
    for word in words.split():
        if word in digits:
            assert pending is None, words
            pending = digits[word]
            continue
        if word == "mười":
            group += 10
        elif word == "mươi":
            assert pending is not None
            group += pending * 10
        elif word == "trăm":
            assert pending is not None
            group += pending * 100
        elif word in ("nghìn", "ngàn"):
            total, group = (group + (pending or 0)) * 1000, 0
        else:
            assert word in ("linh", "lẻ"), words
        pending = None
    return total + group + (pending or 0)


@given(NUMBERS, st.sampled_from(STYLES))
def test_every_vietnamese_number_can_be_understood_back(number: int, style: Style) -> None:
    words = vietnamese.read_number(number, style)
    assert understand(words) == number
    assert "mươi một" not in words
    assert "mươi năm" not in words
    assert "mười năm" not in words
    assert "mười mốt" not in words
    assert not words.startswith("không trăm")


def test_no_two_vietnamese_numbers_sound_alike() -> None:
    step = [*range(12_000), *range(12_000, 1_000_000, 37)]
    for style in STYLES:
        assert len({vietnamese.read_number(n, style) for n in step}) == len(step)


@pytest.mark.parametrize("number", [-1, 1_000_000])
def test_what_is_out_of_range_is_refused(number: int) -> None:
    for read in (vietnamese.read_number, english.read_number):
        with pytest.raises(ValueError, match="999999"):
            read(number)


@pytest.mark.parametrize("digits", ["", "-1", "1,5", "٣", "x"])
def test_what_are_no_digits_is_refused(digits: str) -> None:
    for read in (vietnamese.read_decimal, english.read_decimal):
        with pytest.raises(ValueError, match="digits"):
            read(1, digits)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"), (13, "thirteen"), (20, "twenty"), (42, "forty two"), (100, "one hundred"),
        (105, "one hundred and five"), (999, "nine hundred and ninety nine"),
        (1_000, "one thousand"), (1_001, "one thousand and one"),
        (1_100, "one thousand one hundred"), (2_026, "two thousand and twenty six"),
        (100_000, "one hundred thousand"),
        (305_120, "three hundred and five thousand one hundred and twenty"),
    ],
)  # fmt: skip
def test_english_numbers(number: int, words: str) -> None:
    assert english.read_number(number) == words


@given(NUMBERS, NUMBERS)
def test_no_two_english_numbers_sound_alike(one: int, other: int) -> None:
    assert (english.read_number(one) == english.read_number(other)) is (one == other)


def test_english_decimals_times_and_dates() -> None:
    assert english.read_decimal(3, "75") == "three point seven five"
    assert english.read_time(17, 5) == "seventeen oh five"
    assert english.read_time(6, 0) == "six hundred hours"
    assert english.read_time(6, 30) == "six thirty"
    assert english.read_date(21, 3, None) == "the twenty first of March"
    assert english.read_date(12, 12, 2026) == "the twelfth of December two thousand and twenty six"
    days = {english.read_date(day, 1, None) for day in range(1, 32)}
    assert len(days) == 31
