"""The line-in's leveller: FM beside the files, without following what is not programme."""

from __future__ import annotations

import numpy as np
import pytest

from loa_endpoint.audio.leveller import MOST_DB, Leveller
from loa_sound.blocks import RATE
from support.loudness import chord, lufs, speech
from support.sound_files import Wave, noise, tone


def level(
    sound: Wave, seconds: float, *, is_heard: bool, leveller: Leveller | None = None
) -> Leveller:
    leveller = leveller or Leveller()
    whole = np.tile(sound, int(seconds * RATE / len(sound)) + 1)[: int(seconds * RATE)]
    for at in range(0, len(whole), 4_800):
        leveller.feed(whole[at : at + 4_800], -23.0, is_heard=is_heard)
    return leveller


@pytest.mark.requirement("AUD-2")
@pytest.mark.parametrize(
    "sound", [chord(), speech(), tone(1, 997, 0.1)], ids=["music", "speech", "tone"]
)
def test_its_loudness_is_ffmpegs_within_a_unit(sound: Wave) -> None:
    found = level(sound, 10, is_heard=False).loudness_lufs
    assert found == pytest.approx(lufs(np.tile(sound, 3)), abs=0.8)


@pytest.mark.requirement("AUD-2")
@pytest.mark.parametrize("off_db", [-10, -4, 6])
def test_it_finds_the_gain_before_anybody_listens(off_db: float) -> None:
    sound = chord()
    sound = (sound * 10 ** ((-23 + off_db - lufs(sound)) / 20)).astype(np.float32)
    assert level(sound, 8, is_heard=False).gain_db == pytest.approx(-off_db, abs=0.5)


def test_while_it_is_heard_it_moves_half_a_decibel_a_second() -> None:
    sound = (chord() * 0.1).astype(np.float32)
    early = level(sound, 4, is_heard=True)
    assert 0 < early.gain_db < 1.2
    assert level(sound, 4, is_heard=True, leveller=early).gain_db < 3.2


def test_silence_and_hiss_leave_the_gain_where_it_is() -> None:
    leveller = level((chord() * 0.3).astype(np.float32), 10, is_heard=False)
    before = leveller.gain_db
    for nothing in (np.zeros(RATE, dtype=np.float32), noise(1, 0.3), noise(1, 0.001)):
        level(nothing, 5, is_heard=True, leveller=leveller)
        assert leveller.gain_db == before


def test_it_goes_no_further_than_twelve_decibels() -> None:
    assert level((chord() * 0.08).astype(np.float32), 20, is_heard=False).gain_db == MOST_DB
