"""The WAV sink: whole at any moment, true to time over stalls, restarts and reboots."""

from __future__ import annotations

import json
import pathlib
import resource
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.audio.sink import HEADER_BYTES, NullSink, PcmBuffer, WavSink
from loa_protocol.errors import ConfigError, StoreError
from loa_sound.blocks import CHUNK, RATE
from support.sound_files import noise, read_wav, to_pcm, tone

NOW = 5_000_000_000_000


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "horn.wav"


def seconds(count: float) -> int:
    return round(count * 1_000_000_000)


def test_the_file_is_whole_after_every_block(path: pathlib.Path) -> None:
    sink, sound = WavSink(path, None, NOW), noise(0.5)
    assert len(read_wav(path)) == 0
    for at in range(0, len(sound), CHUNK):
        sink.write(at, sound[at : at + CHUNK])
        assert np.array_equal(read_wav(path), to_pcm(sound[: at + CHUNK]))  # read while it is open
    sink.close()


def test_samples_that_were_never_written_are_silence(path: pathlib.Path) -> None:
    sink, sound = WavSink(path, None, NOW), tone(0.1)
    sink.write(RATE, sound)
    heard = read_wav(path)
    assert not heard[:RATE].any()
    assert np.array_equal(heard[RATE:], to_pcm(sound))


def test_a_player_started_again_goes_on_in_the_same_time(path: pathlib.Path) -> None:
    first = WavSink(path, None, NOW)
    first.write(0, tone(0.1))
    again = WavSink(path, None, NOW + seconds(30))
    assert again.epoch_ns == first.epoch_ns == NOW
    other = WavSink(path, NOW + 77, NOW + seconds(40))  # the file knows better
    assert other.epoch_ns == NOW


def test_the_first_sample_of_a_new_file_may_be_told(path: pathlib.Path) -> None:
    assert WavSink(path, NOW - 500, NOW).epoch_ns == NOW - 500
    note = json.loads(pathlib.Path(f"{path}.epoch").read_text())
    assert note["epoch_ns"] == NOW - 500
    away = note["unix_ns"] - (time.time_ns() - time.monotonic_ns() + NOW - 500)
    assert abs(away) < seconds(1)


@pytest.mark.parametrize(
    "note", [None, "", "{}", "[]", '{"boot_id": "another", "epoch_ns": 5}', "\udcff"]
)
def test_after_a_reboot_the_file_goes_on_where_it_ended(
    path: pathlib.Path, note: str | None
) -> None:
    first = WavSink(path, None, NOW)
    for at in range(0, 2 * RATE, CHUNK):
        first.write(at, tone(0.1))
    beside = pathlib.Path(f"{path}.epoch")
    if note is None:
        beside.unlink()
    else:
        beside.write_bytes(note.encode(errors="surrogateescape"))
    later = seconds(100)  # the clock began again
    sink = WavSink(path, None, later)
    assert sink.epoch_ns == later - seconds(2)
    sink.write(2 * RATE, tone(0.1))
    assert len(read_wav(path)) == 2 * RATE + RATE // 10


def test_a_file_of_somebody_else_is_left_alone(path: pathlib.Path) -> None:
    for content in (b"#!/bin/sh\n" * 50, b"RIFF" + bytes(80), b"x"):
        path.write_bytes(content)
        with pytest.raises(ConfigError):
            WavSink(path, None, NOW)
        assert path.read_bytes() == content


def test_a_place_that_cannot_be_written_is_refused(tmp_path: pathlib.Path) -> None:
    for wrong in (tmp_path, tmp_path / "no" / "folder.wav"):
        with pytest.raises(ConfigError):
            WavSink(wrong, None, NOW)


def test_a_full_disk_is_told_and_what_comes_after_it_lies_in_its_place(path: pathlib.Path) -> None:
    sink, sound = WavSink(path, None, NOW), noise(0.3)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    sink.write(0, sound[:CHUNK])
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (HEADER_BYTES + 2 * CHUNK, hard))
        with pytest.raises(StoreError) as caught:
            sink.write(CHUNK, sound[CHUNK : 2 * CHUNK])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.where == str(path)
    sink.write(2 * CHUNK, sound[2 * CHUNK :])
    heard, wanted = read_wav(path), to_pcm(sound)
    assert np.array_equal(heard[:CHUNK], wanted[:CHUNK])
    assert not heard[CHUNK : 2 * CHUNK].any()
    assert np.array_equal(heard[2 * CHUNK :], wanted[2 * CHUNK :])


@given(st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=50))
def test_samples_are_rounded_and_never_wrap_round(values: list[float]) -> None:
    block = np.array(values, dtype=np.float32)
    pcm = np.frombuffer(PcmBuffer().convert(block), dtype="<i2")
    assert np.array_equal(pcm, to_pcm(block))


def test_every_16_bit_sample_comes_back_as_it_was() -> None:
    every = np.arange(-32768, 32768, dtype=np.int32)
    buffer = PcmBuffer()
    for at in range(0, len(every), CHUNK):
        part = every[at : at + CHUNK]
        back = np.frombuffer(buffer.convert((part / 32768).astype(np.float32)), dtype="<i2")
        assert np.array_equal(back, part)


def test_silence_is_as_long_as_what_was_silent() -> None:
    for length in (1, 960, CHUNK):
        assert bytes(PcmBuffer().convert(np.zeros(length, np.float32))) == bytes(2 * length)


def test_nowhere_takes_everything() -> None:
    sink = NullSink(NOW)
    sink.write(0, tone(0.1))
    sink.close()
    assert (sink.epoch_ns, sink.paces, sink.xruns) == (NOW, False, 0)
