"""How Vietnamese reads numbers, times and dates aloud. Pure.

After *mươi* 1 is *mốt*, 4 is *tư* and 5 is *lăm*; after *mười* 5 is *lăm*; an empty place of tens
is *linh* in the North and *lẻ* in the South; days 1 to 10 of a month are *mùng*.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DIGITS: Final = ("không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín")
HIGHEST: Final = 999_999
POINT: Final = "phẩy"
MINUS: Final = "âm"
METRE: Final = "mét"


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """What differs from region to region.

    Attributes:
        empty_tens: In 105: *linh* or *lẻ*.
        thousand: *nghìn* or *ngàn*.
        four: In 24: *tư* or *bốn*.
        early_day: Before the first ten days of a month: *mùng*, *mồng*, or nothing.
    """

    empty_tens: str = "linh"
    thousand: str = "nghìn"
    four: str = "tư"
    early_day: str = "mùng"


NORTH: Final = Style()
SOUTH: Final = Style(empty_tens="lẻ", thousand="ngàn")


def read_number(number: int, style: Style = NORTH) -> str:
    """Return *number*, 0 to 999,999, in words.

    Raises:
        ValueError: it is outside that range.
    """
    if not 0 <= number <= HIGHEST:
        raise ValueError(f"{number}: only 0 to {HIGHEST} can be read")
    thousands, rest = divmod(number, 1000)
    if not thousands:
        return " ".join(_below_thousand(rest, style, is_full=False))
    words = [*_below_thousand(thousands, style, is_full=False), style.thousand]
    if rest:
        words += _below_thousand(rest, style, is_full=True)
    return " ".join(words)


def read_decimal(whole: int, digits: str, style: Style = NORTH) -> str:
    """Return a decimal in words: *digits* are those behind the comma.

    One and two digits are read as a number (3,75: *bảy mươi lăm*; 3,05: *không năm*), three and
    more one by one.

    Raises:
        ValueError: *whole* cannot be read, or *digits* are none.
    """
    if not digits.isascii() or not digits.isdigit():
        raise ValueError(f"{digits!r}: expected digits")
    if len(digits) == 2 and digits[0] != "0":
        behind = [read_number(int(digits), style)]
    else:
        behind = [DIGITS[int(digit)] for digit in digits]
    return " ".join([read_number(whole, style), POINT, *behind])


def read_time(hour: int, minute: int, style: Style = NORTH) -> str:
    """Return a time of day, of 24 hours, in words."""
    words = f"{read_number(hour, style)} giờ"
    return f"{words} {read_number(minute, style)} phút" if minute else words


def read_date(day: int, month: int, year: int | None, style: Style = NORTH) -> str:
    """Return a date in words, with the word *ngày*; without the year where it is None."""
    early = f"{style.early_day} " if day <= 10 and style.early_day else ""
    fourth = "tư" if month == 4 else read_number(month, style)  # April is tháng tư everywhere
    words = f"ngày {early}{read_number(day, style)} tháng {fourth}"
    return words if year is None else f"{words} năm {read_number(year, style)}"


def _below_thousand(number: int, style: Style, *, is_full: bool) -> list[str]:
    """Return 1 to 999 in words, or 0; *is_full* names empty hundreds, as behind thousands."""
    hundreds, rest = divmod(number, 100)
    if not hundreds and not is_full:
        return _below_hundred(rest, style)
    words = [DIGITS[hundreds], "trăm"]
    if not rest:
        return words
    if rest < 10:
        return [*words, style.empty_tens, DIGITS[rest]]
    return words + _below_hundred(rest, style)


def _below_hundred(number: int, style: Style) -> list[str]:
    tens, ones = divmod(number, 10)
    if not tens:
        return [DIGITS[ones]]
    words = ["mười"] if tens == 1 else [DIGITS[tens], "mươi"]
    if not ones:
        return words
    special = {5: "lăm"}
    if tens > 1:
        special |= {1: "mốt", 4: style.four}
    return [*words, special.get(ones, DIGITS[ones])]
