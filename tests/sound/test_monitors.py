"""The monitors on what is written: a table of sounds with known faults, and FFmpeg's opinion."""

from __future__ import annotations

import pathlib
import re
import subprocess
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loa_sound.blocks import BLOCK, CHUNK, RATE, Samples
from loa_sound.meters import BandMeter, LoudnessMeter
from loa_sound.monitors import BATCH, Alarm, Change, WrittenMonitor, has_flat_top
from support import labelled_sounds as sounds
from support.sound_files import noise, tone, write_wav

LONG = 12.0


def watched(
    sound: Samples, *, block: int = BLOCK, expects: bool = True, volume_db: float = 0.0
) -> list[tuple[float, Change]]:
    """Return what the monitor tells of *sound*, and at which second."""
    monitor, told = WrittenMonitor(), []
    monitor.expects_sound, monitor.volume_db = expects, volume_db
    for at in range(0, len(sound), block):
        part = sound[at : at + block]
        changes = monitor.mix(part) + monitor.feed(part)
        told += [((at + len(part)) / RATE, change) for change in changes]
    return told


def begun(sound: Samples) -> set[str]:
    return {change.name for _, change in watched(sound) if change.active}


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), dtype=np.float32)


CLEAN: dict[str, Callable[[], Samples]] = {
    "speech, Vietnamese": lambda: sounds.spoken(sounds.VIETNAMESE, "vi"),
    "speech, south": lambda: sounds.spoken(sounds.VIETNAMESE, "vi-vn-x-south"),
    "speech, English": lambda: sounds.spoken(sounds.ENGLISH, "en-gb"),
    "speech, quiet": lambda: sounds.at_level(sounds.spoken(sounds.VIETNAMESE, "vi"), -40.0),
    "speech, at full level": lambda: sounds.clipped(sounds.spoken(sounds.VIETNAMESE, "vi"), 0),
    "music": lambda: sounds.music(LONG),
    "organ": lambda: sounds.organ(LONG),
    "siren": lambda: sounds.siren(LONG),
    "wail": lambda: sounds.wail(LONG),
    "test tone": lambda: tone(LONG),
    "deep tone in 16 bits": lambda: sounds.clipped(tone(LONG, 40, 0.3) + tone(LONG, 440), 0),
}
FAULTY: dict[str, tuple[Callable[[], Samples], str]] = {
    "silence": (lambda: silence(LONG), "written_silent"),
    "hum alone": (lambda: tone(LONG, 50, 0.1), "written_silent"),
    "hiss": (lambda: sounds.hiss(LONG), "written_hiss"),
    "white noise": (lambda: noise(LONG), "written_hiss"),
    "clipped by 6 dB": (
        lambda: sounds.clipped(sounds.spoken(sounds.VIETNAMESE, "vi"), 12),
        "written_clipping",
    ),
    "clipped, then lowered by 10 dB": (
        lambda: sounds.clipped(sounds.spoken(sounds.ENGLISH, "en-gb"), 15) * np.float32(0.316),
        "written_clipping",
    ),
    "a constant": (lambda: silence(LONG) + np.float32(0.2), "written_stuck"),
    "speech on a constant": (
        lambda: sounds.spoken(sounds.VIETNAMESE, "vi") + np.float32(0.1),
        "written_stuck",
    ),
}


@pytest.mark.needs("espeak-ng")
def test_no_monitor_complains_of_speech_music_or_sirens_and_every_fault_is_found() -> None:
    """Print the whole table: what each sound is, and what was said of it."""
    wrong = []
    for name, make in CLEAN.items():
        said = begun(make())
        print(f"{name:32} {'clean':18} -> {', '.join(sorted(said)) or 'clean'}")
        wrong += [(name, said)] if said else []
    for name, (make, fault) in FAULTY.items():
        said = begun(make())
        print(f"{name:32} {fault:18} -> {', '.join(sorted(said)) or 'clean'}")
        wrong += [] if fault in said else [(name, said)]
    assert wrong == []


@pytest.mark.requirement("HLT-2")
def test_silence_where_sound_is_due_is_told_within_ten_seconds_once_and_taken_back() -> None:
    sound = np.concatenate([tone(3), silence(20), tone(3)])
    (began_s, began), (ended_s, ended) = watched(sound)
    assert (began.name, began.active) == ("written_silent", True)
    assert 8 <= began_s - 3 <= 10
    assert (ended.name, ended.active) == ("written_silent", False)
    assert 23 <= ended_s <= 25


def test_pauses_of_seven_seconds_are_no_fault() -> None:
    assert watched(np.concatenate([tone(1), silence(7)] * 4)) == []


def test_silence_is_judged_only_where_sound_is_due() -> None:
    assert watched(silence(30), expects=False) == []


def test_what_is_played_softly_is_not_silent() -> None:
    soft = tone(15, level=0.0005)
    assert watched(soft, volume_db=-28.0) == []
    assert watched(soft)[0][1].name == "written_silent"


def test_a_declared_signal_is_never_complained_of() -> None:
    monitor = WrittenMonitor()
    monitor.feed(sounds.hiss(6))
    assert monitor.active == ("written_hiss",)
    monitor.is_declared, monitor.expects_sound = True, True
    told = monitor.feed(sounds.hiss(1))
    assert told == [Change("written_hiss", active=False, reading=0.0)]
    for fault in (sounds.hiss(12), silence(12) + np.float32(0.5), silence(12)):
        assert monitor.mix(fault) + monitor.feed(fault) == []


def test_only_changes_are_told() -> None:
    told = [(change.name, change.active) for _, change in watched(sounds.hiss(60))]
    assert told == [("written_hiss", True)]


@settings(max_examples=6)
@given(st.lists(st.integers(1, 7_000), min_size=1, max_size=10), st.integers(0, 3))
def test_what_is_told_does_not_depend_on_how_the_sound_is_cut(sizes: list[int], kind: int) -> None:
    sound = [sounds.hiss(7), silence(9), silence(3) + np.float32(0.3), tone(3)][kind]
    whole = {(change.name, change.active) for _, change in watched(sound, block=BATCH)}
    monitor, at, told = WrittenMonitor(), 0, []
    monitor.expects_sound = True
    while at < len(sound):
        for size in sizes:
            told += monitor.feed(sound[at : at + size])
            at += size
    assert {(change.name, change.active) for change in told} == whole


@given(st.lists(st.booleans(), max_size=60))
def test_an_alarm_begins_and_ends_by_turns(steps: list[bool]) -> None:
    alarm, was = Alarm(window=8, begin=5, end=2), False
    for bad in steps:
        changed = alarm.feed(bad=bad)
        assert changed is (alarm.active is not was)
        was = alarm.active
    assert alarm.share <= 1


@pytest.mark.parametrize("hz", [30, 50, 100, 997, 3000])
def test_no_whole_wave_has_a_flat_top_and_every_cut_one_has(hz: float) -> None:
    whole = sounds.clipped(tone(0.1, hz, 0.95), 0)
    assert not has_flat_top(whole)
    assert has_flat_top(sounds.clipped(tone(0.1, hz, 0.95), 3))
    assert not has_flat_top(silence(0.1) + np.float32(0.5))


@pytest.mark.parametrize(
    ("shape", "low", "high"), [(0.0, 0.85, 1.0), (0.5, 0.55, 0.85), (1.0, 0.15, 0.55)]
)
def test_flatness_of_white_pink_and_brown_noise_is_what_arithmetic_says(
    shape: float, low: float, high: float
) -> None:
    """Power that falls with f^(-2 shape): the ratio of the means over the band is an integral."""
    count = 5 * RATE
    spectrum = np.fft.rfft(np.random.default_rng(4).standard_normal(count))
    hz = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 1.0)
    sound = sounds.at_level(np.fft.irfft(spectrum / hz**shape, count).astype(np.float32), -20.0)
    band = np.linspace(300, 8000, 10_000) ** (-2 * shape)
    ideal = float(np.exp(np.log(band).mean()) / band.mean())
    levels = BandMeter().feed(sound[: len(sound) // CHUNK * CHUNK])
    found = float(np.mean([level.flatness for level in levels]))
    assert low < found < high
    # five spectra of a noise are not quite its mean: their scatter costs 10 % of white's flatness
    assert found == pytest.approx(0.9 * ideal, abs=0.06)


@pytest.mark.needs("ffmpeg")
def test_ffmpegs_silencedetect_finds_the_same_edges(tmp_path: pathlib.Path) -> None:
    parts = [tone(2), silence(9.3), tone(1.5), silence(3), tone(2), silence(12.1), tone(2)]
    sound = np.concatenate(parts)
    path = write_wav(tmp_path / "gaps.wav", sound)
    said = _ffmpeg(path, "highpass=f=300,lowpass=f=3000,silencedetect=noise=-55dB:duration=8")
    starts = [float(each) for each in re.findall(r"silence_start: (-?[\d.]+)", said)]
    ends = [float(each) for each in re.findall(r"silence_end: (-?[\d.]+)", said)]
    told = watched(sound)
    # ours are told after 8 s of silence, and when half a second of sound is judged to be there
    assert [at - 8 for at, change in told if change.active] == pytest.approx(starts, abs=0.6)
    assert [at for at, change in told if not change.active] == pytest.approx(ends, abs=1.1)


@pytest.mark.requirement("AUD-2")
@pytest.mark.needs("ffmpeg", "espeak-ng")
def test_ffmpegs_ebur128_reads_the_same_momentary_short_and_integrated_loudness(
    tmp_path: pathlib.Path,
) -> None:
    sound = np.concatenate([sounds.spoken(sounds.VIETNAMESE, "vi"), sounds.music(6)])
    sound = sound[: len(sound) // CHUNK * CHUNK]
    meter, ours = LoudnessMeter(), []
    for at in range(0, len(sound), CHUNK):
        meter.feed(sound[at : at + CHUNK])
        now = meter.read()
        ours.append((now.momentary, now.short_term, now.so_far.integrated_lufs))
    said = _ffmpeg(
        write_wav(tmp_path / "x.wav", sound), "ebur128=framelog=verbose", "-v", "verbose"
    )
    theirs = re.findall(r"M:\s*(-?[\d.]+|nan) S:\s*(-?[\d.]+|nan)\s+I:\s*(-?[\d.]+) LUFS", said)
    assert len(theirs) >= len(ours) - 1
    compared = 0
    for mine, other in zip(ours[36:], theirs[35:], strict=False):  # ours come 100 ms later
        for value, text in zip(mine, other, strict=True):
            if value is not None and value > -60:
                assert value == pytest.approx(float(text), abs=0.5)
                compared += 1
    assert compared > 300


def _ffmpeg(path: pathlib.Path, filters: str, *options: str) -> str:
    return subprocess.run(
        ["ffmpeg", "-nostats", *options, "-i", path, "-af", filters, "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
