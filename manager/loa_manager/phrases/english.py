"""How English reads numbers, times and dates aloud. Pure."""

from __future__ import annotations

from typing import Final

HIGHEST: Final = 999_999
POINT: Final = "point"
MINUS: Final = "minus"
METRE: Final = "metres"

_SMALL: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
)
_TENS: Final = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_ORDINALS: Final = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
    "twenty": "twentieth",
    "thirty": "thirtieth",
}


def read_number(number: int) -> str:
    """Return *number*, 0 to 999,999, in words.

    Raises:
        ValueError: it is outside that range.
    """
    if not 0 <= number <= HIGHEST:
        raise ValueError(f"{number}: only 0 to {HIGHEST} can be read")
    thousands, rest = divmod(number, 1000)
    words = [*_below_thousand(thousands), "thousand"] if thousands else []
    if rest and thousands and rest < 100:
        words.append("and")
    if rest or not thousands:
        words += _below_thousand(rest)
    return " ".join(words)


def read_decimal(whole: int, digits: str) -> str:
    """Return a decimal in words, the *digits* behind the point one by one.

    Raises:
        ValueError: *whole* cannot be read, or *digits* are none.
    """
    if not digits.isascii() or not digits.isdigit():
        raise ValueError(f"{digits!r}: expected digits")
    return " ".join([read_number(whole), POINT, *(_SMALL[int(digit)] for digit in digits)])


def read_time(hour: int, minute: int) -> str:
    """Return a time of day, of 24 hours, in words: *seventeen oh five*, *six hundred hours*."""
    if not minute:
        return f"{read_number(hour)} hundred hours"
    return f"{read_number(hour)} {'oh ' if minute < 10 else ''}{read_number(minute)}"


def read_date(day: int, month: int, year: int | None) -> str:
    """Return a date in words; without the year where it is None."""
    *front, last = read_number(day).split()
    ordinal = " ".join([*front, _ORDINALS.get(last, f"{last}th")])
    words = f"the {ordinal} of {_MONTHS[month - 1]}"
    return words if year is None else f"{words} {read_number(year)}"


def _below_thousand(number: int) -> list[str]:
    hundreds, rest = divmod(number, 100)
    words = [_SMALL[hundreds], "hundred"] if hundreds else []
    if rest and hundreds:
        words.append("and")
    if rest >= 20:
        words.append(_TENS[rest // 10 - 2])
        words += [_SMALL[rest % 10]] if rest % 10 else []
    elif rest or not hundreds:
        words.append(_SMALL[rest])
    return words
