"""Whether a microphone hears our sound: through a horn, late, softly, and among noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loa_hwsim.microphone import Microphone, Place
from loa_sound.blocks import CHUNK, RATE, Samples
from loa_sound.likeness import LAGS, MATCH, WINDOW, BandTrace, Likeness, compare
from support import labelled_sounds as sounds

LONG = 12.0


def heard(written: Samples, microphone: Microphone, block: int = CHUNK) -> Samples:
    parts = [microphone.hear(written[at : at + block]) for at in range(0, len(written), block)]
    return np.frombuffer(b"".join(parts), dtype="<i2").astype(np.float32) / np.float32(32768)


def compared(written: Samples, listened: Samples, every_s: float = 1.0) -> list[Likeness]:
    """Compare as the player does, once a second, from the first whole window on."""
    said, trace, found = BandTrace(WINDOW + LAGS), BandTrace(WINDOW), []
    step = round(every_s * RATE)
    for at in range(0, len(written) - step + 1, step):
        said.feed(written[at : at + step])
        trace.feed(listened[at : at + step])
        if said.frames >= WINDOW + LAGS:
            found.append(compare(said.last(WINDOW + LAGS), trace.last(WINDOW)))
    return found


def scores(found: list[Likeness]) -> list[float]:
    return [each.score for each in found if each.score is not None]


@pytest.mark.requirement("HLT-2")
@pytest.mark.needs("espeak-ng")
def test_speech_and_music_are_known_again_in_noise_and_another_programme_never_is() -> None:
    """Print the table: horn over noise, and the correlation at its lowest and its highest."""
    ours = {
        "speech": sounds.spoken(sounds.VIETNAMESE, "vi"),
        "music": sounds.music(LONG),
        "syllables": sounds.syllables(LONG),
    }
    others = {"another speech": sounds.spoken(sounds.ENGLISH, "en-gb"), "nothing": None}
    for name, whole in ours.items():
        written = whole[: round(LONG * RATE)]
        for noise_dbfs in (-60.0, -40.0, -34.0):
            place = Place(delay_ms=740, gain_db=-14.0, noise_dbfs=noise_dbfs, seed=2)
            found = scores(compared(written, heard(written, Microphone(place))))
            print(f"{name:12} noise {noise_dbfs} dBFS: {min(found):.2f} to {max(found):.2f}")
            assert min(found) >= MATCH
        for other, sound in others.items():
            stranger = Microphone(Place(seed=3))
            stranger.is_horn_connected, stranger.other = False, sound
            found = scores(compared(written, heard(written, stranger)))
            print(f"{name:12} but {other}: {min(found):.2f} to {max(found):.2f}")
            assert max(found) < MATCH - 0.05


@pytest.mark.parametrize("delay_ms", [0, 120, 740, 1500, 1900])
def test_the_delay_is_found_whatever_it_is(delay_ms: int) -> None:
    written = sounds.syllables(LONG)
    place = Place(delay_ms=delay_ms, gain_db=-25.0)
    for each in compared(written, heard(written, Microphone(place))):
        assert each.is_match
        assert each.lag_ms == pytest.approx(delay_ms, abs=80)


@settings(max_examples=4)
@given(st.floats(-45.0, 0.0), st.integers(0, 1900), st.integers(0, 1000))
def test_neither_gain_nor_delay_nor_the_place_count(gain: float, delay_ms: int, seed: int) -> None:
    written = sounds.syllables(8.0, seed)
    place = Place(delay_ms=delay_ms, gain_db=gain, noise_dbfs=gain - 40, seed=seed)
    assert all(each.is_match for each in compared(written, heard(written, Microphone(place))))


@pytest.mark.parametrize("written", [np.zeros(9 * RATE, np.float32), sounds.hum(9.0)])
def test_of_what_has_no_shape_nothing_is_said(written: Samples) -> None:
    for each in compared(written, heard(written, Microphone(Place()))):
        assert each.score is None
        assert not each.is_match


@settings(max_examples=8)
@given(st.lists(st.integers(200, 9_000), min_size=1, max_size=8))
def test_a_trace_does_not_depend_on_how_the_sound_is_cut(sizes: list[int]) -> None:
    sound = sounds.syllables(3.0)
    whole, cut, at = BandTrace(60), BandTrace(60), 0
    whole.feed(sound)
    while at < len(sound):
        for size in sizes:
            cut.feed(sound[at : at + size])
            at += size
    assert cut.frames == whole.frames
    np.testing.assert_allclose(cut.last(60), whole.last(60), rtol=1e-5)


def test_a_trace_holds_no_sound_but_eight_numbers_for_each_40_ms() -> None:
    trace = BandTrace(WINDOW)
    trace.feed(sounds.syllables(LONG))
    assert trace.last(WINDOW).shape == (100, 8)
    trace.clear()
    assert not trace.last(WINDOW).any()
    assert trace.frames == 0
