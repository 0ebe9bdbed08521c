"""Live sound in the player: everything at its place, and silence where nothing came."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.audio.live_sound import MAX_QUEUED, LiveSound
from loa_endpoint.audio.voice import DECLICK
from loa_sound.blocks import BLOCK, RATE, Samples
from loa_sound.errors import SoundError
from loa_sound.opus import OpusDecoder, OpusEncoder
from support.sound_files import tone
from support.waiting import soon

SECOND = 50  # packets


def spoken(seconds: int) -> list[list[bytes]]:
    """Return a tone as chunks of a second."""
    encoder, wave = OpusEncoder(), tone(seconds, 440, 0.3)
    packets = [
        p for at in range(0, len(wave), BLOCK) for p in encoder.encode(wave[at : at + BLOCK])
    ]
    packets += encoder.finish()
    return [packets[at : at + SECOND] for at in range(0, seconds * SECOND, SECOND)]


CHUNKS = spoken(3)


def heard(sound: LiveSound, start: int, samples: int) -> Samples:
    """Read as the mixer does, in blocks."""
    out = np.zeros(samples, dtype=np.float32)
    for at in range(0, samples, BLOCK):
        assert sound.read(start + at, out[at : at + BLOCK]) == BLOCK
    return out


def fed(*numbers: int) -> LiveSound:
    """Return a sound to which those chunks were fed, in that order, all decoded."""
    sound = LiveSound("live", gain=1.0)
    for number in numbers:
        sound.feed(number * RATE, CHUNKS[number])
    soon(lambda: sound._decoded.qsize() + sound.lost >= len(numbers))
    return sound


def loudness(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples**2)))


@pytest.mark.requirement("SRC-1")
def test_chunks_sound_without_a_join_between_them() -> None:
    sound = fed(0, 1, 2)
    out = heard(sound, 0, 3 * RATE)
    assert loudness(out) == pytest.approx(0.3 / 2**0.5, rel=0.05)
    steps = np.abs(np.diff(out[RATE // 2 :]))
    assert steps.max() < 2 * 0.3 * 2 * np.pi * 440 / RATE  # no jump that the tone does not make
    sound.close()


def test_a_missing_chunk_is_a_second_of_silence_with_soft_edges() -> None:
    sound = fed(0, 2)
    out = heard(sound, 0, 3 * RATE)
    assert not out[RATE : 2 * RATE].any()
    assert loudness(out[2 * RATE + RATE // 10 :]) > 0.2
    assert abs(out[RATE - 1]) < 0.02
    assert np.abs(out[2 * RATE : 2 * RATE + 8]).max() < 0.02
    sound.close()


@given(st.permutations([0, 1, 2]))
def test_the_order_in_which_chunks_come_is_not_heard(order: list[int]) -> None:
    sound, other = fed(*order), fed(0, 1, 2)
    out, wanted = heard(sound, 0, 3 * RATE), heard(other, 0, 3 * RATE)
    inside = slice(DECLICK * 40, RATE - DECLICK)  # a decoder that starts anew takes its 80 ms
    for second in range(3):
        mine, theirs = (each[second * RATE : (second + 1) * RATE][inside] for each in (out, wanted))
        assert loudness(mine) == pytest.approx(loudness(theirs), rel=0.02)
    sound.close()
    other.close()


def test_a_chunk_that_overlaps_what_is_there_is_dropped_and_counted() -> None:
    sound = fed(0, 1)
    sound.feed(RATE // 2, CHUNKS[2])
    soon(lambda: sound._decoded.qsize() == 3)
    heard(sound, 0, RATE)
    assert sound.lost == 1
    sound.close()


def test_packets_that_are_no_opus_are_silence_and_what_follows_sounds() -> None:
    seed = 7
    print(f"seed {seed}")
    chance = random.Random(seed)
    sound = LiveSound("live", gain=1.0)
    sound.feed(0, [b"\xff" * 3])
    sound.feed(RATE, CHUNKS[1])
    soon(lambda: sound._decoded.qsize() + sound.lost == 2)
    for _ in range(200):
        decoder = OpusDecoder()
        try:
            samples = decoder.decode([chance.randbytes(chance.randrange(1, 80))])
        except SoundError:
            continue
        assert len(samples) <= BLOCK
        assert np.isfinite(samples).all()
    assert loudness(heard(sound, RATE, RATE)) > 0.15
    sound.close()


def test_a_flood_of_chunks_is_bounded() -> None:
    sound = LiveSound("live", gain=1.0)
    for number in range(MAX_QUEUED * 3):
        sound.feed(number * RATE, CHUNKS[0])
    soon(lambda: sound._packets.qsize() == 0)
    heard(sound, 0, BLOCK)
    assert sound.lost > 0
    assert sum(len(piece) for _, piece in sound._pieces) <= 40 * RATE
    sound.close()
