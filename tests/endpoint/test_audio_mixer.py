"""Starts, stops, fades and volume: each on its sample, none with a click, nothing beyond 1.0."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loa_endpoint.audio.mixer import HEADROOM, LATE_LIMIT, MAX_PLANS, MAX_VOICES, Mixer
from loa_endpoint.audio.voice import BREAK_FADE, DECLICK, NEVER, PATIENCE
from loa_sound.blocks import CHUNK, RATE, Samples
from support.sound_files import noise, tone
from support.tape import Tape, render, start, told

S = RATE
CLICK = 0.02
"""A tone of 1 kHz and peak 0.1 moves 0.0131 in a sample; a jump beyond this is a click."""


def steps(sound: Samples) -> float:
    """Return the largest jump from one sample to the next."""
    return float(np.abs(np.diff(np.concatenate([[0.0], sound]))).max())


# --- in time


def test_with_nothing_to_play_there_is_silence() -> None:
    mixer = Mixer()
    assert not render(mixer, 3 * S).any()
    assert mixer.now == 3 * S


@pytest.mark.parametrize("block", [CHUNK, 960, 7, 1])
@pytest.mark.parametrize("sample", [0, 1, 959, 960, 4_801, 12_345])
def test_a_start_falls_on_its_sample_whatever_the_blocks(sample: int, block: int) -> None:
    mixer, tape = Mixer(), Tape(noise(0.2))
    mixer.play(start(tape, sample))
    heard = render(mixer, sample + 5_000, block)
    assert not heard[:sample].any()
    assert np.array_equal(heard[sample:], tape.samples[:5_000])
    assert told(mixer.take_happenings()) == [("started", "tape", sample)]


def test_a_start_in_the_middle_of_a_source_begins_there() -> None:
    mixer, tape = Mixer(), Tape(noise(1))
    mixer.play(start(tape, 100, 20_000))
    heard = render(mixer, 1_100)[100:]
    assert np.array_equal(heard[DECLICK:], tape.samples[20_000 + DECLICK : 21_000])
    assert abs(heard[:10]).max() < 0.1 * abs(tape.samples[20_000:20_010]).max()  # no click
    assert mixer.take_happenings()[0].position == 20_000


def test_a_start_in_the_past_goes_in_further_on() -> None:
    mixer, tape = Mixer(), Tape(noise(1))
    render(mixer, 10_000)
    mixer.play(start(tape, 4_000))
    assert tape.aimed == [6_000]
    heard = render(mixer, 5_000)
    after = DECLICK + 1
    assert np.array_equal(heard[after:], tape.samples[6_000 + after : 11_000])
    assert mixer.take_happenings()[0].position == 6_000


def test_a_start_that_comes_late_comes_in_softly() -> None:
    mixer = Mixer()
    render(mixer, 10_000)
    mixer.play(start(Tape(tone(1)), 4_000 - 13))  # it comes in near a peak
    assert steps(render(mixer, 5_000)) < CLICK


def test_a_start_without_an_instant_loses_nothing_of_its_beginning() -> None:
    mixer, tape = Mixer(), Tape(noise(1))
    tape.there = 0
    render(mixer, 10_000)
    mixer.play(start(tape, 10_000, anchored=False))
    assert not render(mixer, 3_000).any()
    tape.there = S
    assert np.array_equal(render(mixer, 3_000), tape.samples[:3_000])


def test_the_end_falls_on_its_sample_and_is_told() -> None:
    mixer, tape = Mixer(), Tape(np.concatenate([tone(0.5), np.zeros(7, np.float32)]))
    mixer.play(start(tape, 1_000))
    heard = render(mixer, S)
    assert not heard[1_000 + len(tape.samples) :].any()
    assert told(mixer.take_happenings())[1:] == [("end", "tape", 1_000 + len(tape.samples))]
    assert mixer.is_idle


def test_one_item_follows_another_without_a_sample_between() -> None:
    mixer, one, two = Mixer(), Tape(tone(0.5), "one"), Tape(tone(0.5), "two")
    mixer.play(start(one, 0))
    mixer.play(start(two, S // 2, fade_out=0))
    heard = render(mixer, S)
    assert np.array_equal(heard[: S // 2], one.samples)
    assert np.abs(heard[S // 2 + DECLICK :] - two.samples[DECLICK:]).max() == 0
    assert steps(heard) < CLICK


# --- fades


@pytest.mark.requirement("AUD-3")
@pytest.mark.parametrize("fade", [DECLICK, 960, S // 2])
@pytest.mark.parametrize("at", [5_000, 12_345, 20_011])
def test_a_crossfade_makes_no_click(fade: int, at: int) -> None:
    mixer, one, two = Mixer(), Tape(tone(2, 440), "one"), Tape(tone(2, 660), "two")
    mixer.play(start(one, 0))
    mixer.play(start(two, at, 3_000, fade_in=fade, fade_out=fade))
    heard = render(mixer, S)
    # The two tones may move together, so the bound is the sum of what each may move.
    assert steps(heard) < CLICK
    assert np.array_equal(heard[at + fade :], two.samples[3_000 + fade :][: S - at - fade])


@pytest.mark.requirement("AUD-3")
def test_a_crossfade_keeps_the_power_even() -> None:
    mixer = Mixer()
    mixer.play(start(Tape(noise(3, seed=1), "one"), 0))
    mixer.play(start(Tape(noise(3, seed=2), "two"), S, fade_in=S, fade_out=S))
    heard = render(mixer, 3 * S)
    windows = heard[S : 2 * S].reshape(10, -1)
    power = (windows**2).mean(axis=1) / (heard[:S] ** 2).mean()
    assert np.abs(10 * np.log10(power)).max() < 0.5


@pytest.mark.requirement("RAD-4")
def test_a_switch_has_no_gap_and_both_are_told() -> None:
    mixer, one, two = Mixer(), Tape(tone(2), "one"), Tape(tone(2), "two")
    mixer.play(start(one, 0))
    mixer.play(start(two, 10_000, 10_000, fade_in=960, fade_out=960))
    heard = render(mixer, 20_000)
    level = np.abs(heard[: 20_000 - 20_000 % 48].reshape(-1, 48)).max(axis=1)
    assert (level > 0.05).all()
    assert told(mixer.take_happenings()) == [
        ("started", "one", 0),
        ("started", "two", 10_000),
        ("faded", "one", 10_960),
    ]


def test_a_stop_of_no_length_is_still_no_click() -> None:
    mixer = Mixer()
    mixer.play(start(Tape(tone(1)), 0))
    mixer.stop(10_011, 0)
    heard = render(mixer, S)
    assert steps(heard) < CLICK
    assert not heard[10_011 + DECLICK :].any()


def test_a_fade_that_turns_round_goes_on_from_where_it_is() -> None:
    mixer, one, two = Mixer(), Tape(tone(3), "one"), Tape(tone(3) * 0, "two")
    mixer.play(start(one, 0))
    mixer.play(start(two, 10_000, fade_in=S // 2, fade_out=S // 2))
    mixer.play(start(one, 20_000, 20_000, fade_in=S // 2, fade_out=S // 2))
    heard = render(mixer, 2 * S)
    assert steps(heard) < CLICK
    assert np.array_equal(heard[20_000 + S // 2 :], one.samples[20_000 + S // 2 : 2 * S])


def test_a_source_that_ends_mid_wave_is_led_to_zero() -> None:
    sound = tone(0.5)[: S // 2 - 12]  # a quarter period short: it ends near its peak
    mixer = Mixer()
    mixer.play(start(Tape(sound), 0))
    assert abs(sound[-1]) > 0.09
    assert steps(render(mixer, S)) < CLICK


def test_gain_and_volume_multiply() -> None:
    mixer, tape = Mixer(), Tape(tone(1), gain=0.5)
    mixer.set_volume(0, -20, 0)
    mixer.play(start(tape, 1_000))
    heard = render(mixer, 5_000)
    assert heard[1_000:] == pytest.approx(tape.samples[:4_000] * 0.05, abs=1e-6)


def test_the_volume_moves_in_even_db_steps() -> None:
    mixer = Mixer()
    mixer.play(start(Tape(np.full(3 * S, 0.5, np.float32)), 0))
    mixer.set_volume(S, -40, S)
    heard = render(mixer, 3 * S)
    db = 20 * np.log10(heard / 0.5)
    assert db[:S] == pytest.approx(0, abs=1e-5)
    assert db[S : 2 * S] == pytest.approx(-40 * np.arange(1, S + 1) / S, abs=0.01)
    assert db[2 * S : -DECLICK] == pytest.approx(-40, abs=0.01)


def test_minus_100_db_is_silence() -> None:
    mixer = Mixer()
    mixer.set_volume(0, -100, 0)
    mixer.play(start(Tape(tone(1)), 1_000))
    assert not render(mixer, S).any()


def test_a_volume_moved_in_silence_is_there_when_sound_comes() -> None:
    mixer, tape = Mixer(), Tape(tone(1))
    mixer.set_volume(0, -6, S)
    render(mixer, 2 * S)
    mixer.play(start(tape, 2 * S))
    assert render(mixer, 1_000) == pytest.approx(tape.samples[:1_000] * 10**-0.3, abs=1e-6)


def test_too_loud_together_is_left_to_the_limiter() -> None:
    mixer = Mixer()
    mixer.play(start(Tape(tone(1, level=0.9), "one", gain=10), 0))
    mixer.play(start(Tape(tone(1, level=0.9), "two"), 100, fade_in=S, fade_out=S))
    assert 1.0 < np.abs(render(mixer, S)).max() < HEADROOM


def test_a_signed_gain_does_not_undo_a_volume_cap() -> None:
    mixer = Mixer()
    mixer.set_volume(0, -20, 0)
    mixer.play(start(Tape(tone(1, level=0.9), gain=31.6), 1_000))
    assert np.abs(render(mixer, S)).max() == pytest.approx(0.1)


# --- stops and plans


def test_a_stop_forgets_what_has_not_begun() -> None:
    mixer = Mixer()
    mixer.play(start(Tape(tone(1), "now"), 0))
    mixer.play(start(Tape(tone(1), "later"), S))
    render(mixer, 1_000)
    mixer.stop_all(480)
    assert not render(mixer, 2 * S)[480:].any()
    assert told(mixer.take_happenings())[-1] == ("faded", "now", 1_480)


def test_a_planned_stop_lets_later_plans_live() -> None:
    mixer = Mixer()
    late = Tape(tone(1), "late")
    late.there = 0
    mixer.play(start(Tape(tone(1), "now"), 0))
    mixer.play(start(late, 5_000))
    mixer.play(start(Tape(tone(1), "later"), 20_000))
    mixer.stop(10_000, 480)
    heard = render(mixer, 15_000)
    late.there = S
    assert not heard[10_480:].any()
    heard = render(mixer, 10_000)
    assert heard[5_000:].any()
    assert not heard[:5_000].any()


def test_a_stop_leaves_volume_and_measurements_planned() -> None:
    mixer, done = Mixer(), []
    mixer.at(2_000, lambda: done.append(mixer.now))
    mixer.stop_all(0)
    render(mixer, 5_000)
    assert done == [2_000]


def test_an_action_sees_exactly_what_is_rendered_by_then() -> None:
    mixer, seen = Mixer(), []
    for sample in (0, 1, 960, 4_800, 4_801, 9_599):
        mixer.at(sample, lambda: seen.append(mixer.now))
    render(mixer, 10_000)
    assert seen == [0, 1, 960, 4_800, 4_801, 9_599]


def test_plans_are_bounded() -> None:
    mixer = Mixer()
    for number in range(MAX_PLANS):
        assert not mixer.is_full
        mixer.stop(S + number, 0)
    assert mixer.is_full


# --- when a source is late, or breaks


def test_what_sounds_goes_on_until_its_successor_is_ready() -> None:
    mixer, one, two = Mixer(), Tape(tone(3), "one"), Tape(tone(3), "two")
    two.there = 0
    mixer.play(start(one, 0))
    mixer.play(start(two, 10_000, 10_000, fade_in=960, fade_out=960))
    heard = render(mixer, 30_000)
    assert np.array_equal(heard, one.samples[:30_000])
    two.there = 3 * S
    heard = render(mixer, 30_000)
    # In place: what is heard now is what would be heard had it been in time.
    assert np.array_equal(heard[960:], two.samples[30_960:60_000])


def test_a_source_that_is_never_ready_is_given_up() -> None:
    mixer, one, two = Mixer(), Tape(tone(13), "one"), Tape(tone(1), "two")
    two.there, two.finish = 0, None
    mixer.play(start(one, 0))
    mixer.play(start(two, 1_000))
    heard = render(mixer, LATE_LIMIT + S)
    assert np.array_equal(heard, one.samples[: len(heard)])
    happened = mixer.take_happenings()
    assert [h.kind for h in happened] == ["started", "broken"]
    assert happened[1].detail.startswith("late")


def test_a_source_that_waits_is_told_where_it_is_wanted_by_now() -> None:
    mixer, tape = Mixer(), Tape(tone(3))
    tape.there = 0
    mixer.play(start(tape, 1_000, 500))
    render(mixer, 11_000, block=1_000)
    assert tape.aimed == [500, *range(500, 10_000, 1_000)]


def test_the_newest_of_several_that_wait_wins() -> None:
    mixer, one, two = Mixer(), Tape(tone(3), "one"), Tape(tone(3, 300), "two")
    one.there = 0
    mixer.play(start(one, 1_000))
    mixer.play(start(two, 2_000))
    render(mixer, 5_000)
    one.there = 3 * S
    render(mixer, 5_000)
    assert told(mixer.take_happenings()) == [("started", "two", 2_000)]


def test_a_start_past_the_end_is_an_end_and_disturbs_nothing() -> None:
    mixer, one, two = Mixer(), Tape(tone(3), "one"), Tape(tone(1), "two")
    mixer.play(start(one, 0))
    mixer.play(start(two, 1_000, 2 * S))
    assert np.array_equal(render(mixer, S), one.samples[:S])
    assert told(mixer.take_happenings()) == [("started", "one", 0), ("end", "two", NEVER)]


@pytest.mark.requirement("AUD-1")
def test_a_broken_source_fades_before_its_break_and_is_told() -> None:
    mixer, tape = Mixer(), Tape(tone(1)[: S // 2 - 12])
    tape.failure = "damaged: here"
    mixer.play(start(tape, 0))
    heard = render(mixer, S)
    end = len(tape.samples)
    assert np.array_equal(heard[: end - BREAK_FADE], tape.samples[: end - BREAK_FADE])
    assert steps(heard) < CLICK
    assert np.abs(heard[end - 48 : end]).max() < 0.01
    (happened,) = mixer.take_happenings()[1:]
    assert (happened.kind, happened.detail) == ("broken", "damaged: here")
    assert happened.sample == pytest.approx(end, abs=1)


def test_a_source_that_broke_before_it_sounded_disturbs_nothing() -> None:
    mixer, one, two = Mixer(), Tape(tone(3), "one"), Tape(np.zeros(0, np.float32), "two")
    two.failure = "not_audio: text"
    mixer.play(start(one, 0))
    mixer.play(start(two, 1_000))
    assert np.array_equal(render(mixer, S), one.samples[:S])
    assert told(mixer.take_happenings())[1] == ("broken", "two", NEVER)


@pytest.mark.requirement("AUD-3")
def test_a_starving_source_goes_silent_and_comes_back_in_place_without_clicks() -> None:
    mixer, tape = Mixer(), Tape(tone(3))
    tape.finish, tape.there = None, 10_011
    mixer.play(start(tape, 0))
    before = render(mixer, 30_013)  # comes back near a peak of the wave
    tape.there = 3 * S
    after = render(mixer, 30_000)
    heard = np.concatenate([before, after])
    assert steps(heard) < CLICK
    assert not heard[10_011 + DECLICK : 30_013].any()
    assert np.array_equal(after[DECLICK:], tape.samples[30_013 + DECLICK : 60_013])
    assert mixer.starvations == 1


def test_a_source_that_starves_for_3_s_is_broken() -> None:
    mixer, tape = Mixer(), Tape(tone(5))
    tape.finish, tape.there = None, S
    mixer.play(start(tape, 0))
    render(mixer, S + PATIENCE + CHUNK + 1)
    (happened,) = mixer.take_happenings()[1:]
    assert (happened.kind, happened.detail[:7]) == ("broken", "starved")
    assert mixer.starvations == 1


def test_time_that_the_sink_missed_is_missed_by_all() -> None:
    mixer, tape = Mixer(), Tape(tone(3))
    mixer.play(start(tape, 0))
    render(mixer, S)
    mixer.skip(S)
    heard = render(mixer, 10_000)
    assert np.array_equal(heard[DECLICK:], tape.samples[2 * S + DECLICK : 2 * S + 10_000])
    assert steps(heard) < CLICK


def test_a_start_that_was_due_in_missed_time_comes_late_and_in_place() -> None:
    mixer, tape = Mixer(), Tape(tone(3))
    mixer.play(start(tape, S // 2))
    mixer.skip(S)
    heard = render(mixer, 5_000)
    assert np.array_equal(heard[DECLICK:], tape.samples[S // 2 + DECLICK : S // 2 + 5_000])


def test_voices_are_bounded_however_fast_starts_come() -> None:
    mixer = Mixer()
    for number in range(60):
        mixer.play(start(Tape(tone(2), str(number)), number * 30, fade_in=S, fade_out=2 * S))
    heard = render(mixer, S)
    assert len(mixer.voices) <= MAX_VOICES
    assert np.abs(heard).max() <= HEADROOM
    assert mixer.current is not None
    assert mixer.current.sound.name == "59"


# --- whatever is asked

sounds = st.tuples(
    st.sampled_from(["tone", "noise", "loud", "empty", "short"]),
    st.sampled_from([0.0, 0.5, 1.0, 100.0]),
    st.integers(0, 2 * S),
    st.booleans(),
    st.sampled_from(["", "damaged: x"]),
)
commands = st.lists(
    st.tuples(
        st.sampled_from(["play", "stop", "stop_all", "volume", "skip", "render", "arrive"]),
        st.integers(0, 4),
        st.integers(-S, 2 * S),
        st.integers(0, S),
        st.integers(0, 6_000),
    ),
    max_size=25,
)


def _make(kind: str, gain: float, there: int, has_finish: bool, failure: str) -> Tape:
    samples = {
        "tone": tone(1),
        "noise": noise(0.5, 0.5),
        "loud": np.full(S, 8.0, np.float32),
        "empty": np.zeros(0, np.float32),
        "short": noise(0.01),
    }[kind]
    tape = Tape(samples, kind, gain=gain)
    tape.there = min(there, len(samples))
    tape.failure = failure
    if not has_finish:
        tape.finish = None
    return tape


@pytest.mark.requirement("AUD-3")
@settings(max_examples=120)
@given(st.lists(sounds, min_size=5, max_size=5), commands)
def test_no_sequence_of_commands_crashes_or_exceeds_the_headroom(
    made: list[tuple[str, float, int, bool, str]], asked: list[tuple[str, int, int, int, int]]
) -> None:
    tapes = [_make(*facts) for facts in made]
    mixer = Mixer()
    for what, which, when, where, length in asked:
        sample, before = mixer.now + when, mixer.now
        if what == "play":
            fades = {"fade_in": length, "fade_out": where % 6_000}
            mixer.play(start(tapes[which], sample, where, **fades, anchored=bool(length % 2)))
        elif what == "stop":
            mixer.stop(sample, length)
        elif what == "stop_all":
            mixer.stop_all(length)
        elif what == "volume":
            mixer.set_volume(sample, float(length % 140 - 100), where)
        elif what == "skip":
            mixer.skip(where)
            before += where
        elif what == "arrive":
            tapes[which].there = len(tapes[which].samples)
            tapes[which].finish = len(tapes[which].samples)
        heard = render(mixer, length)
        assert mixer.now == before + length
        assert np.isfinite(heard).all()
        assert not len(heard) or np.abs(heard).max() <= HEADROOM
    kinds = [(h.kind, id(h.sound)) for h in mixer.take_happenings()]
    for tape in tapes:
        started = kinds.count(("started", id(tape)))
        faded = kinds.count(("faded", id(tape)))
        assert faded <= started
