"""Loudness, silence and hiss, against arithmetic and against Debian's ffmpeg."""

from __future__ import annotations

import pathlib
import re
import subprocess

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_sound.blocks import BLOCK, CHUNK, RATE, Samples
from loa_sound.meters import (
    FLOOR_DBFS,
    BandMeter,
    Chunker,
    GapMeter,
    Loudness,
    LoudnessMeter,
    to_db,
)
from support.sound_files import chirp, noise, tone, write_wav


def loudness_of(sound: Samples, block: int = BLOCK) -> Loudness:
    meter = LoudnessMeter()
    for at in range(0, len(sound), block):
        meter.feed(sound[at : at + block])
    return meter.finish()


def gaps_of(sound: Samples, *expected: tuple[int, int], block: int = BLOCK) -> GapMeter:
    meter = GapMeter(expected)
    for at in range(0, len(sound), block):
        meter.feed(sound[at : at + block])
    meter.finish()
    return meter


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), dtype=np.float32)


# --- loudness


@pytest.mark.requirement("AUD-2")
@pytest.mark.parametrize("level", [1.0, 0.1, 0.01])
def test_a_tone_of_997_hz_has_the_loudness_that_the_standard_says(level: float) -> None:
    """EBU Tech 3341: -3.01 LUFS at full scale in one channel; K-weighting is 0 dB at 997 Hz."""
    heard = loudness_of(tone(5, 997, level))
    assert heard.integrated_lufs == pytest.approx(-3.01 + 20 * np.log10(level), abs=0.1)
    assert heard.true_peak_dbtp == pytest.approx(20 * np.log10(level), abs=0.1)


def test_low_rumble_counts_less_than_speech_frequencies() -> None:
    rumble, speech = loudness_of(tone(3, 40)), loudness_of(tone(3, 2_000))
    assert rumble.integrated_lufs is not None
    assert speech.integrated_lufs is not None
    assert rumble.integrated_lufs < speech.integrated_lufs - 4


@pytest.mark.requirement("AUD-2")
def test_a_peak_between_two_samples_is_seen() -> None:
    """A sine of a quarter of the rate, 45 degrees off: samples at 0.707, the wave at 1."""
    n = np.arange(RATE)
    sound = np.sin(2 * np.pi * n / 4 + np.pi / 4).astype(np.float32)
    assert np.abs(sound).max() == pytest.approx(0.7071, abs=1e-3)
    sound[:4800] *= np.linspace(0, 1, 4800)  # a sine cut on has peaks of its own
    assert loudness_of(sound).true_peak_dbtp == pytest.approx(0.0, abs=0.3)


def test_a_peak_in_the_very_last_samples_is_seen() -> None:
    sound = silence(1.03)
    sound[-30:-10] = 0.9
    assert loudness_of(sound).true_peak_dbtp > -1.5


@pytest.mark.parametrize("sound", [silence(2), tone(2, level=1e-5), tone(0.2)])
def test_what_is_too_quiet_or_too_short_has_no_loudness(sound: Samples) -> None:
    assert loudness_of(sound).integrated_lufs is None


def test_a_sound_that_ends_between_two_steps_keeps_its_loudness() -> None:
    whole = loudness_of(tone(3))
    assert loudness_of(tone(3.05)).integrated_lufs == pytest.approx(whole.integrated_lufs, abs=0.01)


def test_silence_has_the_floor_as_its_peak() -> None:
    assert loudness_of(silence(1)).true_peak_dbtp == FLOOR_DBFS


def test_pauses_do_not_lower_the_loudness_of_speech() -> None:
    speech = tone(4)
    gated = loudness_of(np.concatenate([speech, silence(8), speech]))
    assert gated.integrated_lufs == pytest.approx(loudness_of(speech).integrated_lufs, abs=0.3)


@given(st.lists(st.integers(1, 7_000), min_size=1, max_size=12))
def test_loudness_does_not_depend_on_how_the_sound_is_cut(sizes: list[int]) -> None:
    sound = chirp(1)
    meter, at = LoudnessMeter(), 0
    for size in sizes:
        meter.feed(sound[at : at + size])
        at = min(len(sound), at + size)
    meter.feed(sound[at:])
    assert meter.finish() == loudness_of(sound)


def ffmpeg_says_of(path: pathlib.Path) -> str:
    told = subprocess.run(
        ["ffmpeg", "-nostats", "-i", path, "-af", "ebur128=peak=true", "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    return told[told.rindex("Summary:") :]


@pytest.mark.requirement("AUD-2")
@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize("sound", [chirp(6), noise(6), np.concatenate([tone(3), noise(3, 0.01)])])
def test_debians_ffmpeg_measures_the_same(tmp_path: pathlib.Path, sound: Samples) -> None:
    path = write_wav(tmp_path / "x.wav", sound)
    summary = ffmpeg_says_of(path)
    lufs = re.search(r"I:\s+(-?[\d.]+) LUFS", summary)
    peak = re.search(r"Peak:\s+(-?[\d.]+) dBFS", summary)
    assert lufs is not None
    assert peak is not None
    ours = loudness_of(sound)
    assert ours.integrated_lufs == pytest.approx(float(lufs[1]), abs=0.1)
    assert ours.true_peak_dbtp == pytest.approx(float(peak[1]), abs=0.2)


@pytest.mark.requirement("AUD-2")
@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize("seed", range(4))
def test_leaving_out_what_is_low_never_misses_a_peak(tmp_path: pathlib.Path, seed: int) -> None:
    """Bursts of noise, ever louder or ever softer, in pieces of a tenth of a second to two."""
    chance = np.random.default_rng(seed)
    swell = np.repeat(chance.uniform(0.01, 0.3, 60).astype(np.float32), CHUNK)
    sound = noise(6, 1.0, seed=seed) * (np.sort(swell) if seed % 2 else np.sort(swell)[::-1])
    sound[:480] *= np.linspace(0, 1, 480, dtype=np.float32)
    finer = np.abs(_fourfold(sound)).max()
    heard = loudness_of(sound, int(chance.integers(CHUNK, 20 * CHUNK))).true_peak_dbtp
    assert heard == pytest.approx(20 * np.log10(finer), abs=0.01)
    path = write_wav(tmp_path / "x.wav", (sound * 0.5).astype(np.float32))
    peak = re.search(r"Peak:\s+(-?[\d.]+) dBFS", ffmpeg_says_of(path))
    assert peak is not None
    assert loudness_of(sound * np.float32(0.5)).true_peak_dbtp == pytest.approx(
        float(peak[1]), abs=0.1
    )


def _fourfold(sound: Samples) -> Samples:
    """Return *sound* at 192 kHz, by libswresample, on which FFmpeg's meter rests."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=4 * RATE)
    frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="flt", layout="mono")
    frame.sample_rate = RATE
    return np.concatenate([each.to_ndarray()[0] for each in resampler.resample(frame)])


# --- silence


def test_a_pause_is_as_long_as_it_is() -> None:
    meter = gaps_of(np.concatenate([tone(0.5, 960), silence(0.25), tone(0.5, 960)]))
    assert meter.longest_ms == pytest.approx(250, abs=2)
    assert meter.silent_ms == meter.longest_ms
    assert meter.leading_ms == 0


def test_pauses_add_up_and_the_longest_counts() -> None:
    parts = [silence(0.1), tone(0.2), silence(0.3), tone(0.2), silence(0.05)]
    meter = gaps_of(np.concatenate(parts))
    assert meter.leading_ms == pytest.approx(100, abs=2)
    assert meter.longest_ms == pytest.approx(300, abs=2)
    assert meter.silent_ms == pytest.approx(450, abs=4)


def test_a_gap_that_reaches_to_the_end_counts() -> None:
    assert gaps_of(np.concatenate([tone(0.3), silence(0.7)])).longest_ms == pytest.approx(
        700, abs=2
    )


def test_all_silence_is_one_gap() -> None:
    meter = gaps_of(silence(1.5))
    assert (meter.longest_ms, meter.silent_ms, meter.leading_ms) == (1500, 1500, 1500)


def test_zero_crossings_are_no_silence() -> None:
    assert gaps_of(tone(2, 40, 0.05)).silent_ms == 0


@pytest.mark.parametrize(("level", "silent"), [(0.0009, True), (0.0012, False)])
def test_the_border_of_silence_is_minus_60_dbfs(level: float, silent: bool) -> None:
    assert bool(gaps_of(tone(1, 1000, level)).silent_ms) is silent


@pytest.mark.requirement("RAD-6")
def test_expected_silence_is_no_gap_but_what_goes_on_behind_it_is() -> None:
    sound = np.concatenate([tone(0.5), silence(1.0), tone(0.5)])
    assert gaps_of(sound, (500, 1500)).silent_ms == pytest.approx(0, abs=2)
    late = gaps_of(sound, (500, 1100))
    assert late.longest_ms == pytest.approx(400, abs=2)
    assert gaps_of(sound, (0, 100), (1900, 9000)).longest_ms == pytest.approx(1000, abs=2)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 60)), min_size=1, max_size=12),
    st.integers(1, 6_000),
)
def test_gaps_are_what_a_loop_over_milliseconds_counts(
    stretches: list[tuple[bool, int]], block: int
) -> None:
    loud = [is_loud for is_loud, length in stretches for _ in range(length * 2)]
    sound = np.repeat(np.array(loud, dtype=np.float32), RATE // 1000)
    runs, run = [], 0
    for is_loud in [*loud, True]:
        if is_loud and run:
            runs.append(run)
        run = 0 if is_loud else run + 1
    runs = [run for run in runs if run >= 20]
    meter = gaps_of(sound, block=block)
    assert (meter.longest_ms, meter.silent_ms) == (max(runs, default=0), sum(runs))


@pytest.mark.needs("ffmpeg")
def test_debians_ffmpeg_detects_the_same_silence(tmp_path: pathlib.Path) -> None:
    parts = [tone(0.4), silence(0.3), noise(0.5), silence(0.85), tone(0.3)]
    sound = np.concatenate(parts)
    path = write_wav(tmp_path / "x.wav", sound)
    detect = "silencedetect=noise=-60dB:duration=0.02"
    told = subprocess.run(
        ["ffmpeg", "-nostats", "-i", path, "-af", detect, "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    lengths = [float(found) for found in re.findall(r"silence_duration: ([\d.]+)", told)]
    meter = gaps_of(sound)
    assert meter.longest_ms == pytest.approx(max(lengths) * 1000, abs=2)
    assert meter.silent_ms == pytest.approx(sum(lengths) * 1000, abs=4)


# --- band and hiss


def band(sound: Samples) -> tuple[float, float]:
    levels = BandMeter().feed(sound)
    rms = float(np.mean([10 ** (level.rms_dbfs / 10) for level in levels]))
    return 10 * np.log10(rms), float(np.mean([level.flatness for level in levels]))


@pytest.mark.parametrize("hz", [350, 1000, 2900])
def test_a_tone_in_the_band_has_its_rms(hz: float) -> None:
    assert band(tone(1, hz, 0.1))[0] == pytest.approx(20 * np.log10(0.1 / 2**0.5), abs=0.3)


@pytest.mark.parametrize("hz", [50, 150, 4_000, 12_000])
def test_hum_and_treble_do_not_hide_silence(hz: float) -> None:
    assert band(tone(1, hz, 0.1))[0] < -60


@pytest.mark.requirement("RAD-6")
def test_hiss_is_flat_and_programme_is_not() -> None:
    t = np.arange(2 * RATE) / RATE
    overtones = [np.sin(2 * np.pi * 140 * k * t + k) / k for k in range(1, 40)]
    vowel = (0.1 * np.sum(overtones, axis=0)).astype(np.float32)
    assert band(noise(2))[1] > 0.85
    assert band(tone(2))[1] < 0.05
    assert band(vowel + noise(2, 0.001))[1] < 0.35


def test_quiet_hiss_is_still_hiss_and_silence_is_not() -> None:
    assert band(noise(1, 0.003))[1] > 0.85
    assert band(silence(1))[1] == 0.0
    assert BandMeter().feed(silence(0.1))[0].rms_dbfs == FLOOR_DBFS


def test_there_is_one_level_for_each_100_ms_however_they_arrive() -> None:
    meter, sound = BandMeter(), noise(1.05)
    levels = [
        level for at in range(0, len(sound), 700) for level in meter.feed(sound[at : at + 700])
    ]
    assert levels == BandMeter().feed(sound)
    assert len(levels) == 10


# --- parts


@given(st.lists(st.integers(0, 12_000), max_size=8), st.sampled_from([480, CHUNK, 3 * CHUNK]))
def test_chunks_are_all_of_one_size_and_lose_nothing(sizes: list[int], size: int) -> None:
    chunker, total = Chunker(size), sum(sizes)
    sound = np.arange(total, dtype=np.float32)
    found, at = [], 0
    for length in sizes:
        found += [chunk.copy() for chunk in chunker.feed(sound[at : at + length])]
        at += length
    assert all(len(chunk) == size for chunk in found)
    assert np.array_equal(np.concatenate([*found, chunker.rest()]), sound)


def test_decibels() -> None:
    assert to_db(1.0) == 0.0
    assert to_db(0.5) == pytest.approx(-6.02, abs=0.01)
    assert to_db(0.0) == to_db(-1.0) == to_db(1e-12) == FLOOR_DBFS
