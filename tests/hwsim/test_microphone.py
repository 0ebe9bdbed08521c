"""The microphone: what it hears of the horn, how late, and what else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loa_hwsim.microphone import RATE, Microphone, Place
from loa_hwsim.noise import Samples

QUIET = Place(delay_ms=100, gain_db=0.0, noise_dbfs=-120.0)


def heard(microphone: Microphone, written: Samples, block: int = 4_800) -> Samples:
    parts = [microphone.hear(written[at : at + block]) for at in range(0, len(written), block)]
    return np.frombuffer(b"".join(parts), dtype="<i2").astype(np.float32) / np.float32(32_768)


def tone(hz: float, seconds: float = 2.0) -> Samples:
    return (0.1 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(
        np.float32
    )


def level_db(sound: Samples) -> float:
    return float(10 * np.log10(np.square(sound, dtype=np.float64).mean() + 1e-12))


def test_it_hears_as_many_samples_as_are_written_and_each_as_late_as_the_place_says() -> None:
    click = np.zeros(RATE, np.float32)
    click[1_000:1_100] = 0.5
    sound = heard(Microphone(QUIET), click)
    assert len(sound) == len(click)
    first = int(np.argmax(np.abs(sound) > 0.05))
    assert first == pytest.approx(1_000 + 4_800, abs=300)


def test_a_horn_passes_speech_and_neither_hum_nor_the_highest_tones() -> None:
    levels = {hz: level_db(heard(Microphone(QUIET), tone(hz))[RATE:]) for hz in (60, 1_000, 14_000)}
    assert levels[1_000] > levels[60] + 30
    assert levels[1_000] > levels[14_000] + 15


@settings(max_examples=15)
@given(st.lists(st.integers(1, 9_000), min_size=1, max_size=6))
def test_what_is_heard_does_not_depend_on_how_the_sound_is_cut(sizes: list[int]) -> None:
    written = tone(700, 0.5)
    whole = heard(Microphone(QUIET), written, len(written))
    microphone, at, parts = Microphone(QUIET), 0, []
    while at < len(written):
        for size in sizes:
            parts.append(microphone.hear(written[at : at + size]))
            at += size
        sizes = [4_000, *sizes]
    cut = np.frombuffer(b"".join(parts), dtype="<i2").astype(np.float32) / np.float32(32_768)
    np.testing.assert_allclose(cut, whole, atol=2 / 32_768)


def test_without_its_horn_it_hears_the_village_a_squeal_and_other_people() -> None:
    microphone = Microphone(Place(noise_dbfs=-60.0))
    microphone.is_horn_connected = False
    assert level_db(heard(microphone, tone(1_000))) == pytest.approx(-60, abs=2)
    microphone.squeal = (2_000.0, -20.0)
    sound = heard(microphone, tone(1_000))
    assert level_db(sound) == pytest.approx(-20, abs=0.5)
    spectrum = np.abs(np.fft.rfft(sound))
    assert int(np.argmax(spectrum)) * RATE / len(sound) == pytest.approx(2_000, abs=1)
    microphone.squeal, microphone.other = None, tone(500, 1.0)
    assert level_db(heard(microphone, tone(1_000))[:RATE]) == pytest.approx(-23, abs=0.5)
    assert level_db(heard(microphone, tone(1_000))[RATE:]) == pytest.approx(-60, abs=2)


def test_the_same_seed_is_the_same_village() -> None:
    first, second = (heard(Microphone(Place(seed=3)), tone(400)) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, heard(Microphone(Place(seed=4)), tone(400)))
