"""The modem's clock: answers to AT+CCLK? as modems give them."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.core.modem_clock import MAX_ZONE, parse_modem_clock
from loa_protocol.errors import MessageError

NOON = round(datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize(
    "line",
    [
        '+CCLK: "26/11/22,19:00:00+28"',  # Hà Nội
        '+CCLK: "26/11/22,12:00:00+00"',
        '+CCLK: "26/11/22,12:00:00-00"',
        '+CCLK:"26/11/22,04:00:00-32"\r\n',
        '+CCLK: "26/11/22,17:45:00+23"',  # Nepal
    ],
)
def test_local_time_and_quarters_of_an_hour_give_utc(line: str) -> None:
    assert parse_modem_clock(line) == NOON


@pytest.mark.parametrize(
    ("line", "year"),
    [("80/01/06", 1980), ("70/01/01", 1970), ("04/01/01", 2004), ("69/01/01", 2069)],
)
def test_a_modem_without_a_network_says_a_time_long_past(line: str, year: int) -> None:
    moment = datetime.fromtimestamp(parse_modem_clock(f'+CCLK: "{line},00:00:00+00"') / 1000, UTC)
    assert moment.year == year


def test_a_leap_second_is_the_next_one() -> None:
    assert parse_modem_clock('+CCLK: "26/11/22,11:59:60+00"') == NOON


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ERROR",
        '+CCLK: "26/11/22,19:00:00"',  # no zone: which time is it?
        '+CCLK: "26/13/22,19:00:00+28"',
        '+CCLK: "26/02/30,19:00:00+28"',
        '+CCLK: "26/11/22,24:00:00+28"',
        '+CCLK: "26/11/22,19:00:61+28"',
        '+CCLK: "26/11/22,19:00:00+97"',
        '+CCLK: "26/11/22,19:00:00+28" x',
        '+CCLK: "٢٦/11/22,19:00:00+28"',
        '+CCLK: "26/11/22,19:00:00+28"' + " " * 64,
    ],
)
def test_what_is_no_such_answer_is_refused_by_name(line: str) -> None:
    with pytest.raises(MessageError):
        parse_modem_clock(line)


@given(
    moment=st.datetimes(datetime(1971, 1, 2), datetime(2069, 12, 30)),  # noqa: DTZ001 - made aware
    quarters=st.integers(-MAX_ZONE, MAX_ZONE),
)
def test_every_moment_in_every_zone_comes_back(moment: datetime, quarters: int) -> None:
    utc = moment.replace(microsecond=0, tzinfo=UTC)
    local = utc.replace(tzinfo=None) + timedelta(minutes=15 * quarters)
    line = f'+CCLK: "{local:%y/%m/%d,%H:%M:%S}{quarters:+03d}"'
    if abs(quarters) < MAX_ZONE:  # the standard library's zones end before a whole day
        zone = timezone(timedelta(minutes=15 * quarters))
        assert local.replace(tzinfo=zone).timestamp() == utc.timestamp()
    assert parse_modem_clock(line) == round(utc.timestamp()) * 1000


@given(st.one_of(st.text(), st.from_regex(re.compile(r'\+CCLK: ?"[\d/,:+-]{0,24}"'))))
def test_any_line_is_a_time_or_refused_by_name(line: str) -> None:
    with contextlib.suppress(MessageError):
        assert isinstance(parse_modem_clock(line), int)
