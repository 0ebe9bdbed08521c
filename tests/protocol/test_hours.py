"""Policy arithmetic, shared by desk and pole."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_protocol.hours import (
    is_allowed,
    local_day,
    may_stream,
    minute_of_day,
    next_cap_change,
    stream_until_ms,
    tighten,
    volume_cap,
    weekday,
)
from loa_protocol.objects.policy import Hours, Policy, VolumeCap
from support.province import policy

VIETNAM = dt.timezone(dt.timedelta(hours=7))


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=VIETNAM).timestamp())


@given(st.integers(0, 4_000_000_000))
def test_local_days_and_minutes_agree_with_the_calendar(unix_s: int) -> None:
    local = dt.datetime.fromtimestamp(unix_s, VIETNAM)
    rules = policy()
    assert weekday(rules, unix_s) == local.weekday()
    assert minute_of_day(rules, unix_s) == local.hour * 60 + local.minute
    assert local_day(rules, unix_s) == (local.date() - dt.date(1970, 1, 1)).days


@pytest.mark.requirement("TIM-2")
def test_a_relay_at_a_quarter_past_three_is_not_allowed() -> None:
    assert not is_allowed(policy(), at("2026-12-05 03:15"), at("2026-12-05 03:45"))


@pytest.mark.requirement("TIM-1")
def test_allowed_means_the_whole_span() -> None:
    rules = policy()
    assert is_allowed(rules, at("2026-12-05 05:00"), at("2026-12-05 05:45"))
    assert not is_allowed(rules, at("2026-12-05 04:59"), at("2026-12-05 05:45"))
    assert is_allowed(rules, at("2026-12-05 20:59"), at("2026-12-05 21:00"))
    assert not is_allowed(rules, at("2026-12-05 20:59"), at("2026-12-05 21:00") + 1)


@pytest.mark.requirement("TIM-1")
def test_weekdays_count_by_local_date() -> None:
    workdays = policy(hours=(Hours(weekdays=0b0011111, start_min=0, end_min=1440),))
    assert is_allowed(workdays, at("2026-12-04 23:00"), at("2026-12-05 00:00"))  # a Friday
    assert not is_allowed(workdays, at("2026-12-04 23:00"), at("2026-12-05 00:01"))


def test_spans_that_touch_are_one() -> None:
    rules = policy(
        hours=(
            Hours(weekdays=127, start_min=300, end_min=400),
            Hours(weekdays=127, start_min=400, end_min=500),
        )
    )
    assert is_allowed(rules, at("2026-12-05 05:30"), at("2026-12-05 08:00"))


def test_no_hours_allow_nothing() -> None:
    assert not is_allowed(policy(hours=()), at("2026-12-05 12:00"), at("2026-12-05 12:01"))


@pytest.mark.requirement("VOL-1")
def test_the_lowest_cap_holds_and_may_run_over_midnight() -> None:
    caps = (
        VolumeCap(start_min=1260, end_min=300, level=4),
        VolumeCap(start_min=1200, end_min=1320, level=9),
    )
    rules = policy(volume_caps=caps)
    assert volume_cap(rules, at("2026-12-05 12:00")) == 15
    assert volume_cap(rules, at("2026-12-05 20:30")) == 9
    assert volume_cap(rules, at("2026-12-05 21:30")) == 4
    assert volume_cap(rules, at("2026-12-06 04:59")) == 4
    assert next_cap_change(rules, at("2026-12-05 20:30")) == at("2026-12-05 21:00")
    assert next_cap_change(rules, at("2026-12-05 22:30")) == at("2026-12-06 00:00")


@pytest.mark.requirement("ADM-2")
def test_a_commune_can_only_tighten() -> None:
    province = policy(languages=("vi", "tay"), sessions_per_day=3)
    commune = policy(
        hours=(Hours(weekdays=0b1111111, start_min=240, end_min=360),),
        sessions_per_day=9,
        minutes_per_session=20,
        languages=("tay", "nung"),
        volume_caps=(VolumeCap(start_min=0, end_min=1440, level=9),),
        start_wait_s=5,
    )
    both = tighten(province, commune)
    assert both.hours == (Hours(weekdays=127, start_min=300, end_min=360),)
    assert (both.sessions_per_day, both.minutes_per_session) == (3, 20)
    assert both.languages == ("tay",)
    assert both.start_wait_s == province.start_wait_s
    assert volume_cap(both, at("2026-12-05 12:00")) == 9


def test_two_policies_without_a_language_in_common_allow_none_not_all() -> None:
    both = tighten(policy(languages=("vi",)), policy(languages=("tay",)))
    assert both.languages
    assert "vi" not in both.languages


@given(st.integers(0, 86_400 * 8), st.integers(1, 7200))
def test_what_both_allow_is_what_the_tighter_allows(start: int, length: int) -> None:
    one = policy(hours=(Hours(weekdays=0b1010101, start_min=300, end_min=1260),))
    other = policy(hours=(Hours(weekdays=0b1110001, start_min=600, end_min=1400),))
    span = (start, start + length)
    assert is_allowed(tighten(one, other), *span) == (
        is_allowed(one, *span) and is_allowed(other, *span)
    )


LIVE = "https://radio.example:8443/live"
HOSTS = st.lists(st.sampled_from(["radio.example", "dai.example", "192.0.2.7"]), unique=True)
SPANS = st.lists(
    st.builds(
        Hours,
        weekdays=st.integers(1, 127),
        start_min=st.integers(0, 1200),
        end_min=st.integers(600, 1440),
    ),
    max_size=4,
)


def streaming(*spans: tuple[int, int], hosts: tuple[str, ...] = ("radio.example",)) -> Policy:
    hours = tuple(Hours(weekdays=31, start_min=start, end_min=end) for start, end in spans)
    return policy(unsigned_streams=hosts, unsigned_stream_hours=hours or None)


@pytest.mark.requirement("SEC-4")
def test_an_unsigned_stream_sounds_only_from_a_named_host_in_named_hours() -> None:
    rules = streaming((360, 420))  # 06:00-07:00 from Monday to Friday
    friday = at("2026-12-04 06:00") * 1000
    assert may_stream(rules, LIVE, friday)
    assert stream_until_ms(rules, LIVE, friday + 1) == at("2026-12-04 07:00") * 1000
    assert not may_stream(rules, LIVE, friday - 1)
    assert not may_stream(rules, LIVE, at("2026-12-04 07:00") * 1000)
    assert not may_stream(rules, LIVE, at("2026-12-05 06:00") * 1000)  # a Saturday
    assert not may_stream(rules, "https://other.radio.example/live", friday)
    assert not may_stream(rules, "http://radio.example/live", friday)
    assert not may_stream(rules, "https://radio.example@evil.example/", friday)


@pytest.mark.requirement("SEC-4")
def test_without_hours_or_without_hosts_no_unsigned_stream_ever_sounds() -> None:
    noon = at("2026-12-04 12:00") * 1000
    assert not may_stream(streaming(), LIVE, noon)
    assert not may_stream(streaming((0, 1440), hosts=()), LIVE, noon)
    assert not may_stream(policy(), LIVE, noon)
    assert may_stream(streaming((0, 1440)), LIVE, noon)


def test_spans_of_streams_that_touch_are_asked_one_after_the_other() -> None:
    rules = streaming((360, 420), (420, 480))
    until = stream_until_ms(rules, LIVE, at("2026-12-04 06:30") * 1000)
    assert until == at("2026-12-04 07:00") * 1000
    assert stream_until_ms(rules, LIVE, until) == at("2026-12-04 08:00") * 1000


def stream_both(province: Policy, commune: Policy, host: str, at_ms: int) -> bool:
    """Tell whether both let *host* stream, and hold the tighter of them to it."""
    url = f"https://{host}/live"
    expected = may_stream(province, url, at_ms) and may_stream(commune, url, at_ms)
    assert may_stream(tighten(province, commune), url, at_ms) == expected
    return expected


@pytest.mark.requirement("ADM-2")
@given(HOSTS, HOSTS, st.sampled_from(["radio.example", "dai.example", "other.example"]))
def test_a_commune_can_only_take_hosts_of_unsigned_streams_away(
    province: list[str], commune: list[str], host: str
) -> None:
    one, other = (
        policy(
            unsigned_streams=tuple(hosts),
            unsigned_stream_hours=(Hours(weekdays=127, start_min=0, end_min=1440),),
        )
        for hosts in (province, commune)
    )
    assert stream_both(one, other, host, 0) == (host in province and host in commune)


@pytest.mark.requirement("ADM-2")
@given(SPANS, SPANS, st.integers(0, 86_400_000 * 8))
def test_a_commune_can_only_shorten_the_hours_of_unsigned_streams(
    province: list[Hours], commune: list[Hours], at_ms: int
) -> None:
    one, other = (
        policy(unsigned_streams=("radio.example",), unsigned_stream_hours=tuple(spans) or None)
        for spans in (province, commune)
    )
    stream_both(one, other, "radio.example", at_ms)
    assert tighten(one, other).unsigned_stream_hours != ()  # which has no encoding
