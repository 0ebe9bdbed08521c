from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.core.monitor import Limits, Monitor, Verdict

LIMITS = Limits(low=20, high=30, fail_ms=5000, ok_ms=10_000)


def monitor(**changes: int) -> Monitor:
    numbers = {"low": 20, "high": 30, "fail_ms": 5000, "ok_ms": 10_000} | changes
    return Monitor(Limits(**numbers))


def test_before_the_first_reading_nothing_is_known() -> None:
    subject = Monitor(LIMITS)
    assert subject.tick(100_000) is Verdict.UNKNOWN
    assert subject.next_deadline() is None


def test_a_bad_reading_is_suspect_and_fails_only_after_its_time() -> None:
    subject = Monitor(LIMITS)
    assert subject.handle(10, 1000) is Verdict.SUSPECT
    assert subject.next_deadline() == 6000
    assert subject.tick(5999) is Verdict.SUSPECT
    assert subject.tick(6000) is Verdict.FAILED
    assert subject.next_deadline() is None


def test_a_failure_is_seen_even_if_the_good_reading_comes_before_anybody_looked() -> None:
    subject = Monitor(LIMITS)
    subject.handle(10, 0)
    assert subject.handle(50, 7000) is Verdict.RECOVERING


def test_between_the_thresholds_everything_stays_as_it_was() -> None:
    subject = Monitor(LIMITS)
    assert subject.handle(25, 0) is Verdict.GOOD  # neither was crossed yet
    subject.handle(10, 100)
    assert subject.handle(25, 200) is Verdict.SUSPECT
    subject.handle(30, 300)
    assert subject.handle(25, 400) is Verdict.GOOD


def test_a_failed_quantity_must_be_good_for_long_before_it_is_well() -> None:
    subject = Monitor(LIMITS)
    subject.handle(10, 0)
    subject.tick(5000)
    assert subject.handle(40, 8000) is Verdict.RECOVERING
    assert subject.next_deadline() == 18_000
    assert subject.tick(17_999) is Verdict.RECOVERING
    assert subject.tick(18_000) is Verdict.GOOD


def test_a_relapse_while_recovering_is_a_failure_at_once_and_restarts_the_wait() -> None:
    subject = Monitor(LIMITS)
    subject.handle(10, 0)
    subject.tick(5000)
    subject.handle(40, 6000)
    assert subject.handle(10, 15_000) is Verdict.FAILED
    subject.handle(40, 15_100)
    assert subject.tick(16_000) is Verdict.RECOVERING
    assert subject.tick(25_100) is Verdict.GOOD


def test_one_good_reading_starts_the_count_towards_a_failure_anew() -> None:
    subject = monitor()
    subject.handle(10, 0)
    subject.handle(40, 4900)
    subject.handle(10, 5000)
    assert subject.tick(9999) is Verdict.SUSPECT


def test_zero_patience_fails_at_the_first_bad_reading() -> None:
    assert monitor(fail_ms=0).handle(10, 7) is Verdict.FAILED


def test_forgetting_keeps_a_failure_and_drops_everything_else() -> None:
    suspect, failed = monitor(), monitor(fail_ms=0)
    suspect.handle(10, 0)
    failed.handle(10, 0)
    failed.handle(40, 10)
    for each in (suspect, failed):
        each.forget()
    assert suspect.tick(60_000) is Verdict.UNKNOWN
    assert failed.tick(60_000) is Verdict.FAILED
    assert failed.handle(25, 60_000) is Verdict.FAILED  # between the thresholds: still failed
    assert failed.handle(40, 60_000) is Verdict.RECOVERING


def test_limits_that_contradict_themselves_are_our_own_bug() -> None:
    with pytest.raises(ValueError, match="contradict"):
        Limits(low=30, high=20, fail_ms=0, ok_ms=0)
    with pytest.raises(ValueError, match="contradict"):
        Limits(low=0, high=0, fail_ms=-1, ok_ms=0)


readings = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 6000)), max_size=40)


@given(readings)
def test_ticking_in_between_changes_no_verdict(steps: list[tuple[int, int]]) -> None:
    """What falls due is the same whether somebody looked on time or not."""
    lazy, busy, now_ms = Monitor(LIMITS), Monitor(LIMITS), 0
    for reading, pause_ms in steps:
        for at_ms in range(now_ms, now_ms + pause_ms, 500):
            busy.tick(at_ms)
        now_ms += pause_ms
        assert lazy.handle(reading, now_ms) is busy.handle(reading, now_ms)


@given(readings)
def test_a_failure_always_follows_unbroken_badness_of_at_least_its_time(
    steps: list[tuple[int, int]],
) -> None:
    subject, now_ms, bad_since = Monitor(LIMITS), 0, None
    has_failed = False
    for reading, pause_ms in steps:
        now_ms += pause_ms
        verdict = subject.handle(reading, now_ms)
        if verdict is Verdict.FAILED and not has_failed:
            assert bad_since is not None
            assert now_ms - bad_since >= LIMITS.fail_ms
        has_failed = verdict.has_failed
        if reading >= LIMITS.high:
            bad_since = None
        elif reading < LIMITS.low and bad_since is None:
            bad_since = now_ms


@given(readings)
def test_a_deadline_lies_ahead_and_changes_the_verdict(steps: list[tuple[int, int]]) -> None:
    subject, now_ms = Monitor(LIMITS), 0
    for reading, pause_ms in steps:
        now_ms += pause_ms
        before = subject.handle(reading, now_ms)
        deadline_ms = subject.next_deadline()
        if deadline_ms is not None:
            assert deadline_ms > now_ms
            assert subject.tick(deadline_ms - 1) is before
            assert subject.tick(deadline_ms) is not before
            now_ms = deadline_ms
