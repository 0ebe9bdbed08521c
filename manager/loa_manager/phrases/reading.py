"""Values that are filled in, as tokens to be said: words where a language has rules, else a table.

Vietnamese and English are read by rule. In every other language a number is the recording
``number-N`` of the bank: an announcer records 0 to 99 once, and what more is needed. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final

from loa_manager.phrases import english, vietnamese
from loa_manager.phrases.matching import Token, tokens_of
from loa_manager.publish.values import WrongValue
from loa_protocol.language import translator

_ = translator("loa_manager")

DECIMAL_ID: Final = "decimal"
MINUS_ID: Final = "minus"
_WHOLE = re.compile(r"\d{1,6}", re.ASCII)
_TIME = re.compile(r"([01]?\d|2[0-3])[:h]([0-5]\d)?", re.ASCII)
_DATE = re.compile(r"(\d{1,2})/(\d{1,2})(?:/(\d{4}))?", re.ASCII)
_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_LEAP_YEAR: Final = 2028  # so that 29/2 without a year is a day


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was written: *digits* are those behind the decimal mark."""

    is_negative: bool
    whole: int
    digits: str = ""

    def __float__(self) -> float:
        return float(f"{'-' if self.is_negative else ''}{self.whole}.{self.digits or 0}")


@dataclass(frozen=True, slots=True)
class Reader:
    """How one language says numbers, times and dates; None where it has no rule for it."""

    language: str
    number: Callable[[Number], list[Token]]
    time: Callable[[int, int], str] | None = None
    date: Callable[[int, int, int | None], str] | None = None
    metre: str | None = None


def reader_of(language: str, style: vietnamese.Style = vietnamese.NORTH) -> Reader:
    """Return the reader of *language*."""
    if language == "vi":
        return Reader(
            language,
            lambda number: tokens_of(_vietnamese(number, style)),
            lambda hour, minute: vietnamese.read_time(hour, minute, style),
            lambda day, month, year: vietnamese.read_date(day, month, year, style),
            vietnamese.METRE,
        )
    if language == "en":
        return Reader(
            language,
            lambda number: tokens_of(_english(number)),
            english.read_time,
            english.read_date,
            english.METRE,
        )
    return Reader(language, _from_table)


def parse_number(text: str, language: str) -> Number:
    """Parse a number as people of *language* write it: 12.500 and 3,75, in English 12,500 and 3.75.

    Raises:
        WrongValue: it is none, or too large, or could mean two things.
    """
    mark, group = (".", ",") if language == "en" else (",", ".")
    form = (
        rf"(-?)(\d{{1,3}}(?:{re.escape(group)}\d{{3}})?|\d{{1,6}})(?:{re.escape(mark)}(\d{{1,6}}))?"
    )
    found = re.fullmatch(form, text.strip().replace("−", "-"), re.ASCII)
    if found is None:
        example = "1,250 · 3.75" if language == "en" else "1.250 · 3,75"
        raise WrongValue(
            _("expected a number up to 999,999 such as {example}").format(example=example)
        )
    return Number(bool(found[1]), int(found[2].replace(group, "")), found[3] or "")


def parse_time(text: str) -> tuple[int, int]:
    """Parse 17:30, 17h30 or 17h.

    Raises:
        WrongValue: it is no time of day.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None or (found[2] is None and ":" in text):
        raise WrongValue(_("expected a time such as 17:30"))
    return int(found[1]), int(found[2] or 0)


def parse_date(text: str) -> tuple[int, int, int | None]:
    """Parse 21/10/2026, 21/10 or 2026-10-21 into day, month, year.

    Raises:
        WrongValue: there is no such day.
    """
    wrong = WrongValue(_("expected a day such as 21/10/2026 or 21/10"))
    if found := _DATE.fullmatch(text.strip()):
        day, month, year = int(found[1]), int(found[2]), found[3] and int(found[3])
    elif found := _ISO_DATE.fullmatch(text.strip()):
        day, month, year = int(found[3]), int(found[2]), int(found[1])
    else:
        raise wrong
    try:
        date(year or _LEAP_YEAR, month, day)
    except ValueError:
        raise wrong from None
    return day, month, year or None


def read_words(text: str, reader: Reader) -> list[Token]:
    """Return the tokens of fixed *text*; whole numbers in figures are read as numbers."""
    found: list[Token] = []
    for token in tokens_of(text):
        if _WHOLE.fullmatch(token.word):
            read = reader.number(Number(is_negative=False, whole=int(token.word)))
            found += with_pause(read, token.pause_ms)
        else:
            found.append(token)
    return found


def with_pause(tokens: list[Token], pause_ms: int) -> list[Token]:
    """Return *tokens* in one breath with a pause of *pause_ms* behind them."""
    flat = [Token(token.word, 0, token.phrase) for token in tokens]
    return [*flat[:-1], Token(flat[-1].word, pause_ms, flat[-1].phrase)] if flat else []


def _vietnamese(number: Number, style: vietnamese.Style) -> str:
    read, decimal = vietnamese.read_number, vietnamese.read_decimal
    words = (
        decimal(number.whole, number.digits, style) if number.digits else read(number.whole, style)
    )
    return f"{vietnamese.MINUS} {words}" if number.is_negative else words


def _english(number: Number) -> str:
    read, decimal = english.read_number, english.read_decimal
    words = decimal(number.whole, number.digits) if number.digits else read(number.whole)
    return f"{english.MINUS} {words}" if number.is_negative else words


def _from_table(number: Number) -> list[Token]:
    names = [MINUS_ID] if number.is_negative else []
    names.append(f"number-{number.whole}")
    if number.digits:
        as_one = len(number.digits) == 2 and number.digits[0] != "0"
        parts = [number.digits] if as_one else list(number.digits)
        names += [DECIMAL_ID, *(f"number-{int(part)}" for part in parts)]
    return [Token("", 0, name) for name in names]
