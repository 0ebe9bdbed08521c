"""Squeal: a tone that is heard and was not written, and no other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from loa_hwsim.microphone import Microphone, Place
from loa_sound.blocks import CHUNK, RATE, Samples
from loa_sound.squeal import Squeal, SquealWatch
from support import labelled_sounds as sounds
from support.sound_files import tone

LONG = 9.0
START = 3.0
PITCHES = (400, 1000, 2500, 4000)
CLEAN: dict[str, Callable[[], Samples]] = {
    "speech": lambda: sounds.spoken(sounds.VIETNAMESE, "vi"),
    "speech, English": lambda: sounds.spoken(sounds.ENGLISH, "en-gb"),
    "syllables": lambda: sounds.syllables(LONG),
    "music": lambda: sounds.music(LONG),
    "organ": lambda: sounds.organ(LONG),
    "siren": lambda: sounds.at_level(sounds.siren(LONG), -20.0),
    "wail": lambda: sounds.at_level(sounds.wail(LONG), -20.0),
    "test tone": lambda: tone(LONG, 1000),
    "hum": lambda: sounds.hum(LONG),
    "hiss": lambda: sounds.hiss(LONG),
    "silence": lambda: np.zeros(round(LONG * RATE), np.float32),
}
HIDES: dict[str, set[int]] = {
    "music": {400, 1000},  # a note is held there: what is heard may be what was written
    "test tone": {1000},
}
"""Pitches that the sound itself holds."""


def heard(written: Samples, place: Place) -> Samples:
    data = Microphone(place).hear(written)
    return np.frombuffer(data, dtype="<i2").astype(np.float32) / np.float32(32768)


def watched(written: Samples, listened: Samples) -> list[tuple[float, Squeal]]:
    """Return what is told, and at which second of what was written."""
    watch, told = SquealWatch(), []
    for at in range(0, len(written), CHUNK):
        watch.wrote(written[at : at + CHUNK])
        changes = watch.hear(listened[at : at + CHUNK])
        told += [((at + CHUNK) / RATE, each) for each in changes]
    return told


@pytest.mark.requirement("HLT-3")
@pytest.mark.needs("espeak-ng")
def test_no_sound_of_ours_is_a_squeal_and_every_squeal_in_it_is_found_within_two_seconds() -> None:
    """Print the table. A squeal counts from when it is as loud as the horn at the microphone."""
    wrong: list[tuple[object, ...]] = []
    for name, make in CLEAN.items():
        written = make()[: round(LONG * RATE)]
        row = []
        for delay_ms, noise_dbfs in ((0, -60.0), (740, -40.0), (1900, -60.0)):
            place = Place(delay_ms=delay_ms, noise_dbfs=noise_dbfs, seed=1)
            if told := watched(written, heard(written, place)):
                wrong.append((name, "false", delay_ms, told[0]))
        horn = heard(written, Place(delay_ms=740, seed=1))
        for hz in PITCHES:
            squeal = sounds.squealing(hz, len(written) / RATE, START, -30.0)
            told = watched(written, horn + squeal)
            found = [(at - START - 1, each.hz) for at, each in told if each.active]
            row.append(f"{hz}: {found[0][0]:+.1f} s" if found else f"{hz}: -")
            if hz in HIDES.get(name, set()):
                continue
            if not found or found[0][0] > 2 or abs(found[0][1] - hz) > max(15, 0.01 * hz):
                wrong.append((name, "missed", hz, found))
        print(f"{name:16} {', '.join(row)}")
    assert wrong == []


def test_a_squeal_is_told_once_and_taken_back_when_it_is_over() -> None:
    voice, squeal = sounds.syllables(LONG), sounds.squealing(2500, LONG, 2.0, -25.0)
    squeal[7 * RATE :] = 0
    (began_s, began), (ended_s, ended) = watched(voice, heard(voice, Place()) + squeal)
    assert (began.active, ended.active) == (True, False)
    assert began.hz == ended.hz == pytest.approx(2500, abs=12)
    assert 0 < began.share <= 1
    assert began_s <= 5
    assert 7 <= ended_s <= 9.5


def test_a_whistle_of_half_a_second_is_none() -> None:
    voice, squeal = sounds.syllables(LONG), sounds.squealing(2500, LONG, 3.0, -20.0)
    squeal[round(4.4 * RATE) :] = 0
    squeal[: round(3.9 * RATE)] = 0
    assert watched(voice, heard(voice, Place()) + squeal) == []


def test_an_ear_that_is_gone_ends_the_squeal() -> None:
    watch = SquealWatch()
    assert watch.clear() == []
    squeal = sounds.squealing(1700, 3.0, 0.0, -20.0)
    watch.wrote(np.zeros_like(squeal))
    (began,) = watch.hear(squeal)
    assert began.active
    assert [each.active for each in watch.clear()] == [False]
    assert watch.clear() == []
