"""When to look at the content tree."""

from __future__ import annotations

import pytest

from loa_endpoint.core.poll import Poll, Reach

MINUTE = 60_000
HOUR = 60 * MINUTE


def near(delay_ms: int, interval_ms: int) -> bool:
    return 0.9 * interval_ms <= delay_ms <= 1.1 * interval_ms


def test_with_nudges_a_head_that_does_not_come_is_fetched_after_twenty_minutes() -> None:
    assert near(Poll(bytes(16)).next_ms(0, is_nudged=True, is_complete=True), 20 * MINUTE)


def test_without_nudges_it_is_half_a_minute_for_an_hour_and_then_five() -> None:
    poll = Poll(bytes(16))
    for now in range(0, HOUR, 30_000):
        assert near(poll.next_ms(now, is_nudged=False, is_complete=True), 30_000)
    assert near(poll.next_ms(HOUR, is_nudged=False, is_complete=True), 5 * MINUTE)
    assert near(poll.next_ms(HOUR, is_nudged=True, is_complete=True), 20 * MINUTE)
    assert near(poll.next_ms(2 * HOUR, is_nudged=False, is_complete=True), 30_000)


def test_an_incomplete_round_is_repeated_sooner_and_ever_less_often() -> None:
    poll = Poll(bytes(16))
    delays = [poll.next_ms(n, is_nudged=True, is_complete=False) for n in range(8)]
    assert delays[0] <= 2000
    assert 15_000 <= delays[-1] <= 30_000
    assert near(poll.next_ms(9, is_nudged=True, is_complete=True), 20 * MINUTE)
    assert poll.next_ms(10, is_nudged=True, is_complete=False) <= 2000


def begin(poll: Poll, now_ms: int, *, is_nudged: bool = True, is_pushed: bool = False) -> Reach:
    """Begin a round and end it well."""
    reach = poll.begin(now_ms, is_nudged=is_nudged, is_pushed=is_pushed)
    poll.end(reach, now_ms, is_complete=True, is_nudged=is_nudged)
    return reach


def test_without_nudges_playlists_are_looked_at_each_time_and_all_once_an_hour() -> None:
    poll = Poll(bytes(16))
    assert begin(poll, 5, is_nudged=False) is Reach.STATE
    assert begin(poll, HOUR // 2, is_nudged=False) is Reach.PLAYLISTS
    assert begin(poll, HOUR + 5, is_nudged=False) is Reach.STATE


@pytest.mark.requirement("PERF-5")
def test_with_nudges_a_head_that_is_pushed_is_all_that_is_looked_at() -> None:
    poll = Poll(bytes(16))
    assert begin(poll, 0, is_pushed=True) is Reach.STATE, "the first round looks at all"
    for now_ms in range(15 * MINUTE, 24 * HOUR, 15 * MINUTE):
        assert begin(poll, now_ms, is_pushed=True) is Reach.HEAD


def test_what_is_asked_for_is_looked_at_once_and_again_until_it_was_had() -> None:
    poll = Poll(bytes(16))
    begin(poll, 0)
    poll.ask(Reach.STATE)
    poll.ask(Reach.HEAD)
    reach = poll.begin(MINUTE, is_nudged=True, is_pushed=True)
    poll.end(reach, MINUTE, is_complete=False, is_nudged=True)
    assert reach is Reach.STATE
    assert begin(poll, 2 * MINUTE, is_pushed=True) is Reach.STATE
    assert begin(poll, 3 * MINUTE, is_pushed=True) is Reach.HEAD


def test_with_nudges_all_is_looked_at_every_six_hours() -> None:
    poll = Poll(bytes(16))
    begin(poll, 0)
    late_ms = 5 * HOUR + 20 * MINUTE
    begin(poll, late_ms, is_pushed=True)
    wait_ms = poll.next_ms(late_ms, is_nudged=True, is_complete=True)
    assert wait_ms <= 22 * MINUTE
    assert begin(poll, 6 * HOUR) is Reach.STATE
    assert begin(poll, 7 * HOUR) is Reach.PLAYLISTS


@pytest.mark.requirement("PERF-5")
def test_with_nudges_the_proofs_of_a_new_tree_are_looked_at_after_two_hours() -> None:
    poll = Poll(bytes(16))
    begin(poll, 0)
    begin(poll, 110 * MINUTE, is_pushed=True)
    wait_ms = poll.next_ms(110 * MINUTE, is_nudged=True, is_complete=True, is_behind=True)
    assert wait_ms < 22 * MINUTE
    assert near(110 * MINUTE + wait_ms, 2 * HOUR), "after the proofs, not after the push"
    assert begin(poll, 110 * MINUTE + wait_ms) is Reach.PLAYLISTS


def test_after_a_gap_in_the_session_the_playlists_are_looked_at_and_all_within_an_hour() -> None:
    poll = Poll(bytes(16))
    begin(poll, 0)
    poll.reconnected()
    assert begin(poll, MINUTE, is_pushed=True) is Reach.PLAYLISTS
    assert begin(poll, HOUR) is Reach.STATE
    assert begin(poll, 2 * HOUR) is Reach.PLAYLISTS, "nothing was missed since"


def test_addresses_take_turns_when_one_fails() -> None:
    poll = Poll(bytes(16))
    assert poll.pick(["a", "b"]) == poll.pick(["a", "b"]) == "a"
    poll.try_another_address()
    assert poll.pick(["a", "b"]) == "b"
    poll.try_another_address()
    assert poll.pick(["a", "b"]) == "a"
