"""The limiter: what is loud is held, the rest left alone, and every sample keeps its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from loa_endpoint.audio.desk import Desk
from loa_endpoint.audio.limiter import CEILING_DBTP, LOOK_AHEAD, Limiter
from loa_endpoint.audio.mixer import Mixer
from loa_endpoint.audio.sink import NullSink
from loa_sound.blocks import BLOCK, RATE
from loa_sound.meters import LoudnessMeter
from support.sound_files import Wave, noise, tone
from support.tape import Tape, start

T = np.arange(2 * RATE) / RATE


def limited(sound: Wave, block: int = BLOCK) -> Wave:
    """Return *sound* as it comes out, each sample in its own place."""
    limiter, parts = Limiter(), []
    whole = np.concatenate((sound, np.zeros(LOOK_AHEAD))).astype(np.float32)
    for at in range(0, len(whole), block):
        part = whole[at : at + block].copy()
        limiter.process(part)
        parts.append(part)
    return np.concatenate(parts)[LOOK_AHEAD:]


def true_peak(sound: Wave) -> float:
    """Measure by FFmpeg's ebur128, with silence around: its filter has edges of its own."""
    quiet = np.zeros(RATE // 10, dtype=np.float32)
    meter = LoudnessMeter()
    meter.feed(np.concatenate((quiet, sound.astype(np.float32), quiet)))
    return meter.finish().true_peak_dbtp


def music(gain: float) -> Wave:
    chord = np.sin(2 * np.pi * 220 * T) + 0.5 * np.sin(2 * np.pi * 1333 * T)
    beat = 0.6 + 0.4 * np.sin(2 * np.pi * 2 * T)
    return (gain * 0.5 * beat * (chord + 0.3 * np.sin(2 * np.pi * 5011 * T))).astype(np.float32)


NASTY: dict[str, Callable[[], NDArray[Any]]] = {
    "clipped music, 12 dB over": lambda: np.clip(music(4.0), -1, 1),
    "music far over full scale": lambda: music(6.0),
    "square of 441 Hz": lambda: np.sign(np.sin(2 * np.pi * 441 * T)),
    "square of 7111 Hz": lambda: np.sign(np.sin(2 * np.pi * 7111 * T)),
    "peaks between the samples": lambda: 1.2 * np.sin(2 * np.pi * 12_000 * T + np.pi / 4),
    "near the end of the band": lambda: 1.2 * np.sin(2 * np.pi * 21_000 * T),
    "clipped noise": lambda: np.clip(noise(2, 2.0), -1, 1),
    "noise": lambda: noise(2, 1.0),
    "single samples": lambda: np.where(noise(2, 1.0, seed=3) > 3.2, 4.0, 0.0),
}


@pytest.mark.requirement("AUD-2")
@pytest.mark.parametrize("name", NASTY)
def test_no_true_peak_passes_the_ceiling(name: str) -> None:
    sound = NASTY[name]().astype(np.float32)
    assert true_peak(sound) > 0
    held = true_peak(limited(sound))
    assert held <= CEILING_DBTP + 0.02, "the meter itself is good to a few hundredths"
    assert held > CEILING_DBTP - 0.6, "and no lower than it has to be"


@pytest.mark.requirement("AUD-4")
def test_what_stays_below_is_left_bit_by_bit() -> None:
    loud, soft = tone(2, 997, 0.87), noise(2, 0.15)
    assert np.array_equal(limited(loud), loud)
    assert np.array_equal(limited(soft), soft)


@pytest.mark.requirement("AUD-4")
@given(st.integers(1, 5_000), st.integers(0, 4))
@settings(max_examples=12)
def test_the_size_of_the_blocks_is_not_heard(block: int, kind: int) -> None:
    sound = list(NASTY.values())[kind]()[: RATE // 2].astype(np.float32)
    assert np.abs(limited(sound, block) - limited(sound)).max() < 1e-6


def test_a_peak_is_lowered_softly_and_forgotten_in_time() -> None:
    sound = tone(2, 997, 0.5)
    sound[RATE // 2] = 3.0
    heard = limited(sound)
    assert np.array_equal(heard[: RATE // 2 - LOOK_AHEAD], sound[: RATE // 2 - LOOK_AHEAD])
    assert np.array_equal(heard[RATE:], sound[RATE:]), "half a second later it is itself again"
    loud = np.abs(sound) > 0.1
    loud[RATE // 2] = False
    gain = heard[loud] / sound[loud]
    places = np.flatnonzero(loud)
    slope = np.abs(np.diff(gain)) / np.diff(places)
    assert slope.max() < 1.2 / LOOK_AHEAD, "it takes the whole look-ahead to come down"


@pytest.mark.requirement("AUD-5")
def test_the_look_ahead_is_no_delay() -> None:
    events: list[object] = []
    desk = Desk(Mixer(), NullSink(0), events.append, None)
    click = np.zeros(RATE, dtype=np.float32)
    click[1_000] = 0.5
    desk.mixer.play(start(Tape(click), 2_000))
    heard = np.zeros(RATE, dtype=np.float32)
    for at in range(0, RATE, BLOCK):
        assert desk.now == at
        desk.render(heard[at : at + BLOCK])
    assert np.flatnonzero(heard).tolist() == [3_000]


def test_what_is_held_back_when_time_is_missed_goes_out_softly() -> None:
    limiter = Limiter()
    limiter.process(np.full(BLOCK, 0.5, dtype=np.float32))
    limiter.soften()
    out = np.zeros(BLOCK, dtype=np.float32)
    limiter.process(out)
    assert np.abs(np.diff(out)).max() < 0.005
    assert not out[LOOK_AHEAD:].any()
    assert limiter.is_empty
