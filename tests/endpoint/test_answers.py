"""The time answers of days: a crystal that drifts, links that are slow one way, what is known."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.core.answers import AGAIN_MS, Answer, Answers

NOW = 1_800_000_000_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


class Board:
    """A board with a crystal, asking when it is due; *slow_ppm* is how much too slow it runs."""

    def __init__(
        self, slow_ppm: float, seed: int, *, link_ms: int = 60, wander_ppm: float = 0.0
    ) -> None:
        self.answers, self._random = Answers(), random.Random(seed)
        self._slow_ppm, self._wander_ppm, self._link_ms = slow_ppm, wander_ppm, link_ms

    def true_ms(self, mono_ms: float) -> float:
        """Return the true time: a day's warmth comes and goes over the crystal's own rate."""
        turn = 2 * math.pi / DAY
        warmth = self._wander_ppm * (1 - math.cos(turn * mono_ms)) / turn
        return NOW + mono_ms + (self._slow_ppm * mono_ms + warmth) / 1e6

    def ask(self, mono_ms: int) -> None:
        """Ask over a link whose two ways take what they take."""
        there, back = (self._random.randrange(self._link_ms // 2 + 1) for _ in range(2))
        stamp = round(self.true_ms(mono_ms + there))
        trip = there + back
        self.answers.take(Answer(stamp, mono_ms + trip // 2, trip // 2 + 2))

    def off_ms(self, mono_ms: int) -> float:
        """Return how far from the truth it stands."""
        return self.answers.at(mono_ms) - self.true_ms(mono_ms)

    def live(self, hours: int) -> Iterator[int]:
        """Ask when it is due; give every minute of that life."""
        due = 0
        for mono_ms in range(0, hours * HOUR, MINUTE // 2):
            if mono_ms >= due:
                self.ask(mono_ms)
                due = mono_ms + self.answers.again_ms
            yield mono_ms + MINUTE // 2 - 1


@given(
    slow=st.floats(-75, 75),
    wander=st.floats(0, 9),
    link=st.sampled_from([0, 20, 200, 2000, 5000]),
    seed=st.integers(0, 1000),
)
def test_the_time_is_never_further_off_than_it_says(
    slow: float, wander: float, link: int, seed: int
) -> None:
    board = Board(slow, seed, link_ms=link, wander_ppm=wander)
    for mono_ms in board.live(30):
        assert abs(board.off_ms(mono_ms)) <= board.answers.error_ms(mono_ms) + 1


@pytest.mark.requirement("AUD-5", "TIM-4")
@pytest.mark.parametrize("seed", range(5))
def test_two_boards_whose_crystals_are_60_ppm_apart_stay_together_for_days(seed: int) -> None:
    """Without the rate they were 1300 ms apart by the next answer."""
    fast, slow = Board(-30, seed, wander_ppm=1), Board(30, seed + 100, wander_ppm=1)
    apart = [
        abs(fast.answers.at(a) - slow.answers.at(b) - (fast.true_ms(a) - slow.true_ms(b)))
        for a, b in zip(fast.live(72), slow.live(72), strict=True)
        if a > 9 * HOUR
    ]
    apart.sort()
    print(f"seed {seed}: {apart[len(apart) // 2]:.0f} ms, {apart[-1]:.0f} at most")
    assert apart[len(apart) // 2] < 20
    assert apart[-1] < 60


def test_a_slow_answer_does_not_take_the_place_of_a_good_one_until_the_crystal_is_worse() -> None:
    answers = Answers()
    answers.take(Answer(NOW, 0, 3))
    answers.take(Answer(NOW + MINUTE + 900, MINUTE, 1000))
    assert answers.at(MINUTE) == NOW + MINUTE
    answers.take(Answer(NOW + 4 * HOUR + 900, 4 * HOUR, 1000))
    assert answers.at(4 * HOUR) == NOW + 4 * HOUR + 900


def test_what_came_late_while_the_board_started_is_made_good_by_the_next_answer() -> None:
    answers = Answers()
    answers.take(Answer(NOW + 320, 0, 400))
    assert answers.again_ms == AGAIN_MS[0]
    answers.take(Answer(NOW + 30_000, 30_000, 6))
    assert answers.at(31_000) == NOW + 31_000
    assert answers.error_ms(31_000) == 6


def test_an_answer_that_contradicts_the_others_counts_alone_and_is_soon_looked_at_again() -> None:
    answers = Answers()
    last = len(AGAIN_MS) - 1
    for n in range(-last, 1):
        answers.take(Answer(NOW + n * HOUR + n * 180, n * HOUR, 3))
    assert answers.rate_ppm == pytest.approx(50, abs=1)
    assert answers.again_ms == AGAIN_MS[-1]
    answers.take(Answer(NOW + 2 * HOUR, HOUR, 3))
    assert (answers.at(HOUR), answers.rate_ppm) == (NOW + 2 * HOUR, 0)
    assert answers.again_ms == AGAIN_MS[0]


@given(st.lists(st.tuples(st.integers(0, DAY), st.integers(-DAY, DAY), st.integers(1, 2501))))
def test_no_answers_make_the_crystal_more_than_100_ppm_wrong(
    said: list[tuple[int, int, int]],
) -> None:
    answers, mono_ms = Answers(), 0
    for wait_ms, lie_ms, error_ms in said:
        mono_ms += wait_ms
        answers.take(Answer(NOW + mono_ms + lie_ms, mono_ms, error_ms))
        assert abs(answers.rate_ppm) <= 100
        assert answers.error_ms(mono_ms) >= 0
