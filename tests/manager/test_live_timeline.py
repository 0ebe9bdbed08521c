"""Where each 20 ms of a voice belongs, whatever its source does with the time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_manager.live.speaking import QUIET_S, Speech
from loa_manager.live.timeline import (
    MOST_PACKETS,
    PACKET_MS,
    STOOD_STILL_MS,
    Piece,
    Timeline,
    chunk_packets,
)
from loa_manager.live.voice import GrantAsk, Voice
from loa_manager.live.watch import Flow, Watch
from loa_sound.blocks import BLOCK, RATE, Samples

NOW_MS = 1_800_000_000_000
DELAY_MS = 2000
BLOCK_OF: Samples = np.full(BLOCK, 0.1, dtype=np.float32)


def encode(_block: Samples) -> list[bytes]:
    return [b"packet"]


def line() -> Timeline:
    return Timeline(encode, delay_ms=DELAY_MS)


def fed(timeline: Timeline, times_ms: list[int]) -> list[Piece]:
    """Feed a block at each of *times_ms*, and return all pieces with the last one."""
    pieces = [piece for at in times_ms for piece in timeline.feed(BLOCK_OF, at)]
    return [*pieces, *timeline.flush()]


def test_a_chunk_holds_a_second_and_sounds_the_delay_after_its_first_sample() -> None:
    pieces = fed(line(), [NOW_MS + n * PACKET_MS for n in range(1, 121)])
    assert [len(piece.packets) for piece in pieces] == [50, 50, 20]
    assert [piece.at_ms - NOW_MS for piece in pieces] == [2000, 3000, 4000]


def test_a_shorter_delay_gathers_less_so_that_half_of_it_is_left_for_the_way() -> None:
    assert [chunk_packets(ms) for ms in (500, 1000, 2000, 20_000)] == [12, 25, 50, MOST_PACKETS]


@given(st.lists(st.integers(0, 250), min_size=50, max_size=400))
def test_jitter_moves_no_packet(late_ms: list[int]) -> None:
    times = [NOW_MS + n * PACKET_MS + late for n, late in enumerate([0, *late_ms])]
    pieces = fed(line(), times)
    ends = [piece.end_ms for piece in pieces]
    assert [piece.at_ms for piece in pieces[1:]] == ends[:-1]  # each follows on the one before
    assert sum(len(piece.packets) for piece in pieces) == len(times)


@given(st.lists(st.integers(-2000, 4000), max_size=300))
def test_whatever_the_clock_says_no_two_packets_share_a_place(times: list[int]) -> None:
    pieces = fed(line(), [NOW_MS + each for each in times])
    for earlier, later in pairwise(pieces):
        assert later.at_ms >= earlier.end_ms
    assert all(0 < len(piece.packets) <= MOST_PACKETS for piece in pieces)


@pytest.mark.parametrize("ppm", [-400, -100, 100, 400])
def test_a_card_that_is_fast_or_slow_stays_within_two_packets_of_the_clock(ppm: int) -> None:
    timeline, worst = line(), 0.0
    for n in range(30_000):  # ten minutes
        came = NOW_MS + round(n * PACKET_MS * (1 + ppm / 1e6))
        for piece in timeline.feed(BLOCK_OF, came):
            first = came - len(piece.packets) * PACKET_MS
            worst = max(worst, abs(piece.at_ms - first - DELAY_MS))
    assert worst <= 2.1 * PACKET_MS
    assert timeline.jumps == 0
    assert bool(timeline.left_out) == (ppm < 0)


def test_a_source_that_stood_still_goes_on_where_the_clock_is() -> None:
    timeline = line()
    before = fed(timeline, [NOW_MS + n * PACKET_MS for n in range(1, 11)])
    after = fed(timeline, [NOW_MS + 200 + STOOD_STILL_MS + n * PACKET_MS for n in range(2, 12)])
    assert [piece.at_ms - NOW_MS for piece in before + after] == [2000, 2520]
    assert timeline.jumps == 1


# --- with a source and a way


class Tap:
    """A source out of an array, and the way that keeps what was said."""

    is_over, trouble = False, ""

    def __init__(self) -> None:
        self.waiting: Samples = np.zeros(0, dtype=np.float32)
        self.said: list[tuple[Voice, Piece]] = []

    def take(self, _now_s: float) -> Samples:
        taken, self.waiting = self.waiting, self.waiting[:0]
        return taken

    def close(self) -> None:
        """Hold nothing."""

    def say(self, voice: Voice, piece: Piece) -> None:
        self.said.append((voice, piece))


def voice(start_s: int, end_s: int) -> Voice:
    base = NOW_MS // 1000
    return Voice(GrantAsk(scope="vn/ls", title="Họp", start=base + start_s, end=base + end_s))


def flow_of(speech: Speech) -> Flow:
    return speech.watch.flow


def speak(speech: Speech, tap: Tap, level: float, begin_s: float, length_s: float) -> None:
    """Let *length_s* of sound come from *begin_s* on, 20 ms at a time."""
    for n in range(round(length_s * 50)):
        now_s = begin_s + (n + 1) * 0.02
        tap.waiting = np.full(BLOCK, level, dtype=np.float32)
        speech.step(now_s, NOW_MS + round(now_s * 1000))


def test_each_chunk_goes_under_the_grant_of_its_instant_and_where_none_is_nowhere() -> None:
    tap, first, second = Tap(), voice(0, 6), voice(6, 9)
    speech = Speech(tap, tap, line(), voices=[first, second])
    speak(speech, tap, 0.1, 0, 9)
    assert [(name is first, piece.at_ms - NOW_MS) for name, piece in tap.said] == [
        (True, 2000), (True, 3000), (True, 4000), (True, 5000),
        (False, 6000), (False, 7000), (False, 8000),
    ]  # fmt: skip
    assert speech.unheard == 2  # of 9 and 10 s, for which nobody has signed


@pytest.mark.requirement("SRC-3")
def test_silence_that_lasts_is_not_sent_on_and_sound_that_comes_back_is() -> None:
    tap = Tap()
    speech = Speech(tap, tap, line(), Watch(silence_s=3), voices=[voice(0, 60)])
    speak(speech, tap, 0.1, 0, 2)
    speak(speech, tap, 0.0, 2, 8)
    assert flow_of(speech) is Flow.SILENT
    last = tap.said[-1][1]
    assert last.end_ms - NOW_MS == pytest.approx(5000 + DELAY_MS, abs=PACKET_MS)
    speak(speech, tap, 0.1, 10, 3)
    assert flow_of(speech) is Flow.FLOWING
    again = next(piece for _voice, piece in tap.said if piece.at_ms > last.at_ms)
    assert again.at_ms - NOW_MS == pytest.approx(11_000 + DELAY_MS, abs=2 * PACKET_MS)


@pytest.mark.requirement("SRC-3")
def test_a_source_that_brings_nothing_sends_what_was_gathered_and_then_nothing() -> None:
    tap = Tap()
    speech = Speech(tap, tap, line(), voices=[voice(0, 60)])
    speak(speech, tap, 0.1, 0, 1.5)
    assert not speech.step(1.5 + QUIET_S / 2, NOW_MS + 1500)
    assert speech.step(1.5 + 2 * QUIET_S, NOW_MS + 1500)
    assert [len(piece.packets) for _voice, piece in tap.said] == [50, 25]
    assert speech.watch.flow is Flow.AWAY


def test_samples_that_come_in_any_portions_are_the_same_sound() -> None:
    tap = Tap()
    speech = Speech(tap, tap, line(), voices=[voice(0, 60)])
    for n in range(1, 300):
        tap.waiting = np.full(777, 0.1, dtype=np.float32)
        speech.step(n * 777 / RATE, NOW_MS + round(n * 777_000 / RATE))
    speech.finish()
    assert sum(len(piece.packets) for _voice, piece in tap.said) == 299 * 777 // BLOCK
