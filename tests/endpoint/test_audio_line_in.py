"""The line-in: real time in, whatever its writer does."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.audio.line_in import (
    EXCESS,
    LOOK_AGAIN,
    SPARE,
    FifoCapture,
    LineIn,
    PatientCapture,
)
from loa_protocol.errors import ConfigError
from loa_sound.blocks import CHUNK, RATE, Samples
from support.sound_files import noise, to_pcm, tone

DELAY = CHUNK + SPARE


class Script:
    """A capture that gives what the test says."""

    def __init__(self) -> None:
        self.next = b""
        self.gone = False

    def take(self) -> bytes:
        if self.gone:
            raise OSError(19, "No such device")
        data, self.next = self.next, b""
        return data

    def close(self) -> None:
        self.gone = True


def feed(line: LineIn, script: Script, sound: Samples) -> Samples:
    """Let *sound* arrive in blocks, and return what is heard meanwhile."""
    heard = []
    for at in range(0, len(sound), CHUNK):
        script.next = to_pcm(sound[at : at + CHUNK]).tobytes()
        line.pump(CHUNK)
        out = np.full(CHUNK, np.nan, dtype=np.float32)
        assert line.read(0, out) == CHUNK
        heard.append(out)
    return np.concatenate(heard)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def line(script: Script) -> LineIn:
    return LineIn(script, CHUNK)


def test_what_arrives_is_heard_a_constant_time_later(line: LineIn, script: Script) -> None:
    sound = noise(3)
    heard = feed(line, script, sound)
    delay = CHUNK * 2  # in whole blocks, the first in which DELAY is in hand
    assert not heard[: delay - CHUNK].any()
    assert np.array_equal(to_pcm(heard[delay:]), to_pcm(sound[CHUNK : len(sound) - delay + CHUNK]))


def test_without_a_writer_it_is_silent_and_says_so(line: LineIn) -> None:
    for _ in range(10):
        line.pump(CHUNK)
        out = np.ones(CHUNK, dtype=np.float32)
        assert line.read(0, out) == CHUNK
        assert not out.any()
    level = line.take_level()
    assert level is not None
    assert (level.rms_dbfs, level.flatness) == (-120.0, 0.0)


@pytest.mark.requirement("RAD-6")
def test_levels_come_ten_times_a_second_sounding_or_not(line: LineIn, script: Script) -> None:
    levels = []
    for _ in range(20):
        script.next = to_pcm(tone(0.1, 1000, 0.1)).tobytes()
        line.pump(CHUNK)
        levels.append(line.take_level())
    assert None not in levels
    assert levels[5] is not None
    assert levels[5].rms_dbfs == pytest.approx(-23, abs=0.2)


def test_a_level_is_of_all_that_came_since_the_one_before(line: LineIn, script: Script) -> None:
    for sound in (tone(0.1, 1000, 0.1), noise(0.1, 0.0), noise(0.1, 0.0), noise(0.1, 0.0)):
        script.next = to_pcm(sound).tobytes()
        line.pump(CHUNK)
    level = line.take_level()
    assert level is not None
    assert level.rms_dbfs == pytest.approx(-23 - 6, abs=0.2)  # a quarter of the power
    assert line.take_level() is None


def test_two_seconds_that_nobody_took_are_still_there(tmp_path: pathlib.Path) -> None:
    fifo = FifoCapture(tmp_path / "fm")
    writer = os.open(tmp_path / "fm", os.O_WRONLY | os.O_NONBLOCK)
    sound = to_pcm(noise(2)).tobytes()
    assert os.write(writer, sound) == len(sound)
    assert fifo.take() == sound
    os.close(writer)
    fifo.close()


def test_a_gap_of_the_writer_is_silence_without_a_click(line: LineIn, script: Script) -> None:
    sound = tone(2, 1001.3)  # no whole number of periods in a second
    heard = np.concatenate(
        [
            feed(line, script, sound[:S]),
            *(_starve(line) for _ in range(4)),
            feed(line, script, sound[:S]),
        ]
    )
    assert np.abs(np.diff(heard)).max() < 0.02
    quiet = np.abs(heard.reshape(-1, 480)).max(axis=1) < 1e-4
    assert quiet.sum() >= 20  # at least 200 ms of the 400


S = RATE


def _starve(line: LineIn) -> Samples:
    line.pump(CHUNK)
    out = np.full(CHUNK, np.nan, dtype=np.float32)
    line.read(0, out)
    return out


def test_a_burst_does_not_make_the_delay_grow(line: LineIn, script: Script) -> None:
    feed(line, script, tone(1))
    script.next = to_pcm(tone(0.6)).tobytes()
    line.pump(CHUNK)
    out = np.zeros(CHUNK, dtype=np.float32)
    line.read(0, out)
    heard = feed(line, script, noise(2))
    late = np.argmax(np.abs(heard) > 0.11)  # the tone's peak is 0.1: the first of the noise
    assert late <= DELAY + EXCESS


def test_while_it_is_not_heard_it_holds_only_its_delay(line: LineIn, script: Script) -> None:
    for _ in range(20):
        script.next = to_pcm(tone(0.1)).tobytes()
        line.pump(CHUNK)
    sound = noise(1, 0.05) + 0.5
    heard = feed(line, script, sound)
    # In hand were a block and a bit; a block of it went when the first new one came.
    assert np.argmax(heard > 0.3) == SPARE


@given(st.lists(st.integers(0, 25_000), min_size=1, max_size=12))
def test_any_portions_even_odd_ones_are_taken(sizes: list[int]) -> None:
    script = Script()
    line = LineIn(script, CHUNK)
    rng = np.random.default_rng(3)
    for size in sizes:
        script.next = rng.bytes(size)
        line.pump(CHUNK)
        out = np.full(CHUNK, np.nan, dtype=np.float32)
        assert line.read(0, out) == CHUNK
        assert np.abs(out).max() <= 1.0
        line.take_level()


def test_odd_portions_lose_no_sample(line: LineIn, script: Script) -> None:
    sound, rng = noise(3), np.random.default_rng(4)
    wire, heard = to_pcm(sound).tobytes(), []
    while wire:
        size = int(rng.integers(CHUNK * 2 - 101, CHUNK * 2 + 101))
        script.next, wire = wire[:size], wire[size:]
        line.pump(CHUNK)
        out = np.zeros(CHUNK, dtype=np.float32)
        line.read(0, out)
        heard.append(to_pcm(out))
    found = np.concatenate(heard)[2 * CHUNK : 20 * CHUNK]
    assert found.tobytes() in to_pcm(sound).tobytes()


# --- FIFO


@pytest.fixture
def fifo(tmp_path: pathlib.Path) -> Iterator[FifoCapture]:
    capture = FifoCapture(tmp_path / "fm")
    yield capture
    capture.close()


def test_a_fifo_is_made_where_none_is_and_never_waits(fifo: FifoCapture) -> None:
    assert fifo.take() == b""


def test_writers_come_and_go(fifo: FifoCapture, tmp_path: pathlib.Path) -> None:
    for word in (b"one", b"two"):
        with (tmp_path / "fm").open("wb", buffering=0) as writer:
            writer.write(word)
        assert fifo.take() == word
        assert fifo.take() == b""


def test_what_is_no_fifo_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for name in ("file", "no/such/folder"):
        with pytest.raises(ConfigError, match=name.split("/", maxsplit=1)[0]):
            FifoCapture(tmp_path / name)


def test_a_fifo_that_was_replaced_is_noticed(fifo: FifoCapture, tmp_path: pathlib.Path) -> None:
    (tmp_path / "fm").unlink()
    os.mkfifo(tmp_path / "fm")
    assert {fifo.take() for _ in range(LOOK_AGAIN - 1)} == {b""}
    with pytest.raises(OSError, match="replaced"):
        fifo.take()


def test_a_quiet_fifo_stays(fifo: FifoCapture) -> None:
    assert {fifo.take() for _ in range(5 * LOOK_AGAIN)} == {b""}


def test_a_capture_that_is_away_is_told_once_and_found_again(tmp_path: pathlib.Path) -> None:
    patient = PatientCapture(lambda: FifoCapture(tmp_path / "board" / "fm"))
    for _ in range(2):
        assert len(faults_of(patient)) == 1
        assert faults_of(patient) == []
        (tmp_path / "board").mkdir()
        assert faults_of(patient) == []
        with (tmp_path / "board" / "fm").open("wb", buffering=0) as writer:
            writer.write(b"sound")
        assert patient.take() == b"sound"
        (tmp_path / "board" / "fm").unlink()
        (tmp_path / "board").rmdir()


def faults_of(patient: PatientCapture) -> list[str]:
    """Take for a while, and return what was told."""
    told = []
    for _ in range(3 * LOOK_AGAIN):
        try:
            assert patient.take() == b""
        except OSError as error:
            told.append(str(error))
    return told


def test_a_device_that_goes_is_an_error_for_the_loop(line: LineIn, script: Script) -> None:
    script.gone = True
    with pytest.raises(OSError, match="No such device"):
        line.pump(CHUNK)


def test_closing_gives_the_device_back(tmp_path: pathlib.Path) -> None:
    before = len(list(pathlib.Path("/proc/self/fd").iterdir()))
    LineIn(FifoCapture(tmp_path / "fm"), CHUNK).close()
    assert len(list(pathlib.Path("/proc/self/fd").iterdir())) == before
