"""What a file is like, and its way into Opus."""

from __future__ import annotations

import hashlib
import pathlib

import numpy as np
import pytest

from loa_sound.errors import SoundError
from loa_sound.measure import measure_file
from loa_sound.transcode import transcode_to_opus
from support.sound_files import chirp, tone, write, write_wav


def test_a_measurement_tells_the_facts_of_the_file(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "x.flac", np.stack([tone(2, rate=44_100)] * 2), 44_100)
    facts = measure_file(path)
    assert (facts.codec, facts.container) == ("flac", "flac")
    assert (facts.sample_rate, facts.channels, facts.duration_ms) == (44_100, 2, 2_000)


@pytest.mark.requirement("AUD-2")
def test_loudness_is_that_of_the_one_horn_whatever_the_channels(tmp_path: pathlib.Path) -> None:
    one = tone(3, 997, 0.1)
    mono = measure_file(write(tmp_path / "mono.flac", one))
    stereo = measure_file(write(tmp_path / "stereo.flac", np.stack([one, one])))
    assert mono.integrated_lufs == pytest.approx(-23.0, abs=0.1)
    assert stereo.integrated_lufs == pytest.approx(mono.integrated_lufs, abs=0.05)
    assert stereo.true_peak_dbtp == pytest.approx(-20, abs=0.1)


def test_silence_at_the_start_and_inside_is_told(tmp_path: pathlib.Path) -> None:
    quiet = np.zeros(48_000, dtype=np.float32)
    sound = np.concatenate([quiet[:24_000], tone(1), quiet, tone(1)])
    facts = measure_file(write_wav(tmp_path / "x.wav", sound))
    assert facts.leading_silence_ms == pytest.approx(500, abs=2)
    assert facts.longest_gap_ms == pytest.approx(1_000, abs=2)


def test_a_silent_file_has_no_loudness(tmp_path: pathlib.Path) -> None:
    path = write_wav(tmp_path / "x.wav", np.zeros(96_000, dtype=np.float32))
    facts = measure_file(path)
    assert facts.integrated_lufs is None
    assert facts.longest_gap_ms == facts.leading_silence_ms == 2_000


def test_a_broken_file_is_refused_with_its_place_and_reason(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "x.opus", chirp(4))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(SoundError) as caught:
        measure_file(path)
    assert (caught.value.reason, caught.value.path) == ("truncated", path)
    assert str(path) in str(caught.value)


# --- Opus


@pytest.mark.parametrize("suffix", ["wav", "mp3", "m4a", "opus"])
def test_any_sound_becomes_mono_opus_of_the_same_length_and_loudness(
    tmp_path: pathlib.Path, suffix: str
) -> None:
    source = write(tmp_path / f"x.{suffix}", chirp(3))
    transcode_to_opus(source, tmp_path / "y.opus", 48_000)
    before, after = measure_file(source), measure_file(tmp_path / "y.opus")
    assert (after.codec, after.container, after.channels) == ("opus", "ogg", 1)
    assert after.duration_ms == before.duration_ms
    assert after.integrated_lufs == pytest.approx(before.integrated_lufs, abs=0.5)


def test_the_bit_rate_is_what_was_asked_for(tmp_path: pathlib.Path) -> None:
    source = write_wav(tmp_path / "x.wav", np.tile(chirp(5), 4))
    sizes = {}
    for rate in (16_000, 64_000):
        transcode_to_opus(source, tmp_path / "y.opus", rate)
        sizes[rate] = (tmp_path / "y.opus").stat().st_size * 8 / 20
    assert sizes[16_000] < 24_000
    assert sizes[16_000] < sizes[64_000] < 90_000


def test_the_same_sound_has_the_same_hash(tmp_path: pathlib.Path) -> None:
    source = write_wav(tmp_path / "x.wav", chirp(2))
    hashes = set()
    for name in ("a.opus", "b.opus"):
        transcode_to_opus(source, tmp_path / name)
        hashes.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(hashes) == 1


def test_a_refused_source_leaves_what_was_there(tmp_path: pathlib.Path) -> None:
    source, target = write(tmp_path / "x.mp3", chirp(4)), tmp_path / "y.opus"
    source.write_bytes(source.read_bytes()[:10_000])
    target.write_bytes(b"before")
    with pytest.raises(SoundError):
        transcode_to_opus(source, target)
    assert target.read_bytes() == b"before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.mp3", "y.opus"]


def test_a_sound_beyond_full_scale_is_encoded_without_wrapping_round(
    tmp_path: pathlib.Path,
) -> None:
    source = write(tmp_path / "x.wav", tone(1, 300, 3.0), codec="pcm_f32le")
    transcode_to_opus(source, tmp_path / "y.opus")
    assert measure_file(tmp_path / "y.opus").true_peak_dbtp < 3


@pytest.mark.parametrize("rate", [0, 5_999, 256_001])
def test_a_bit_rate_that_opus_has_not_is_a_mistake(tmp_path: pathlib.Path, rate: int) -> None:
    with pytest.raises(ValueError, match="bit rate"):
        transcode_to_opus(tmp_path / "x.wav", tmp_path / "y.opus", rate)
