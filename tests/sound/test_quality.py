"""What is the matter with a recording: found in real files, and never in clean ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from loa_sound.quality import Finding, Trouble, examine_file
from support.sound_files import RATE, Wave, chirp, noise, tone, write, write_wav


def troubles(path: Path) -> dict[Trouble, Finding]:
    return {each.trouble: each for each in examine_file(path).findings}


def loud(seconds: float = 4.0, gain: float = 1.0) -> Wave:
    """Make a sound that fills the scale and whose peaks *gain* pushes through its top."""
    sound = sum(tone(seconds, hz, 0.3) for hz in (220, 331, 467))
    assert isinstance(sound, np.ndarray)
    peak = float(np.abs(sound).max())
    clipped: Wave = np.clip(sound / peak * gain, -1, 1).astype(np.float32)
    return clipped


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "opus", "m4a"])
def test_clean_sound_at_full_scale_is_not_called_clipped(tmp_path: Path, suffix: str) -> None:
    assert troubles(write(tmp_path / f"x.{suffix}", loud(gain=0.98))) == {}


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "opus", "m4a"])
def test_clipped_sound_is_called_so_whatever_it_was_coded_as(tmp_path: Path, suffix: str) -> None:
    quiet = loud(2.0, 0.3)
    path = write(tmp_path / f"x.{suffix}", np.concatenate((quiet, loud(2.0, 2.5))))
    found = troubles(path)[Trouble.CLIPPED]
    assert found.amount > 20
    assert 1980 < found.at_ms < 2500


def test_a_clean_low_tone_at_full_scale_is_not_clipped(tmp_path: Path) -> None:
    assert troubles(write_wav(tmp_path / "x.wav", tone(2, 80, 1.0))) == {}


def test_a_flat_top_across_two_frames_is_found_once(tmp_path: Path) -> None:
    sound = np.full(8192, 0.5, dtype=np.float32) * np.tile([1, -1], 4096).astype(np.float32)
    sound[4094:4098] = 1.0  # two samples on either side of a border of frames
    found = examine_file(write_wav(tmp_path / "x.wav", sound)).channels
    assert (found.clipped_runs, found.clipped_ms) == (1, (85,))


def test_stereo_that_vanishes_in_mono_is_found_and_true_stereo_is_not(tmp_path: Path) -> None:
    voice = chirp(2)
    against = write(tmp_path / "a.wav", np.stack((voice, -0.9 * voice)))
    assert troubles(against)[Trouble.ANTIPHASE].amount > 2000
    beside = np.stack((voice, noise(2, 0.1)))
    assert Trouble.ANTIPHASE not in troubles(write(tmp_path / "b.wav", beside))
    one_side = np.stack((voice, np.zeros_like(voice)))
    assert Trouble.ANTIPHASE not in troubles(write(tmp_path / "c.wav", one_side))
    mp3 = write(tmp_path / "d.mp3", np.stack((voice, -voice * 0.95)))
    assert Trouble.ANTIPHASE in troubles(mp3)


@pytest.mark.parametrize(
    ("sound", "trouble"),
    [
        (tone(3, level=0.005), Trouble.QUIET),
        (np.concatenate((tone(20, level=0.06), tone(20, level=0.5))), Trouble.WIDE_RANGE),
        (tone(2) + np.float32(0.05), Trouble.DC),
        (np.concatenate((tone(1), np.zeros(RATE * 4, dtype=np.float32), tone(1))),
         Trouble.MOSTLY_SILENT),
    ],
)  # fmt: skip
def test_each_trouble_is_found_alone(tmp_path: Path, sound: Wave, trouble: Trouble) -> None:
    assert set(troubles(write_wav(tmp_path / "x.wav", sound))) == {trouble}


def test_a_long_pause_is_named_with_its_place(tmp_path: Path) -> None:
    gap = np.zeros(RATE * 6, dtype=np.float32)
    path = write_wav(tmp_path / "x.wav", np.concatenate((tone(5), gap, tone(5))))
    assert troubles(path) == {Trouble.LONG_PAUSE: Finding(Trouble.LONG_PAUSE, 6000, 5000)}


def test_silent_ends_are_no_trouble_since_they_are_cut(tmp_path: Path) -> None:
    gap = np.zeros(RATE * 8, dtype=np.float32)
    assert troubles(write_wav(tmp_path / "x.wav", np.concatenate((gap, tone(3), gap)))) == {}


def test_what_is_silent_throughout_has_no_findings_but_its_silence(tmp_path: Path) -> None:
    examined = examine_file(write_wav(tmp_path / "x.wav", np.zeros(RATE, dtype=np.float32)))
    assert examined.outline.is_silent
    assert examined.findings == ()
