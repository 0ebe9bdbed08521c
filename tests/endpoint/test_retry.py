"""When to try again, and how often to say the same thing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.core.repeats import Repeats
from loa_endpoint.core.retry import (
    IDENTITY,
    RECONNECT,
    SETTLED_MS,
    Backoff,
    Retries,
    first_delay_ms,
    jittered_ms,
)

identities = st.binary(min_size=16, max_size=16)


@given(identities, st.integers(0, 10_000))
def test_a_delay_lies_between_the_sure_part_and_the_whole(identity: bytes, attempt: int) -> None:
    backoff = Backoff(first_ms=1000, most_ms=300_000, spread_permille=500)
    full = min(1000 * 2 ** min(attempt, 20), 300_000)
    assert full // 2 <= backoff.delay_ms(attempt, identity) <= full


def test_delays_are_the_same_whenever_they_are_asked_for() -> None:
    first = [RECONNECT.delay_ms(n, bytes(16)) for n in range(12)]
    assert first == [RECONNECT.delay_ms(n, bytes(16)) for n in range(12)]
    assert first[-1] >= 150_000


@pytest.mark.requirement("TIM-4")
def test_a_board_that_was_long_refused_the_time_asks_for_it_twice_a_minute() -> None:
    delays = [IDENTITY.delay_ms(20, n.to_bytes(16)) for n in range(100)]
    assert 15_000 <= min(delays) < max(delays) <= 30_000


def test_a_province_that_comes_back_in_one_second_does_not_connect_in_one() -> None:
    window = 900_000
    delays = sorted(first_delay_ms(n.to_bytes(16), window) for n in range(9000))
    fullest = max(
        sum(1 for d in delays if start <= d < start + 10_000) for start in range(0, window, 10_000)
    )
    assert fullest < 150  # a hundred on average in ten seconds


@given(identities, st.integers(0, 1000))
def test_regular_polls_drift_within_a_tenth(identity: bytes, turn: int) -> None:
    assert 27_000 <= jittered_ms(30_000, identity, turn) < 33_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"first_ms": 0, "most_ms": 1},
        {"first_ms": 2, "most_ms": 1},
        {"first_ms": 1, "most_ms": 1, "spread_permille": 1001},
    ],
)
def test_a_back_off_that_is_none_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="back-off"):
        Backoff(**wrong)


def test_failures_count_up_until_a_connection_stood_for_a_while() -> None:
    fixed = Backoff(first_ms=1000, most_ms=64_000, spread_permille=0)
    retries = Retries(fixed, bytes(16))
    assert [retries.ended(0) for _ in range(3)] == [1000, 2000, 4000]
    assert retries.ended(SETTLED_MS - 1) == 8000  # up and down again is no good connection
    assert retries.ended(SETTLED_MS) == 1000


def test_the_same_thing_is_told_once_and_then_by_count() -> None:
    repeats = Repeats(quiet_ms=1000)
    assert [repeats.happened(("receipt", "role"), at) for at in (0, 1, 2, 999)] == [1, 0, 0, 0]
    assert repeats.happened(("receipt", "format"), 3) == 1
    assert repeats.happened(("receipt", "role"), 1000) == 4
    assert repeats.happened(("receipt", "role"), 2000) == 1


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 400)), max_size=80))
def test_what_is_told_adds_up_to_what_happened(events: list[tuple[int, int]]) -> None:
    repeats, now, told, happened = Repeats(quiet_ms=500), 0, 0, 0
    for key, step in events:
        now += step
        happened += 1
        told += repeats.happened((str(key),), now)
    later = now + 1000
    told += sum(repeats.happened((str(key),), later) - 1 for key in {key for key, _ in events})
    assert told == happened


def test_a_flood_of_different_things_takes_little_memory() -> None:
    repeats = Repeats()
    for number in range(10_000):
        repeats.happened((str(number),), number)
    assert len(repeats._known) <= 256
