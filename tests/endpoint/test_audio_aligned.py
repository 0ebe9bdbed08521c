"""What sounds stays on its instant: the controller, the reading between samples, whole poles."""

from __future__ import annotations

import itertools
import pathlib
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loa_endpoint.audio import messages as m
from loa_endpoint.audio.aligned import Aligned
from loa_endpoint.audio.live_sound import LiveSound
from loa_endpoint.audio.pace import MOST_PPM, TURN_PPM_S, Pace
from loa_sound.blocks import CHUNK, RATE, Samples
from loa_sound.opus import OpusDecoder, OpusEncoder
from loa_sound.resampler_fine import HALF, interpolate
from support.drifting_card import EPOCH, SECOND, DriftingCard, Pole
from support.sound_files import noise, tone, write_wav
from support.waiting import soon

BLOCK = CHUNK // 2
BLOCK_S = BLOCK / RATE
START = EPOCH + SECOND
LENGTH_S = 90
CLICK = 0.001  # -60 dBFS


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("aligned")
    write_wav(folder / "noise.wav", noise(LENGTH_S))
    write_wav(folder / "tone.wav", tone(40, 1000, 0.5))
    gap = np.concatenate([noise(20), np.zeros(4 * RATE, dtype=np.float32), noise(20, seed=2)])
    write_wav(folder / "gap.wav", gap)
    return folder


def begin(pole: Pole, path: pathlib.Path, **item: object) -> None:
    pole.prepare("a", path)
    pole.do(m.Play(source="a", at_ns=START, fade_in_ms=0))
    pole.do(m.BeginItem(item="play", at_ns=START, **item))  # type: ignore[arg-type]  # a mapping


def follow(ppm: float, seconds: float, late: float = 0.0, jitter: float = 0.0) -> list[float]:
    """Return how late a sound was block by block, on a card that is *ppm* too slow."""
    pace, noise_of = Pace(), np.random.default_rng(3)
    found, before = [], 0.0
    for _ in range(round(seconds / BLOCK_S)):
        found.append(late)
        now = pace.follow(late + noise_of.normal(0, jitter), BLOCK)
        assert abs(now) <= MOST_PPM
        assert now == 0 or abs(now - before) <= TURN_PPM_S * BLOCK_S + 1e-9
        before = now
        late += (ppm - now) * 1e-6 * BLOCK
    return found


@pytest.mark.requirement("AUD-5")
@settings(max_examples=40)
@given(ppm=st.floats(-450, 450), jitter=st.floats(0, 10))
def test_a_card_that_drifts_is_followed_within_two_milliseconds(ppm: float, jitter: float) -> None:
    late = follow(ppm, 120, jitter=jitter)
    assert max(map(abs, late)) < 0.002 * RATE


@settings(max_examples=40)
@given(step_ms=st.floats(-50, 50), ppm=st.floats(-100, 100))
def test_a_step_of_the_time_is_followed_slowly_and_not_overshot(step_ms: float, ppm: float) -> None:
    late = follow(ppm, 150, late=step_ms * RATE / 1000)
    assert abs(late[-1]) < 0.001 * RATE
    beyond = min(late) if step_ms > 0 else -max(late)
    assert beyond > -0.001 * RATE


def test_what_is_on_time_is_left_alone() -> None:
    pace = Pace()
    assert {pace.follow(late, BLOCK) for late in (0.0, 20.0, -20.0, 23.0)} == {0.0}


@settings(max_examples=30)
@given(
    place=st.floats(0, 0.999),
    step=st.floats(-0.001, 0.001),
    count=st.integers(1, CHUNK),
    hz=st.sampled_from([50, 1000, 4000, 12_000]),
)
def test_a_tone_between_the_samples_is_that_tone(
    place: float, step: float, count: int, hz: int
) -> None:
    t = np.arange(1 - HALF, count + HALF + 8)
    held = np.sin(2 * np.pi * hz * t / RATE).astype(np.float32)
    out = np.empty(count, dtype=np.float32)
    interpolate(held, place, step, out)
    places = place + np.arange(count) * (1 + step)
    truth = np.sin(2 * np.pi * hz * places / RATE)
    assert np.max(np.abs(out - truth)) < 10 ** (-85 / 20)


class Counting:
    """A sound whose samples are a slow wave, of which some is there."""

    def __init__(self, length: int, there: int) -> None:
        self.finish: int | None = length
        self.there = there

    def is_ready(self, position: int, /) -> bool:
        return position < self.there

    def read(self, position: int, out: Samples, /) -> int:
        count = max(0, min(len(out), self.there - position))
        out[:count] = np.sin(np.arange(position, position + count) / 50)
        return count


@settings(max_examples=60)
@given(
    sizes=st.lists(st.integers(1, CHUNK), min_size=1, max_size=30),
    late=st.floats(-4000, 4000),
    length=st.integers(0, 40_000),
)
def test_any_blocks_come_to_the_same_end_without_a_hole(
    sizes: list[int], late: float, length: int
) -> None:
    sound, aligned = Counting(length, length), Aligned(0, 0)
    aligned.late = late
    position, heard = 0, []
    for size in itertools.chain(sizes, itertools.repeat(CHUNK)):
        out = np.zeros(size, dtype=np.float32)
        count, shift = aligned.read(sound, position, out)
        position += count + shift
        heard.append(out[:count])
        if count < size:
            break
    assert position >= length, "what is short has ended, and has not starved"
    whole = np.concatenate(heard)
    assert len(whole) == pytest.approx(length, abs=2 + length * MOST_PPM * 1e-6)
    steps = np.abs(np.diff(whole[:-HALF]))  # the last ones ring, as what follows is silence
    assert np.max(steps, initial=0) < 1 / 50 + 1e-3


def test_samples_that_come_too_late_leave_a_gap_and_what_follows_is_in_its_place() -> None:
    sound, aligned = Counting(100_000, 3000), Aligned(0, 0)
    aligned.late = 400.0
    out = np.zeros(CHUNK, dtype=np.float32)
    count, shift = aligned.read(sound, 0, out)
    assert 3000 - 2 * HALF <= count + shift < 3000
    sound.there = 100_000
    after = CHUNK + shift
    count, _ = aligned.read(sound, after, out)
    assert count == CHUNK
    expected = np.sin(np.arange(after, after + CHUNK) / 50)
    assert np.max(np.abs(out - expected)[HALF:]) < 0.05


@pytest.mark.requirement("AUD-5")
@pytest.mark.requirement("AUD-4")
def test_on_a_true_card_every_sample_is_written_as_it_was_decoded(media: pathlib.Path) -> None:
    pole = Pole(DriftingCard(0, jitter_ns=100_000))
    begin(pole, media / "noise.wav")
    pole.render(60)
    expected = np.rint(noise(LENGTH_S) * 32768)[: 50 * RATE]
    first = int(np.flatnonzero(pole.written)[0])
    assert first == pytest.approx(RATE, abs=10), "the card's word on it has 0.1 ms of noise"
    found = np.rint(pole.written * 32768)[first : first + 50 * RATE]
    assert not np.count_nonzero(found != expected)


@pytest.mark.requirement("AUD-5")
def test_three_poles_on_cards_that_drift_stay_together_on_what_they_write(
    media: pathlib.Path,
) -> None:
    sound = noise(LENGTH_S)
    cards = [DriftingCard(ppm, seed=n) for n, ppm in enumerate((-400, 30, 300))]
    poles = [Pole(card) for card in cards]
    for pole in poles:
        begin(pole, media / "noise.wav")
        pole.render(LENGTH_S - 2)
        pole.do(m.EndItem(item="play"))
        pole.render(0.2)
    spreads = []
    for second in range(2, LENGTH_S - 6):
        instant = START + second * SECOND
        late = [pole.late_ms(sound, START, instant) for pole in poles]
        spreads.append(max(late) - min(late))
    assert np.percentile(spreads, 95) <= 10
    assert max(spreads) < 4, "and in fact"
    for pole in poles:
        (measured,) = pole.told(m.ItemMeasured)
        assert isinstance(measured, m.ItemMeasured)
        assert measured.off_ms is not None
        assert abs(measured.off_ms) <= 2
        assert measured.xruns == 0


def is_decoded(live: LiveSound, chunks: int) -> bool:
    return live._packets.empty() and live._decoded.qsize() >= chunks


@pytest.mark.requirement("AUD-5")
@pytest.mark.requirement("MSG-3")
def test_live_sound_and_the_speech_of_an_alert_stay_together_on_cards_that_drift(
    media: pathlib.Path,
) -> None:
    encoder, voice, seconds = OpusEncoder(), noise(30), 30
    packets = [p for at in range(0, len(voice), 960) for p in encoder.encode(voice[at : at + 960])]
    spoken = OpusDecoder().decode(packets)
    poles = [Pole(DriftingCard(ppm, seed=seed)) for seed, ppm in enumerate((-300, 40, 400))]
    for pole in poles:
        pole.prepare("speech", media / "noise.wav")
        pole.do(m.OpenTone(source="tone", length_ms=900), m.Play(source="tone"))
        pole.do(m.Play(source="speech", at_ns=START, fade_in_ms=0))
        pole.render(30)
        pole.do(m.OpenLive(source="live"))
        for second in range(seconds):
            chunk = packets[second * 50 : second * 50 + 50]
            pole.do(m.Feed(source="live", position_ms=second * 1000, packets=chunk))
        pole.do(m.Play(source="live", at_ns=START + 30 * SECOND))
        live = pole.desk.sounds.find("live")
        assert isinstance(live, LiveSound)
        soon(partial(is_decoded, live, seconds - 1))
        pole.render(30)
    for second in (2, 15, 27, 33, 45, 57):
        base, sound = (START, noise(LENGTH_S)) if second < 30 else (START + 30 * SECOND, spoken)
        late = [pole.late_ms(sound, base, START + second * SECOND) for pole in poles]
        assert max(late) - min(late) < 3, f"after {second} s: {late}"


def test_a_card_that_ran_dry_begins_what_was_planned_before_on_its_instant(
    media: pathlib.Path,
) -> None:
    pole = Pole(DriftingCard(100))
    pole.prepare("a", media / "noise.wav")
    pole.do(m.Play(source="a", at_ns=START + 4 * SECOND, fade_in_ms=0))
    pole.render(2)
    pole.card.run_dry(300_000_000)
    pole.render(5)
    late = pole.late_ms(noise(LENGTH_S), START + 4 * SECOND, START + 5 * SECOND)
    assert abs(late) < 0.3


def test_no_correction_is_heard_as_a_click(media: pathlib.Path) -> None:
    pole = Pole(DriftingCard(-450))
    begin(pole, media / "tone.wav")
    step = m.Align(source="a", position_ms=0, at_ns=START + 10_000_000)
    pole.render(20)
    pole.do(step)  # now 10 ms the other way
    pole.render(20)
    heard = pole.written[2 * RATE : 38 * RATE]
    spectrum = np.fft.rfft(heard * np.hanning(len(heard)))
    hz = np.fft.rfftfreq(len(heard), 1 / RATE)
    spectrum[np.abs(hz - 1000) < 20] = 0
    assert np.max(np.abs(np.fft.irfft(spectrum))) < CLICK


@pytest.mark.requirement("AUD-5")
def test_another_time_is_followed_slowly_by_what_sounds(media: pathlib.Path) -> None:
    sound = noise(LENGTH_S)
    pole = Pole(DriftingCard(20))
    begin(pole, media / "noise.wav")
    pole.render(10)
    moved = START - 15_000_000  # it should have begun 15 ms earlier
    pole.do(m.Align(source="a", position_ms=0, at_ns=moved))
    pole.render(50)
    late = [pole.late_ms(sound, moved, START + s * SECOND) for s in (9, 20, 30, 50)]
    assert late[0] == pytest.approx(15, abs=0.6)
    assert late[0] > late[1] > late[2] > 1, "no jump"
    assert abs(late[3]) < 1


def test_a_card_beyond_correction_is_told_once_and_made_good_in_declared_silence(
    media: pathlib.Path,
) -> None:
    for ppm, word in ((-3000, "late"), (3000, "early")):
        sound = np.concatenate([noise(20), np.zeros(4 * RATE, dtype=np.float32), noise(20, seed=2)])
        pole = Pole(DriftingCard(ppm))
        begin(pole, media / "gap.wav", expected_silence=((20_000, 24_000),))
        pole.render(40)
        before, after = (pole.late_ms(sound, START, START + s * SECOND) for s in (18, 25))
        assert abs(before) > 40
        assert abs(after) < 15
        (told,) = (each for each in pole.told(m.Fault))
        assert isinstance(told, m.Fault)
        assert told.name == "unaligned"
        assert word in told.detail
        heard = pole.written
        steps = np.abs(np.diff(heard[21 * RATE + RATE // 4 : 24 * RATE + RATE // 2]))
        assert np.max(steps) < CLICK, "it leaps in silence alone"
        pole.desk.handle(m.Stop(fade_ms=0))
        pole.render(0.1)


def test_the_end_of_a_sound_that_was_bent_is_its_end(media: pathlib.Path) -> None:
    for ppm in (-400, 400):
        pole = Pole(DriftingCard(ppm))
        begin(pole, media / "tone.wav")
        pole.render(43)
        (ended,) = pole.told(m.Ended)
        assert isinstance(ended, m.Ended)
        assert ended.reason == "end"
        assert ended.at_ns == pytest.approx(START + 40 * SECOND, abs=4_000_000)
        assert pole.desk.xruns == 0
