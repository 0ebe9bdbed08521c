"""The clock of a card: how it is followed through jitter, drift, and standing still."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.audio.card_clock import CardClock

S = 48_000
BLOCK = 2_400


class Card:
    """Something that says when samples sound; a little wrong each time."""

    def __init__(self, ppm: float, jitter_ms: float, seed: int = 1) -> None:
        self.rate = S * (1 + ppm / 1e6)
        self.jitter_ns = jitter_ms * 1e6
        self.random = np.random.default_rng(seed)
        self.begun_ns, self.sample = 7_000_000_000, 0
        self.clock = CardClock()

    def truth_ns(self) -> float:
        return self.begun_ns + self.sample / self.rate * 1e9

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * S / BLOCK)):
            wrong = self.random.uniform(-1, 1) * self.jitter_ns
            self.clock.read(self.sample, round(self.truth_ns() + wrong))
            self.sample += BLOCK

    def error_ms(self) -> float:
        """How far beside the truth the clock puts the present sample."""
        return (self.clock.epoch_ns + self.sample / S * 1e9 - self.truth_ns()) / 1e6


@pytest.mark.parametrize("ppm", [-500, -50, 0, 50, 500])
def test_drift_is_found_in_jitter_and_the_timeline_stays_right(ppm: int) -> None:
    card = Card(ppm, jitter_ms=1.0)
    card.run(60)
    assert card.clock.drift_ppm == pytest.approx(ppm, abs=10)
    assert abs(card.error_ms()) < 1


def test_the_first_reading_counts_at_once() -> None:
    card = Card(0, jitter_ms=0)
    card.run(0.05)
    assert card.clock.epoch_ns == 7_000_000_000
    assert card.clock.drift_ppm == 0


def test_a_card_that_stood_still_is_believed_and_keeps_its_drift() -> None:
    card = Card(200, jitter_ms=0.1)
    card.run(20)
    card.begun_ns += 500_000_000
    card.run(0.05)
    assert abs(card.error_ms()) < 0.5
    assert card.clock.drift_ppm == pytest.approx(200, abs=10)
    card.run(20)
    assert card.clock.drift_ppm == pytest.approx(200, abs=10)


def test_after_it_ran_dry_even_a_small_step_is_believed() -> None:
    card = Card(0, jitter_ms=0)
    card.run(5)
    card.begun_ns += 10_000_000
    card.clock.restart()
    card.run(0.05)
    assert abs(card.error_ms()) < 0.001


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**18)), min_size=1, max_size=50))
def test_no_answer_of_a_card_breaks_it(readings: list[tuple[int, int]]) -> None:
    clock = CardClock()
    for sample, sounds_ns in readings:
        clock.read(sample, sounds_ns)
    sample, sounds_ns = readings[-1]
    assert abs(clock.epoch_ns + sample * 10**9 // S - sounds_ns) <= 30_000_001
