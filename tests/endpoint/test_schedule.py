"""What should sound at a time, as the policy lets it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.core.schedule import (
    Block,
    allowed_volume,
    announced,
    plan,
    sounding,
    upcoming,
    volume_gain_cdb,
)
from loa_protocol.objects.playlist import BulletinKind, Playlist, Session
from loa_protocol.objects.policy import Hours, VolumeCap
from support.province import playlist, policy

VIETNAM = dt.timezone(dt.timedelta(hours=7))


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=VIETNAM).timestamp())


def day(*starts: str, length_s: int = 60, items: int = 1, **item: Any) -> Playlist:
    base = playlist(items=items)
    sessions = tuple(
        Session(id=f"s{n}", start=at(start), duration_s=length_s * items, volume=15)
        for n, start in enumerate(starts)
    )
    changed = tuple(
        dataclasses.replace(
            base.items[k],
            id=f"s{n}i{k}",
            session=n,
            duration_ms=length_s * 1000,
            offset_ms=k * length_s * 1000,
            **item,
        )
        for n in range(len(starts))
        for k in range(items)
    )
    return dataclasses.replace(
        base, not_before=0, expires=at("2040-01-01"), sessions=sessions, items=changed
    )


def blocks(schedule: Playlist, **rules: Any) -> list[Block | None]:
    return [planned.block for planned in plan(schedule, policy(**rules))]


@pytest.mark.requirement("TIM-2")
def test_a_signed_relay_at_a_quarter_past_three_stays_silent() -> None:
    planned = plan(day("2026-12-05 03:15"), policy())
    assert planned[0].block is Block.QUIET_HOURS
    assert sounding(planned, at("2026-12-05 03:15") * 1000) is None


@pytest.mark.requirement("TIM-1")
def test_the_hanoi_rules_refuse_a_third_session_a_saturday_and_sixteen_minutes() -> None:
    hanoi = {
        "hours": (Hours(weekdays=0b0011111, start_min=300, end_min=1260),),
        "sessions_per_day": 2,
        "minutes_per_session": 15,
    }
    friday = ("2026-12-04 05:30", "2026-12-04 12:00", "2026-12-04 17:00")
    assert blocks(day(*friday), **hanoi) == [None, None, Block.SESSIONS]
    assert blocks(day("2026-12-05 05:30"), **hanoi) == [Block.QUIET_HOURS]
    assert blocks(day("2026-12-04 05:30", length_s=900), **hanoi) == [None]
    assert blocks(day("2026-12-04 05:30", length_s=960), **hanoi) == [Block.MINUTES]


@pytest.mark.requirement("TIM-1")
def test_the_rural_rules_take_45_minutes_and_refuse_46() -> None:
    assert blocks(day("2026-12-04 05:30", length_s=45 * 60)) == [None]
    assert blocks(day("2026-12-04 05:30", length_s=46 * 60)) == [Block.MINUTES]


def test_an_item_longer_than_its_slot_is_blocked() -> None:
    schedule = day("2026-12-04 05:30", length_s=60)
    longer = dataclasses.replace(schedule.items[0], duration_ms=60_001)
    assert blocks(dataclasses.replace(schedule, items=(longer,))) == [Block.SLOT]


def test_an_item_outside_the_playlists_validity_is_blocked() -> None:
    schedule = day("2026-12-04 05:30", "2026-12-06 05:30")
    first, last = at("2026-12-04 00:00"), at("2026-12-06 05:30")
    week = dataclasses.replace(schedule, not_before=first, expires=last)
    assert blocks(week) == [None, Block.VALIDITY]


@pytest.mark.requirement("MSG-7")
def test_a_refused_category_and_a_language_that_is_not_allowed_are_blocked() -> None:
    assert blocks(day("2026-12-04 05:30", category="quảng cáo")) == [Block.CATEGORY]
    assert blocks(day("2026-12-04 05:30", language="nung"), languages=("vi",)) == [Block.LANGUAGE]


@pytest.mark.requirement("MSG-4")
def test_an_emergency_never_hides_in_a_playlist() -> None:
    assert blocks(day("2026-12-04 05:30", kind=BulletinKind.EMERGENCY)) == [Block.KIND]


def test_the_item_that_began_last_sounds_and_ends_at_its_end() -> None:
    planned = plan(day("2026-12-04 05:30", items=2), policy())
    start = at("2026-12-04 05:30") * 1000
    names = [
        None if (p := sounding(planned, start + offset)) is None else p.item.id
        for offset in (-1, 0, 59_999, 60_000, 119_999, 120_000)
    ]
    assert names == [None, "s0i0", "s0i0", "s0i1", "s0i1", None]
    assert [p.item.id for p in upcoming(planned, start, start + 60_001)] == ["s0i0", "s0i1"]


def test_an_item_of_no_session_is_never_planned() -> None:
    schedule = day("2026-12-04 05:30")
    lost = dataclasses.replace(schedule.items[0], session=7)
    assert plan(dataclasses.replace(schedule, items=(lost,)), policy()) == ()


@pytest.mark.requirement("VOL-1")
def test_level_15_asked_with_cap_9_is_9_and_the_evening_lowers_it_while_playing() -> None:
    caps = (
        VolumeCap(start_min=0, end_min=1440, level=9),
        VolumeCap(start_min=1260, end_min=1440, level=5),
    )
    rules = policy(volume_caps=caps)
    (planned,) = plan(day("2026-12-04 20:30", length_s=1800), rules)
    assert allowed_volume(planned, rules, at("2026-12-04 20:30") * 1000) == 9
    assert allowed_volume(planned, rules, at("2026-12-04 21:00") * 1000) == 5


def test_volume_levels_are_two_decibel_steps_below_full() -> None:
    assert volume_gain_cdb(15) == 0
    assert volume_gain_cdb(9) == -1200
    assert volume_gain_cdb(0) is None


@given(st.integers(0, 7 * 86_400))
def test_nothing_ever_sounds_outside_allowed_hours(second: int) -> None:
    from loa_protocol.hours import is_allowed

    base = at("2026-12-04 00:00")
    rules = policy()
    schedule = day(dt.datetime.fromtimestamp(base + second, VIETNAM).strftime("%Y-%m-%d %H:%M:%S"))
    planned = plan(schedule, rules)
    for probe in range(0, 61, 20):
        instant = base + second + probe
        if sounding(planned, instant * 1000) is not None:
            assert is_allowed(rules, instant, instant + 1)


@pytest.mark.requirement("AUD-6")
def test_an_announcement_sounds_over_the_item_and_not_in_its_place() -> None:
    base = playlist(items=1)
    over = dataclasses.replace(
        base.items[0], id="over", offset_ms=20_000, duration_ms=5_000, duck_cdb=-1500, volume=12
    )
    late = dataclasses.replace(over, id="late", offset_ms=22_000)
    planned = plan(dataclasses.replace(base, items=(*base.items, over, late)), policy())
    at_ms = planned[0].start_ms + 21_000
    now, heard = sounding(planned, at_ms), announced(planned, at_ms)
    assert now is not None
    assert heard is not None
    assert (now.item.id, heard.item.id) == ("i0", "over")
    assert allowed_volume(heard, policy(), at_ms) == 12, "its own level, not its session's"
    assert announced(planned, at_ms + 5_000) is None
    assert [each.item.id for each in planned if each.block is Block.OVERLAP] == ["late"]
