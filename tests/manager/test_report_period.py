"""Periods as offices ask for them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_manager.reports.period import parse_period
from loa_protocol.errors import ConfigError


@pytest.mark.requirement("REP-1")
@pytest.mark.parametrize(
    ("text", "first", "last", "name"),
    [
        ("2023H1", date(2023, 1, 1), date(2023, 6, 30), "6 tháng đầu năm 2023"),
        ("2026h2", date(2026, 7, 1), date(2026, 12, 31), "6 tháng cuối năm 2026"),
        ("2024", date(2024, 1, 1), date(2024, 12, 31), "năm 2024"),
        ("2021-2025", date(2021, 1, 1), date(2025, 12, 31), "giai đoạn 2021-2025"),
        ("2021–2025", date(2021, 1, 1), date(2025, 12, 31), "giai đoạn 2021-2025"),
        (
            "2026-01-15..2026-03-31",
            date(2026, 1, 15),
            date(2026, 3, 31),
            "từ 15/01/2026 đến 31/03/2026",
        ),
    ],
)
def test_periods_are_read_and_named(text: str, first: date, last: date, name: str) -> None:
    period = parse_period(text)
    assert (period.first, period.last, period.name) == (first, last, name)


@pytest.mark.parametrize(
    "text",
    [
        *("", "2026H3", "26H1", "2025-2021", "0000", "1889", "2200H1", "2026Q1", "2026-01-01"),
        *("2026-02-30..2026-03-01", "2026-03-01..2026-01-01", "٢٠٢٦"),
    ],
)
def test_other_periods_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_period(text)


@pytest.mark.requirement("REP-1")
@given(st.integers(1990, 2100))
def test_two_halves_make_a_year_without_gap_or_overlap(year: int) -> None:
    first, second, whole = (parse_period(f"{year}{part}") for part in ("H1", "H2", ""))
    assert (first.first, second.last) == (whole.first, whole.last)
    assert first.last + timedelta(days=1) == second.first


@given(st.text(max_size=30))
def test_any_text_is_a_period_or_refused(text: str) -> None:
    try:
        period = parse_period(text)
    except ConfigError:
        return
    assert period.first <= period.last
    assert parse_period(period.text) == period
