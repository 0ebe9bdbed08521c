"""Where silence is cut off: FFmpeg's silencedetect is the judge, on real files of every format."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_sound.decoder import decode
from loa_sound.outline import STEP_MS, Outline, outline_of
from loa_sound.quality import examine_file
from loa_sound.transcode import transcode_to_opus
from loa_sound.trimming import KEEP_BEFORE_MS, KEEP_BEHIND_MS, plan_cut
from support.sound_files import RATE, Wave, chirp, noise, tone, write, write_wav

FILTER = "aresample=48000:ochl=mono,silencedetect=n=-60dB:d=0.02"


def padded(before_s: float, behind_s: float, sound: Wave | None = None) -> Wave:
    quiet = [np.zeros(round(s * RATE), dtype=np.float32) for s in (before_s, behind_s)]
    return np.concatenate((quiet[0], chirp(1.5) if sound is None else sound, quiet[1]))


def silences(path: Path) -> list[tuple[float, float]]:
    """Return what FFmpeg calls silent for 20 ms and more, mixed to mono, in seconds."""
    told = subprocess.run(
        ["ffmpeg", "-hide_banner", "-nostats", "-i", path, "-af", FILTER, "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    starts = [float(each) for each in re.findall(r"silence_start: (-?[\d.]+)", told)]
    ends = [float(each) for each in re.findall(r"silence_end: (-?[\d.]+)", told)]
    return list(zip(starts, ends, strict=True))


@pytest.mark.needs("ffmpeg")
@pytest.mark.requirement("AUD-2")
@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "m4a", "opus"])
def test_the_cut_lies_where_ffmpeg_hears_the_first_and_last_sound(
    tmp_path: Path, suffix: str
) -> None:
    # a chirp that begins and ends at once: what codecs smear around it stays below 5 ms
    hard = tone(1.0, 700, 0.5)
    path = write(tmp_path / f"x.{suffix}", padded(0.8, 0.6, hard))
    outline = examine_file(path).outline
    cut = plan_cut(outline)
    first, last = silences(path)[0], silences(path)[-1]
    assert abs(cut.before_ms - (first[1] * 1000 - KEEP_BEFORE_MS)) <= 2
    assert abs((cut.length - cut.end) / 48 - ((last[1] - last[0]) * 1000 - KEEP_BEHIND_MS)) <= 30


@pytest.mark.needs("ffmpeg")
@pytest.mark.requirement("AUD-2")
def test_of_a_trimmed_file_ffmpeg_finds_no_silent_end_and_no_lost_sound(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "x.wav", padded(1.2, 2.3))
    outline = examine_file(source).outline
    transcode_to_opus(source, tmp_path / "x.opus", 64_000, cut=plan_cut(outline))
    heard = np.concatenate(list(decode(tmp_path / "x.opus")))
    whole = np.concatenate(list(decode(source)))
    for start, end in silences(tmp_path / "x.opus"):
        assert end - start <= KEEP_BEHIND_MS / 1000 + 0.005
    kept = whole[outline.first - KEEP_BEFORE_MS * 48 : outline.last + KEEP_BEHIND_MS * 48]
    assert abs(len(heard) - len(kept)) <= 48
    alike = heard[: len(kept)] @ kept[: len(heard)] / np.linalg.norm(heard) / np.linalg.norm(kept)
    assert alike > 0.98


@given(st.integers(0, 30_000), st.integers(0, 30_000), st.lists(st.integers(1, 9_000), max_size=5))
def test_no_cut_touches_a_sound(before: int, behind: int, pieces: list[int]) -> None:
    parts = [np.zeros(before, dtype=np.float32)]
    for at, size in enumerate(pieces):
        parts.append(np.full(size, 0.0 if at % 2 else 0.1, dtype=np.float32))
    sound = np.concatenate([*parts, np.zeros(behind, dtype=np.float32)])
    cut = plan_cut(outline_of(sound))
    assert not sound[: cut.start].any()
    assert not sound[cut.end :].any()
    assert cut.length == len(sound)
    if not pieces:
        assert not cut, "what is silent throughout is left to whoever recorded it"


@given(st.binary(max_size=64), st.integers(1, 700))
def test_an_outline_does_not_depend_on_how_the_sound_comes(seed: bytes, size: int) -> None:
    from loa_sound.outline import OutlineMeter

    sound = (np.frombuffer(seed * 100, dtype=np.uint8) / 256 - 0.5).astype(np.float32)
    meter = OutlineMeter()
    for at in range(0, len(sound), size * 7):
        meter.feed(sound[at : at + size * 7])
    found, whole = meter.finish(), outline_of(sound)
    assert (found.first, found.last, found.samples) == (whole.first, whole.last, whole.samples)
    assert np.array_equal(found.peaks, whole.peaks)
    assert len(found.peaks) == -(-len(sound) // (48 * STEP_MS))


def test_short_ends_are_not_worth_coding_anew() -> None:
    assert not plan_cut(outline_of(padded(0.09, 0.12)))
    assert plan_cut(outline_of(padded(0.09, 0.12)), worth_ms=0)


def test_noise_below_the_threshold_counts_as_silence_and_above_it_as_sound() -> None:
    room = noise(0.5, 10 ** (-80 / 20))
    assert plan_cut(outline_of(np.concatenate((room, chirp(1), room)))).before_ms > 450
    hum = noise(0.5, 10 ** (-50 / 20))
    assert not plan_cut(outline_of(np.concatenate((hum, chirp(1), hum))))


def test_pauses_are_those_between_first_and_last_sound() -> None:
    gap = np.zeros(2 * RATE, dtype=np.float32)
    sound = np.concatenate((gap, tone(1), gap, tone(1), gap))
    assert outline_of(sound).pauses(500) == [(3000, 5000)]


def test_bars_are_the_peaks_of_equal_parts() -> None:
    sound = np.concatenate((tone(1, level=0.25), tone(1, level=0.5), np.zeros(RATE))).astype(
        np.float32
    )
    assert outline_of(sound).bars(3) == pytest.approx([0.25, 0.5, 0], abs=0.001)
    assert len(outline_of(np.zeros(0, dtype=np.float32)).bars(3)) == 0
    assert len(outline_of(tone(0.02)).bars(100)) == 2
    assert Outline(np.array([9.0], dtype=np.float32), 480, 0, 480).bars(1) == [1.0]
