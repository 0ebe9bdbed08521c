"""Peaks between samples: found where they may matter, whatever the sound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_sound.between import STEP, Between, kaiser_taps


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.floats(0.0, 3.0))
def test_whatever_passes_the_line_is_found_where_it_is(seed: int, steps: int, above: float) -> None:
    taps = kaiser_taps(32, 9.0)
    between, chance = Between(taps), np.random.default_rng(seed)
    count = steps * STEP
    sound = chance.standard_normal(count + 31).astype(np.float32)
    sound *= np.repeat(chance.uniform(0, 1, steps + 1).astype(np.float32), STEP)[: len(sound)]
    whole = np.max([np.abs(np.convolve(sound, row[::-1], "valid")) for row in taps], axis=0)
    chosen, found = between.look(sound, above)
    got = np.zeros((steps, STEP))
    got[chosen] = found
    np.testing.assert_allclose(found, whole.reshape(-1, STEP)[chosen], atol=1e-5)
    assert not np.any((whole > above + 1e-5) & (got.reshape(-1) == 0))


def test_of_silence_nothing_is_worked_out() -> None:
    chosen, found = Between(kaiser_taps(20, 3.5)).look(np.zeros(4 * STEP + 19, np.float32), 0.1)
    assert len(chosen) == 0
    assert found.shape == (0, STEP)


def test_taps_that_reach_too_far_are_refused() -> None:
    with pytest.raises(ValueError, match="beyond"):
        Between(kaiser_taps(40, 9.0))
