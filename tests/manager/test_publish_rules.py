"""What the policy forbids is said at the desk, by the same words as at the pole."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.core import schedule as device
from loa_manager.policy_file import preset_policy
from loa_manager.publish.rules import Reason, judge, plays
from loa_protocol.objects.playlist import BulletinKind, Playlist
from loa_protocol.objects.policy import Hours, Policy, VolumeCap
from support.plans import DAY, HOUR, MINUTE, week
from support.province import policy
from support.schedules import MONDAY


def reasons(playlist: Playlist, rules: Policy) -> list[Reason]:
    return [finding.reason for finding in judge(playlist, rules)]


def preset(name: str) -> Policy:
    return preset_policy(name, "vn/ls", datetime.fromtimestamp(MONDAY, UTC))


@pytest.mark.requirement("TIM-1")
def test_hanoi_refuses_a_third_session_a_saturday_and_sixteen_minutes() -> None:
    hanoi = preset("hanoi")
    morning, noon, evening = 7 * HOUR, 11 * HOUR, 17 * HOUR
    assert reasons(week((morning, 15), (evening, 15)), hanoi) == []
    third = judge(week((morning, 15), (noon, 15), (evening, 15)), hanoi)
    assert [(each.reason, each.limit) for each in third] == [(Reason.SESSIONS, 2)]
    assert third[0].session.start == MONDAY + evening, "the last of the day is one too many"
    assert Reason.QUIET_HOURS in reasons(week((5 * DAY + morning, 15)), hanoi)
    assert reasons(week((morning, 16)), hanoi) == [Reason.MINUTES]


@pytest.mark.requirement("TIM-1")
def test_a_village_may_have_45_minutes_and_not_46() -> None:
    rural = preset("rural")
    assert reasons(week((7 * HOUR, 45)), rural) == []
    assert reasons(week((5 * DAY + 7 * HOUR, 45)), rural) == [], "Saturday is a day like another"
    assert reasons(week((7 * HOUR, 46)), rural) == [Reason.MINUTES]


@pytest.mark.requirement("TIM-2", "TIM-3")
def test_an_item_at_a_quarter_past_three_is_flagged() -> None:
    at_night = judge(week((3 * HOUR + 900, 5)), policy())
    assert [each.reason for each in at_night] == [Reason.SLOT_HOURS, Reason.QUIET_HOURS]
    assert [each.reason.is_forbidden for each in at_night] == [False, True]
    assert str(Reason.QUIET_HOURS) == "blocked_quiet_hours"


def test_a_slot_may_reach_into_quiet_hours_as_long_as_no_item_does() -> None:
    late = week((20 * HOUR + 50 * MINUTE, 30), minutes=10)
    assert reasons(late, policy()) == [Reason.SLOT_HOURS]


@pytest.mark.requirement("MSG-7")
@pytest.mark.parametrize("category", ["quảng cáo", "Quảng Cáo"])
def test_advertising_is_refused(category: str) -> None:
    assert reasons(week((7 * HOUR, 5), category=category), policy()) == [Reason.CATEGORY]
    assert reasons(week((7 * HOUR, 5), category="tuyển dụng"), policy()) == []


@pytest.mark.requirement("MSG-6")
def test_a_language_that_the_policy_does_not_name_is_refused() -> None:
    rules = policy(languages=("vi", "tày"))
    assert reasons(week((7 * HOUR, 5), language="nùng"), rules) == [Reason.LANGUAGE]
    assert reasons(week((7 * HOUR, 5), language="tày"), rules) == []


@pytest.mark.requirement("VOL-1")
def test_a_volume_over_the_cap_is_a_warning_and_the_cap_is_what_will_sound() -> None:
    rules = policy(volume_caps=(VolumeCap(start_min=7 * 60 + 10, end_min=8 * 60, level=9),))
    (finding,) = judge(week((7 * HOUR, 20), volume=15), rules)
    assert (finding.reason, finding.limit) == (Reason.VOLUME, 9)
    assert not finding.reason.is_forbidden
    (loud,) = plays(week((7 * HOUR, 5), volume=15), rules, MONDAY, MONDAY + DAY)
    assert loud.volume == 15, "before the band begins"
    (capped,) = plays(week((7 * HOUR + 20 * MINUTE, 5), volume=15), rules, MONDAY, MONDAY + DAY)
    assert capped.volume == 9
    assert reasons(week((7 * HOUR, 20), volume=9), rules) == []


def test_a_playlist_that_outlives_the_policy_is_told_of() -> None:
    rules = policy(expires=MONDAY + DAY)
    assert reasons(week((7 * HOUR, 5), (2 * DAY + 7 * HOUR, 5)), rules) == [Reason.POLICY_ENDS]


@pytest.mark.requirement("TIM-3")
def test_the_next_day_is_listed_in_order_with_what_is_forbidden() -> None:
    playlist = week((17 * HOUR, 5), (3 * HOUR, 5), (DAY + 3 * HOUR, 5))
    listed = plays(playlist, policy(), MONDAY, MONDAY + DAY)
    assert [(play.start_ms // 1000 - MONDAY) // HOUR for play in listed] == [3, 17]
    assert [play.reasons for play in listed] == [(Reason.QUIET_HOURS,), ()]
    assert listed[1].end_ms - listed[1].start_ms == 300_000


SESSIONS = st.lists(st.tuples(st.integers(0, 7 * DAY - 1), st.integers(1, 120)), max_size=8)
RULES = st.builds(
    policy,
    hours=st.lists(
        st.builds(Hours, weekdays=st.integers(1, 127), start_min=st.integers(0, 700),
                  end_min=st.integers(701, 1440)), max_size=3).map(tuple),
    sessions_per_day=st.integers(0, 3),
    minutes_per_session=st.integers(0, 100),
    languages=st.sampled_from([(), ("vi",), ("tày",)]),
    refused_categories=st.sampled_from([(), ("quảng cáo",), ("thông báo",)]),
)  # fmt: skip
CHANGES = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(BulletinKind),
        "language": st.sampled_from(["vi", "tày"]),
        "category": st.sampled_from(["thông báo", "quảng cáo"]),
        "offset_ms": st.integers(0, 3_600_000),
        "minutes": st.integers(1, 90),
    }
)


@given(SESSIONS, RULES, CHANGES)
def test_desk_and_pole_forbid_the_same_items_for_the_same_reason(
    sessions: list[tuple[int, int]], rules: Policy, changes: dict[str, object]
) -> None:
    playlist = week(*sessions, **changes)
    at_the_pole = {
        planned.item.id: None if planned.block is None else str(planned.block)
        for planned in device.plan(playlist, rules)
    }
    at_the_desk: dict[str, list[str]] = {each.id: [] for each in playlist.items}
    for finding in judge(playlist, rules):
        if finding.item is not None and finding.reason.is_forbidden:
            at_the_desk[finding.item.id].append(str(finding.reason))
    for name, block in at_the_pole.items():
        assert (block is None) == (not at_the_desk[name])
        assert block is None or block in at_the_desk[name]


def test_every_reason_of_the_device_has_its_name_here() -> None:
    of_bearers = {Reason.STREAM_HOST, Reason.STREAM_HOURS}  # the pole passes over the bearer
    assert {str(block) for block in device.Block} == {
        str(reason) for reason in Reason if reason.is_forbidden and reason not in of_bearers
    }


def test_an_item_without_a_session_is_not_listed() -> None:
    (only,) = week((7 * HOUR, 5)).items
    lost = dataclasses.replace(week(), items=(only,))
    assert plays(lost, policy(), MONDAY, MONDAY + DAY) == []
    assert judge(lost, policy()) == []
