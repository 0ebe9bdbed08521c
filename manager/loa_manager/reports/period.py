"""The periods that reports are asked for: half-years, years, terms, free spans of days (REP-1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from loa_protocol.errors import ConfigError
from loa_protocol.language import translator

_ = translator("loa_manager")

_HALF: Final = re.compile(r"([0-9]{4})[Hh]([12])")
_YEAR: Final = re.compile(r"([0-9]{4})")
_TERM: Final = re.compile(r"([0-9]{4})[-–]([0-9]{4})")  # people write either dash
_SPAN: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})\.\.([0-9]{4}-[0-9]{2}-[0-9]{2})")
YEARS: Final = range(1990, 2101)
_FIRST_MONTH: Final = {"1": 1, "2": 7}


@dataclass(frozen=True, slots=True)
class Period:
    """Days from *first* to *last*, both included; *text* is how it is asked for."""

    text: str
    first: date
    last: date

    def holds(self, day: date) -> bool:
        """Tell whether *day* lies in it."""
        return self.first <= day <= self.last

    @property
    def name(self) -> str:
        """What people call it, in the language in force."""
        if match := _HALF.fullmatch(self.text):
            half = _("first half of {year}") if match[2] == "1" else _("second half of {year}")
            return half.format(year=match[1])
        if _YEAR.fullmatch(self.text):
            return _("year {year}").format(year=self.text)
        if _TERM.fullmatch(self.text):
            return _("term {years}").format(years=self.text)
        text = _("from {first} to {last}")
        return text.format(first=show_day(self.first), last=show_day(self.last))


def show_day(day: date) -> str:
    """Write a day as Vietnamese offices do."""
    return day.strftime("%d/%m/%Y")


def parse_period(text: str) -> Period:
    """Parse ``2026H2``, ``2026``, ``2021-2025`` or ``2026-01-15..2026-03-31``.

    Raises:
        ConfigError: *text* is none of them, ends before it begins, or lies outside 1990-2100.
    """
    period = _parse(text.strip())
    if period is None:
        fault = _("must be such as 2026H2, 2026, 2021-2025 or 2026-01-15..2026-03-31")
        raise ConfigError(f"--period {text}", [fault])
    if period.last < period.first:
        raise ConfigError(f"--period {text}", [_("ends before it begins")])
    if period.first.year not in YEARS or period.last.year not in YEARS:
        raise ConfigError(f"--period {text}", [_("must lie in the years 1990 to 2100")])
    return period


def _parse(text: str) -> Period | None:
    try:
        if match := _HALF.fullmatch(text):
            first = date(int(match[1]), _FIRST_MONTH[match[2]], 1)
            return Period(text.upper(), first, _end_of_months(first, 6))
        if match := _YEAR.fullmatch(text):
            return Period(text, date(int(text), 1, 1), date(int(text), 12, 31))
        if match := _TERM.fullmatch(text):
            term = f"{match[1]}-{match[2]}"
            return Period(term, date(int(match[1]), 1, 1), date(int(match[2]), 12, 31))
        if match := _SPAN.fullmatch(text):
            return Period(text, date.fromisoformat(match[1]), date.fromisoformat(match[2]))
    except ValueError:  # a day that no calendar has, or the year 0
        return None
    return None


def _end_of_months(first: date, months: int) -> date:
    month = first.month - 1 + months
    return date(first.year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
