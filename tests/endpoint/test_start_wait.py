"""The wait for a fresh head, after boot and after an absence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.core.start_wait import STALE_HEAD_S, VAIN_WAITS, StartWait

BOOT = 5_000_000
WAIT_S, WAIT = 20, 20_000


def waiting() -> StartWait:
    return StartWait(wait_s=WAIT_S, booted_ms=BOOT)


def test_after_boot_it_waits_as_long_as_the_policy_says() -> None:
    assert waiting().hold_until_ms == BOOT + WAIT


def test_a_fresh_head_with_all_that_it_names_ends_the_wait_at_once() -> None:
    wait = waiting()
    wait.on_caught_up(BOOT + 700, head_age_s=STALE_HEAD_S)
    assert wait.hold_until_ms == BOOT + 700


@pytest.mark.parametrize("age_s", [None, STALE_HEAD_S + 1])
def test_no_head_or_a_stale_one_ends_no_wait(age_s: int | None) -> None:
    wait = waiting()
    wait.on_caught_up(BOOT + 700, head_age_s=age_s)
    assert wait.hold_until_ms == BOOT + WAIT


def test_catching_up_once_more_after_the_wait_changes_nothing() -> None:
    wait = waiting()
    wait.on_caught_up(BOOT + 700, head_age_s=10)
    wait.on_caught_up(BOOT + 90_000, head_age_s=10)
    assert wait.hold_until_ms == BOOT + 700


def test_after_an_absence_it_waits_again_and_asks_for_a_head() -> None:
    wait = waiting()
    assert wait.on_connection(True, BOOT + 500)
    wait.on_caught_up(BOOT + 700, head_age_s=10)
    assert not wait.on_connection(True, BOOT + 800)
    assert not wait.on_connection(False, BOOT + 60_000)
    back = BOOT + 90_000
    assert wait.on_connection(True, back)
    assert wait.hold_until_ms == back + WAIT
    wait.on_caught_up(back + 300, head_age_s=10)
    assert wait.hold_until_ms == back + 300


def test_a_board_that_booted_offline_waits_when_the_network_comes_hours_later() -> None:
    wait = waiting()
    later = BOOT + 5 * 3_600_000
    assert wait.on_connection(True, later)
    assert wait.hold_until_ms == later + WAIT


def test_the_first_connection_lengthens_no_wait_that_is_under_way() -> None:
    wait = waiting()
    assert wait.on_connection(True, BOOT + 15_000)
    assert wait.hold_until_ms == BOOT + WAIT


def test_a_broker_that_comes_and_goes_without_a_head_cannot_silence_for_long() -> None:
    wait, held = waiting(), 0
    hour = range(BOOT, BOOT + 3_600_000, 100)
    for now in hour:  # a second there, a second away
        wait.on_connection((now - BOOT) // 1000 % 2 == 0, now)
        held += now < wait.hold_until_ms
    assert held <= len(hour) / VAIN_WAITS


def test_a_policy_without_a_wait_never_holds() -> None:
    wait = StartWait(wait_s=0, booted_ms=BOOT)
    assert wait.hold_until_ms <= BOOT
    assert wait.on_connection(True, BOOT + 10)
    assert wait.hold_until_ms <= BOOT + 10


def test_a_new_policy_holds_from_the_next_wait_on() -> None:
    wait = waiting()
    wait.on_caught_up(BOOT, head_age_s=0)
    wait.on_policy(60)
    wait.on_connection(True, BOOT + 1000)
    assert wait.hold_until_ms == BOOT + 61_000


_EVENT = st.one_of(st.booleans(), st.none(), st.integers(0, 8000))


@given(st.lists(st.tuples(st.integers(0, 30_000), _EVENT), max_size=60))
def test_whatever_happens_no_wait_is_longer_than_the_policys(
    story: list[tuple[int, bool | int | None]],
) -> None:
    wait, now = waiting(), BOOT
    for pause, event in story:
        now += pause
        if isinstance(event, bool):
            wait.on_connection(event, now)
        else:
            wait.on_caught_up(now, head_age_s=event)
        assert wait.hold_until_ms <= now + WAIT
