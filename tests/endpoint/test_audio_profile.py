"""The horn profile: nothing low, less between loud and soft, and the same loudness on the whole."""

from __future__ import annotations

import numpy as np
import pytest

from loa_endpoint.audio.mixer import Mixer
from loa_endpoint.audio.profile import Horn
from loa_sound.blocks import BLOCK, RATE
from support.loudness import at_level, chord, lufs, speech
from support.mixing_pole import level_db
from support.sound_files import Wave, noise, tone
from support.tape import Tape, render, start


def through_horn(sound: Wave, block: int = BLOCK) -> Wave:
    horn, out = Horn(), sound.copy()
    for at in range(0, len(out), block):
        horn.process(out[at : at + block])
    return out


@pytest.mark.requirement("AUD-2")
@pytest.mark.parametrize(("hz", "below"), [(60, 45), (125, 22), (250, 3), (500, 0)])
def test_what_a_horn_cannot_give_is_left_out(hz: float, below: float) -> None:
    heard = through_horn(tone(2, hz, 0.1) + tone(2, 2_000, 0.1))[RATE:]
    lost = level_db(heard, 2_000) - level_db(heard, hz)
    assert lost == pytest.approx(below, abs=1) or lost > below >= 22


@pytest.mark.requirement("AUD-2")
def test_it_is_denser_and_about_as_loud_as_before() -> None:
    assert lufs(through_horn(at_level(chord(4), -23))) == pytest.approx(-23, abs=3.5)
    sound = at_level(speech(), -23)
    heard = through_horn(sound)
    assert lufs(heard) == pytest.approx(-23, abs=3.5)

    def soft_below_loud(wave: Wave) -> float:
        phrases = [wave[round(at * RATE) : round((at + 1.4) * RATE)] for at in (3.05, 1.55)]
        loud, soft = (float(np.sqrt((part**2).mean())) for part in phrases)
        return 20 * float(np.log10(loud / soft))

    assert soft_below_loud(sound) == pytest.approx(14, abs=1)
    assert soft_below_loud(heard) < 8


@pytest.mark.requirement("AUD-2", "AUD-5")
def test_it_delays_nothing_and_the_blocks_are_not_heard() -> None:
    sound = np.zeros(RATE, dtype=np.float32)
    sound[10_000:10_010] = 0.3
    heard = through_horn(sound)
    assert int(np.argmax(np.abs(heard))) in range(10_000, 10_010)
    speechlike = speech(1)
    assert np.abs(through_horn(speechlike, 1_111) - through_horn(speechlike, 4_800)).max() < 0.01


def test_silence_stays_silence_and_noise_is_not_raised_out_of_it() -> None:
    assert not through_horn(np.zeros(RATE, dtype=np.float32)).any()
    hiss = noise(2, 10 ** (-65 / 20))
    assert float(np.sqrt((through_horn(hiss)[RATE:] ** 2).mean())) < 10 ** (-63 / 20)


def test_the_mixer_shapes_before_the_volume() -> None:
    def heard(volume_db: float) -> Wave:
        mixer = Mixer()
        mixer.set_horn(is_on=True)
        mixer.set_volume(0, volume_db, 0)
        mixer.play(start(Tape(speech(2)), 0))
        return render(mixer, 2 * RATE)[RATE // 10 :]

    assert np.abs(heard(-20) * 10 - heard(0)).max() < 1e-5, "softer, and not otherwise shaped"
