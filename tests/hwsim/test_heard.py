"""What is found again in the recording of a loudspeaker."""

from __future__ import annotations

import numpy as np
import pytest

from loa_lab.village.heard import RATE, Recording
from support.listening import SURE, Floats
from support.sound_files import chirp

START_MS = 1_800_000_000_000
AT_MS = 1700
SIREN = chirp(3)


def recorded(sound: Floats) -> Recording:
    """Return a recording of ten seconds, a low hum in it, and *sound* from `AT_MS` on."""
    samples = 0.01 * np.sin(2 * np.pi * 50 * np.arange(10 * RATE) / RATE)
    first = AT_MS * RATE // 1000
    samples[first : first + len(sound)] += 0.2 * sound
    return Recording((samples * 32_767).astype(np.int16), START_MS)


def played_at(sound: Floats, rate: float) -> Floats:
    """Return *sound* as it is played by a board that runs *rate* times too fast."""
    places = np.arange(int(len(sound) / rate)) * rate
    faster: Floats = np.interp(places, np.arange(len(sound)), sound).astype(np.float32)
    return faster


@pytest.mark.parametrize("ppm", [-500, 0, 500])
def test_a_sound_is_found_where_it_was_played_also_while_the_board_corrects_its_clock(
    ppm: int,
) -> None:
    heard = recorded(played_at(SIREN, 1 + ppm / 1e6))
    at_ms, alike = heard.find(SIREN, START_MS, START_MS + 10_000)
    assert at_ms - START_MS == pytest.approx(AT_MS, abs=5)  # a sweep fits itself elsewhere
    assert alike > 0.95


def test_what_is_not_in_the_recording_is_not_found() -> None:
    heard = recorded(SIREN[::-1].copy())
    assert heard.find(SIREN, START_MS, START_MS + 10_000)[1] < SURE / 2
    assert heard.find(SIREN, START_MS, START_MS + 2000) == (START_MS, 0.0)  # it is too short
