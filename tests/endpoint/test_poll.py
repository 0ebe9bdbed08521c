"""When to look at the content tree."""

from __future__ import annotations

from loa_endpoint.core.poll import Poll

MINUTE = 60_000
HOUR = 60 * MINUTE


def near(delay_ms: int, interval_ms: int) -> bool:
    return 0.9 * interval_ms <= delay_ms <= 1.1 * interval_ms


def test_with_nudges_the_head_is_looked_at_every_hour() -> None:
    assert near(Poll(bytes(16)).next_ms(0, is_nudged=True, is_complete=True), HOUR)


def test_without_nudges_it_is_half_a_minute_for_an_hour_and_then_five() -> None:
    poll = Poll(bytes(16))
    for now in range(0, HOUR, 30_000):
        assert near(poll.next_ms(now, is_nudged=False, is_complete=True), 30_000)
    assert near(poll.next_ms(HOUR, is_nudged=False, is_complete=True), 5 * MINUTE)
    assert near(poll.next_ms(HOUR, is_nudged=True, is_complete=True), HOUR)
    assert near(poll.next_ms(2 * HOUR, is_nudged=False, is_complete=True), 30_000)


def test_an_incomplete_round_is_repeated_sooner_and_ever_less_often() -> None:
    poll = Poll(bytes(16))
    delays = [poll.next_ms(n, is_nudged=True, is_complete=False) for n in range(8)]
    assert delays[0] <= 2000
    assert 15_000 <= delays[-1] <= 30_000
    assert near(poll.next_ms(9, is_nudged=True, is_complete=True), HOUR)
    assert poll.next_ms(10, is_nudged=True, is_complete=False) <= 2000


def test_settings_are_looked_at_once_an_hour() -> None:
    poll = Poll(bytes(16))
    assert poll.is_state_due(5)
    poll.state_was_fetched(5)
    assert not poll.is_state_due(HOUR)
    assert poll.is_state_due(HOUR + 5)


def test_addresses_take_turns_when_one_fails() -> None:
    poll = Poll(bytes(16))
    assert poll.pick(["a", "b"]) == poll.pick(["a", "b"]) == "a"
    poll.try_another_address()
    assert poll.pick(["a", "b"]) == "b"
    poll.try_another_address()
    assert poll.pick(["a", "b"]) == "a"
