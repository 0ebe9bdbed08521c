"""The attention tone and the chime: what they are made of, and that no edge of them clicks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.audio.tone import CHIME_LENGTH, EDGE, HALF, HIGH_HZ, LOW_HZ, PEAK, Kind, ToneSound
from loa_sound.blocks import CHUNK, RATE, Samples

LENGTH = 10 * RATE


def read(sound: ToneSound, start: int, count: int, block: int = CHUNK) -> Samples:
    parts = []
    for at in range(start, start + count, block):
        part = np.full(min(block, start + count - at), np.nan, dtype=np.float32)
        parts.append(part[: sound.read(at, part)])
    return np.concatenate(parts)


def make(kind: Kind = "attention", length: int = LENGTH) -> ToneSound:
    return ToneSound("x", kind, gain=1.0, length=length)


def frequency(part: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 1 << 18))
    return float(spectrum.argmax()) * RATE / (1 << 18)


def test_the_tone_alternates_between_two_frequencies_each_half_second() -> None:
    heard = read(make(), 0, LENGTH)
    for half in range(20):
        wanted = LOW_HZ if half % 2 else HIGH_HZ
        assert frequency(heard[half * HALF : (half + 1) * HALF]) == pytest.approx(wanted, abs=1)


@pytest.mark.parametrize("kind", ["attention", "chime"])
def test_it_begins_and_ends_at_zero_and_never_steps(kind: Kind) -> None:
    sound = make(kind)
    assert sound.finish is not None
    heard = read(sound, 0, sound.finish + CHUNK)
    assert len(heard) == sound.finish == (LENGTH if kind == "attention" else CHIME_LENGTH)
    assert heard[0] == 0
    assert abs(heard[-1]) < 1e-4
    assert np.abs(np.diff(heard)).max() <= PEAK * 2 * np.pi * HIGH_HZ / RATE * 1.01
    assert 0.1 < np.abs(heard).max() <= PEAK


@given(st.integers(0, LENGTH), st.integers(1, 3 * CHUNK), st.sampled_from(["attention", "chime"]))
def test_a_place_sounds_the_same_however_it_is_come_by(start: int, count: int, kind: Kind) -> None:
    sound = make(kind)
    at_once, in_pieces = read(sound, start, count, count), read(sound, start, count, 7)
    assert np.array_equal(at_once, in_pieces)


def test_a_tone_of_any_length_is_faded_at_both_ends() -> None:
    for length in (1, EDGE, RATE // 3):
        heard = read(make(length=length), 0, length)
        assert len(heard) == length
        assert abs(heard[-1]) < 0.01
