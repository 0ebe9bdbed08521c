"""What a card is given: every sample once and in order, and the instant that goes with it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.audio import portaudio
from loa_endpoint.audio.card_feed import CardFeed


def pcm(first: int, count: int) -> bytes:
    """Return samples that say which ones they are."""
    return b"".join(
        (number % 60_000 + 1).to_bytes(2, "little") for number in range(first, first + count)
    )


@given(
    st.lists(st.integers(1, 500), min_size=1, max_size=20),
    st.lists(st.integers(1, 500), min_size=1, max_size=30),
)
def test_samples_come_out_once_in_order_and_know_their_number(
    puts: list[int], takes: list[int]
) -> None:
    feed, number, out = CardFeed(), 0, b""
    for count in puts:
        feed.put(number, pcm(number, count))
        number += count
    for count in takes:
        done, held = len(out) // 2, feed.held
        portion = feed.take(count)
        given_ = min(count, held) if feed.has_begun else 0
        assert len(portion.data) == 2 * count
        assert portion.first == (done if given_ else None)
        assert portion.missing == (count - given_ if feed.has_begun else 0)
        assert not any(portion.data[2 * given_ :])
        out += portion.data[: 2 * given_]
    assert out == pcm(0, number)[: len(out)]
    assert feed.held == number - len(out) // 2
    feed.close()


def test_before_the_first_full_portion_there_is_silence_that_nobody_misses() -> None:
    feed = CardFeed()
    feed.put(0, pcm(0, 960))
    early = feed.take(2_400)
    assert (early.first, early.missing, any(early.data)) == (None, 0, False)
    feed.put(960, pcm(960, 1_440))
    assert feed.take(2_400).data == pcm(0, 2_400)
    assert feed.take(2_400).missing == 2_400


def test_whoever_waits_is_woken_by_a_take() -> None:
    feed = CardFeed()
    feed.wait(0)
    feed.take(1)
    began = time.monotonic()
    feed.wait(60_000)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("clock", [time.time, time.monotonic, lambda: 0.0])
def test_the_instant_is_found_on_whichever_clock_portaudio_uses(clock: object) -> None:
    assert callable(clock)
    looked_s = clock()
    times = {"current_time": looked_s, "output_buffer_dac_time": looked_s + 0.05}
    sounds_ns = portaudio._when_it_sounds(times)
    assert -0.5 < (sounds_ns - time.monotonic_ns()) / 1e9 - 0.05 < 0.5
