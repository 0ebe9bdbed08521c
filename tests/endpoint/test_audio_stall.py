"""A player is judged by its moving samples, and by nothing else."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from loa_endpoint.audio.stall import StallSettings, StallWatch

LIMITS = StallSettings(stall_s=0.6, start_s=10, healthy_s=10, delays_s=(0, 1, 5))


def playing(at: float = 0.0) -> StallWatch:
    watch = StallWatch(LIMITS)
    watch.starting(at)
    watch.ready(at)
    watch.beat(1, at)
    return watch


def test_samples_that_grow_keep_it_alive() -> None:
    watch = playing()
    for beat in range(1, 100):
        watch.beat(beat * 9_600, beat * 0.2)
        assert not watch.is_stalled(beat * 0.2 + 0.19)
    assert watch.moved_at == 99 * 0.2


def test_one_that_plays_need_not_be_looked_at_before_it_could_stall() -> None:
    watch = playing()
    watch.beat(9_600, 0.2)
    assert watch.safe_for(0.3) == pytest.approx(0.5)
    assert watch.safe_for(0.8) == pytest.approx(0)
    watch.ready(1.0)  # from here on it may begin to play, and be less patiently judged
    assert watch.safe_for(1.0) == 0


def test_beats_without_growth_are_no_life() -> None:
    watch = playing()
    watch.beat(9_600, 0.2)
    for at in (0.4, 0.6, 0.8):
        watch.beat(9_600, at)
    assert not watch.is_stalled(0.79)
    assert watch.is_stalled(0.81)
    assert watch.moved_at == 0.2


def test_samples_that_shrink_are_no_life() -> None:
    watch = playing()
    watch.beat(9_600, 0.2)
    watch.beat(5_000, 0.7)
    assert watch.is_stalled(0.9)


def test_a_card_that_is_open_and_does_not_move_yet_has_more_patience() -> None:
    watch = StallWatch(LIMITS)
    watch.starting(0)
    watch.ready(0)
    watch.beat(0, 2.9)
    assert not watch.is_stalled(2.9)
    assert watch.is_stalled(3.1)


def test_a_player_that_says_it_waits_for_its_card_may_do_so_for_ever() -> None:
    watch = StallWatch(LIMITS)
    watch.starting(0)
    for second in range(0, 1000, 9):
        assert not watch.is_stalled(second)
        watch.beat(0, second)
    assert watch.moved_at is None
    assert watch.is_stalled(1010)


def test_a_start_has_more_patience_and_not_for_ever() -> None:
    watch = StallWatch(LIMITS)
    watch.starting(100.0)
    assert not watch.is_stalled(109.9)
    assert watch.is_stalled(110.1)


def test_what_is_down_cannot_stall() -> None:
    watch = StallWatch(LIMITS)
    assert not watch.is_stalled(1e9)
    watch.starting(0)
    watch.ended()
    assert not watch.is_stalled(1e9)


def test_the_first_restart_is_at_once_and_later_ones_wait_longer() -> None:
    watch, delays = StallWatch(LIMITS), []
    for life in range(5):
        watch.starting(life)
        delays.append(watch.ended())
    assert delays == [0, 1, 5, 5, 5]


def test_what_the_card_is_to_blame_for_is_tried_again_soon() -> None:
    watch, delays = StallWatch(LIMITS), []
    for life in range(3):
        watch.starting(life)
        watch.ready(life)
        delays.append(watch.ended())
    watch.starting(3)
    delays.append(watch.ended(was_killed=True))
    assert delays == [0, 0.3, 0.3, 0.3]


def test_a_life_that_lasted_clears_the_count() -> None:
    watch = StallWatch(LIMITS)
    for _ in range(3):
        watch.starting(0)
        watch.ended()
    watch.starting(100)
    watch.ready(100)
    for beat in range(1, 60):
        watch.beat(beat, 100 + beat * 0.2)
    assert watch.ended() == 0


def test_a_new_player_counts_from_nothing() -> None:
    watch = playing()
    watch.beat(1_000_000, 1)
    watch.ended()
    watch.starting(2)
    watch.ready(2)
    watch.beat(4_800, 2.1)
    assert not watch.is_stalled(2.6)
    assert watch.moved_at == 2.1


class Lives(RuleBasedStateMachine):
    """Any order of reports: stalled exactly when nothing has moved for too long."""

    def __init__(self) -> None:
        super().__init__()
        self.watch = StallWatch(LIMITS)
        self.now = 0.0
        self.deadline: float | None = None
        self.samples, self.is_ready = 0, False
        self.promised = 0.0  # until then it was said to be safe

    @rule(seconds=st.floats(0.01, 3))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def start(self) -> None:
        self.watch.starting(self.now)
        self.samples, self.is_ready = 0, False
        self.deadline, self.promised = self.now + LIMITS.start_s, 0.0

    @rule()
    def report_ready(self) -> None:
        if self.deadline is not None:
            self.watch.ready(self.now)
            self.is_ready, self.deadline = True, self.now + LIMITS.first_s

    @rule(samples=st.integers(0, 10))
    def beat(self, samples: int) -> None:
        self.watch.beat(samples, self.now)
        if self.is_ready and samples > self.samples:
            self.samples, self.deadline = samples, self.now + LIMITS.stall_s
        elif self.deadline is not None and not self.is_ready:
            self.deadline = self.now + LIMITS.start_s

    @rule()
    def end(self) -> None:
        assert self.watch.ended() in (*LIMITS.delays_s, LIMITS.again_s)
        self.deadline, self.is_ready = None, False

    @invariant()
    def agrees(self) -> None:
        if self.deadline is None or abs(self.now - self.deadline) > 1e-6:
            late = self.deadline is not None and self.now > self.deadline
            assert self.watch.is_stalled(self.now) is late

    @invariant()
    def keeps_its_promise(self) -> None:
        if self.watch.is_stalled(self.now):
            assert self.now >= self.promised - 1e-6
        self.promised = max(self.promised, self.now + self.watch.safe_for(self.now))


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=60, deadline=None)
