"""The mixer's joins: announcements, switches, stops, and that none of them is heard as a click."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loa_endpoint.audio.duck import Duck
from loa_endpoint.audio.mixer import Mixer, Part, Start
from loa_endpoint.audio.voice import BREATH, CLICK, DECLICK
from loa_sound.blocks import RATE
from support.mixing_pole import level_db
from support.sound_files import Wave, noise, tone
from support.tape import Tape, render, start

S, RAMP = RATE, RATE // 10
DUCK = Duck(-15.0, RAMP)
MUSIC_HZ, VOICE_HZ = 500, 2_000
TONES = [tone(4, 300 + 20 * number) for number in range(8)]


def over(sound: Tape, sample: int, *, duck: Duck = DUCK) -> Start:
    return Start(sound, sample, 0, 0, 960, True, duck)


def playing() -> tuple[Mixer, Tape]:
    """A mixer with music, and a voice for it."""
    mixer = Mixer()
    mixer.play(start(Tape(tone(10, MUSIC_HZ), "music"), 0))
    return mixer, Tape(tone(2, VOICE_HZ), "voice")


def music(heard: Wave, at: int) -> float:
    """How far the music is from its own level in the 50 ms from *at* on, in dB."""
    return level_db(heard[at : at + S // 20], MUSIC_HZ) + 20


def click(heard: Wave) -> float:
    """Return the largest sample of what lies above 4 kHz, where tones of 300 Hz have nothing."""
    taps = np.arange(-127, 128)
    low = np.sinc(taps * 2 * 4_000 / RATE) * np.hanning(255)
    return float(np.abs(heard[127:-127] - np.convolve(heard, low / low.sum(), "valid")).max())


@pytest.mark.requirement("AUD-6")
def test_the_ramps_fall_on_their_samples() -> None:
    mixer, voice = playing()
    mixer.play(over(voice, S))
    heard = render(mixer, 5 * S)
    untouched = Tape(tone(10, MUSIC_HZ)).samples
    assert np.array_equal(heard[: S - RAMP], untouched[: S - RAMP])
    assert np.array_equal(heard[3 * S + RAMP :], untouched[3 * S + RAMP : 5 * S])
    assert music(heard, S) == pytest.approx(-15, abs=0.05)


@pytest.mark.requirement("AUD-6")
def test_a_voice_that_is_late_lowers_nothing_before_it_speaks() -> None:
    mixer, voice = playing()
    voice.there = 0
    mixer.play(over(voice, S))
    heard = render(mixer, 2 * S)
    assert music(heard, S) == pytest.approx(0, abs=0.05)
    voice.there = len(voice.samples)
    heard = render(mixer, 2 * S)
    assert music(heard, RAMP) == pytest.approx(-15, abs=0.05)
    assert music(heard, S + RAMP) == pytest.approx(0, abs=0.05), "it ends when it would have"


@pytest.mark.requirement("AUD-6")
def test_a_voice_that_starves_lets_the_music_come_back_and_takes_it_down_again() -> None:
    mixer, voice = playing()
    voice.there = S
    mixer.play(over(voice, 0))
    heard = render(mixer, S + BREATH + 2 * RAMP)
    assert music(heard, S + BREATH // 2) == pytest.approx(-15, abs=0.3), "a breath is no end"
    heard = render(mixer, S // 4)
    assert music(heard, S // 8) == pytest.approx(0, abs=0.05)
    voice.there = len(voice.samples)
    heard = render(mixer, S // 2)
    assert music(heard, 2 * RAMP) == pytest.approx(-15, abs=0.3), "a block later, and its ramp"


@pytest.mark.requirement("AUD-6")
def test_stopping_the_voice_leaves_the_music_and_the_other_way_round() -> None:
    mixer, voice = playing()
    mixer.play(over(voice, 0))
    render(mixer, S // 2)
    mixer.stop_all(960, Part.OVER)
    heard = render(mixer, S // 2)
    assert music(heard, RAMP + 960) == pytest.approx(0, abs=0.05)
    assert level_db(heard[RAMP:], VOICE_HZ) < -80
    mixer, voice = playing()
    mixer.play(over(voice, 0))
    mixer.stop(S // 2, 960, Part.PROGRAMME)
    heard = render(mixer, S)
    assert level_db(heard[S // 2 + 960 :], VOICE_HZ) == pytest.approx(-20, abs=0.05)
    assert level_db(heard[S // 2 + 960 :], MUSIC_HZ) < -80


@pytest.mark.requirement("AUD-6")
def test_the_music_may_change_under_the_voice() -> None:
    mixer, voice = playing()
    mixer.play(over(voice, 0))
    mixer.play(start(Tape(tone(10, MUSIC_HZ), "other"), S, fade_in=960))
    heard = render(mixer, 4 * S)
    assert music(heard, S + S // 2) == pytest.approx(-15, abs=0.05)
    assert level_db(heard[S : 2 * S], VOICE_HZ) == pytest.approx(-20, abs=0.05)
    assert music(heard, 2 * S + RAMP) == pytest.approx(0, abs=0.05)


def test_each_part_has_its_volume() -> None:
    mixer, voice = playing()
    mixer.set_volume(0, -6.0, 0, Part.PROGRAMME)
    mixer.set_volume(0, -10.0, 0, Part.OVER)
    mixer.play(over(voice, S))
    heard = render(mixer, 2 * S)
    assert music(heard, S // 2) == pytest.approx(-6, abs=0.05)
    assert level_db(heard[S + S // 2 :], VOICE_HZ) == pytest.approx(-30, abs=0.05)
    assert music(heard, S + S // 2) == pytest.approx(-21, abs=0.05)


switches = st.lists(
    st.tuples(
        st.sampled_from(["play", "over", "stop", "stop over", "volume", "volume over"]),
        st.integers(0, S // 4),  # samples after the one before
        st.integers(0, 4_800),  # fade or ramp
        st.integers(-30, 0),  # dB
    ),
    min_size=3,
    max_size=8,
)


@pytest.mark.requirement("AUD-3", "AUD-6")
@settings(max_examples=60)
@given(switches)
def test_no_switch_of_any_kind_is_heard_as_a_click(
    asked: list[tuple[str, int, int, int]],
) -> None:
    mixer, at = Mixer(), 0
    for number, (what, after, fade, db) in enumerate(asked):
        at += after
        sound = Tape(TONES[number], str(number))
        if what == "play":
            mixer.play(start(sound, at, 100, fade_in=max(DECLICK, fade), fade_out=fade))
        elif what == "over":
            duck = Duck(float(db), fade)
            mixer.play(Start(sound, at, 100, max(DECLICK, fade), fade, True, duck))
        elif what.startswith("stop"):
            mixer.stop(at, fade, Part.OVER if what.endswith("over") else Part.ALL)
        else:
            part = Part.OVER if what.endswith("over") else Part.PROGRAMME
            mixer.set_volume(at, float(db), fade, part)
    heard = render(mixer, at + S // 2)
    assert click(heard) < CLICK, "-60 dBFS"


@pytest.mark.requirement("AUD-3")
@pytest.mark.parametrize("fade_ms", [20, 200, 500, 2_000])
def test_a_crossfade_of_two_programmes_keeps_the_power_within_a_decibel(fade_ms: int) -> None:
    fade = fade_ms * S // 1000
    mixer = Mixer()
    for number in range(2):
        sound = Tape(noise(4, seed=number), str(number))
        mixer.play(start(sound, number * S, fade_in=number * fade, fade_out=fade))
    heard = render(mixer, S + fade)
    parts = np.array_split(heard[S:], 4)
    power = np.array([float((part**2).mean()) for part in parts]) / 0.01
    assert np.abs(10 * np.log10(power)).max() < (1.0 if fade_ms > 20 else 1.5), "240 samples vary"
