"""Files decoded ahead by a thread: in place, round the ring, and broken by name."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from queue import SimpleQueue

import numpy as np
import pytest

from loa_endpoint.audio.file_sound import CAPACITY, LEAD, FileSound
from loa_endpoint.audio.notice import Notice
from loa_sound.blocks import CHUNK, RATE, Samples
from loa_sound.decoder import decode
from support.sound_files import chirp, to_pcm, write, write_wav
from support.waiting import soon

Queue = SimpleQueue[Notice]


@pytest.fixture
def notices() -> Queue:
    return SimpleQueue()


@pytest.fixture
def media(tmp_path: pathlib.Path) -> pathlib.Path:
    return write_wav(tmp_path / "x.wav", chirp(20))


@pytest.fixture
def sound(media: pathlib.Path, notices: Queue) -> Iterator[FileSound]:
    sound = FileSound("x", media, notices, gain=1.0)
    yield sound
    sound.close()


def read(sound: FileSound, position: int, count: int) -> Samples:
    out = np.zeros(count, dtype=np.float32)
    sound.wait(position)
    assert sound.read(position, out) == count
    return out


def finish_of(sound: FileSound) -> int:
    soon(lambda: sound.finish)
    assert sound.finish is not None
    return sound.finish


def whole(path: pathlib.Path) -> Samples:
    return np.concatenate(list(decode(path)))


def test_reading_through_gives_the_file_however_often_the_ring_goes_round(
    sound: FileSound, media: pathlib.Path
) -> None:
    heard = np.concatenate([read(sound, at, CHUNK) for at in range(0, 20 * RATE, CHUNK)])
    assert np.array_equal(to_pcm(heard), to_pcm(chirp(20)))
    assert sound.finish == 20 * RATE
    assert sound.failure == ""


def test_the_ring_may_begin_anywhere(media: pathlib.Path, notices: Queue) -> None:
    first = 3 * RATE + 11  # far enough to be sought, so that no chunk lies on the ring's seam
    sound = FileSound("x", media, notices, gain=1.0, position=first)
    places = range(first, 12 * RATE, CHUNK - 100)
    heard = np.concatenate([read(sound, at, CHUNK - 100) for at in places])
    assert np.array_equal(heard, whole(media)[first:][: len(heard)])
    sound.close()


def test_what_the_ring_has_overwritten_is_decoded_again(
    sound: FileSound, media: pathlib.Path
) -> None:
    for at in range(0, 10 * RATE, CHUNK):
        read(sound, at, CHUNK)
    soon(lambda: sound.is_ready(11 * RATE))  # half of the ring ahead, at least
    assert not sound.is_ready(8 * RATE)
    sound.aim(8 * RATE)
    assert np.array_equal(read(sound, 8 * RATE, CHUNK), whole(media)[8 * RATE :][:CHUNK])


@pytest.mark.parametrize("position_s", [7, 20])
def test_a_place_that_it_does_not_come_to_is_not_waited_for(
    sound: FileSound, position_s: int
) -> None:
    for at in range(8 * RATE, 10 * RATE, CHUNK):
        sound.aim(at)
        read(sound, at, CHUNK)
    sound.wait(position_s * RATE)  # behind the ring, and beyond it: another voice may be there
    assert not sound.is_ready(position_s * RATE)


def test_what_lies_ahead_of_the_next_refill_is_waited_for(sound: FileSound) -> None:
    for at in range(0, 5 * RATE, CHUNK):
        read(sound, at, CHUNK)
    ahead = 5 * RATE + CAPACITY - CHUNK - LEAD
    sound.wait(ahead)
    assert sound.is_ready(ahead)


def test_opening_is_told_with_the_length(sound: FileSound, notices: Queue) -> None:
    assert notices.get(timeout=10) == Notice(sound, failed=False, duration_ms=20_000)


def test_it_decodes_ahead_and_no_further_than_it_has_room(sound: FileSound) -> None:
    soon(lambda: sound.is_ready(CAPACITY - LEAD - CHUNK))
    assert not sound.is_ready(CAPACITY)


def test_a_place_asked_for_in_advance_is_ready_there(media: pathlib.Path, notices: Queue) -> None:
    sound = FileSound("x", media, notices, gain=1.0, position=7 * RATE + 11)
    assert np.array_equal(read(sound, 7 * RATE + 11, 500), whole(media)[7 * RATE + 11 :][:500])
    assert not sound.is_ready(7 * RATE)
    sound.close()


@pytest.mark.parametrize("position", [RATE // 2, 4 * RATE, 15 * RATE + 3, 20 * RATE - 100])
def test_aiming_elsewhere_gets_there(sound: FileSound, media: pathlib.Path, position: int) -> None:
    read(sound, 0, CHUNK)
    sound.aim(position)
    count = min(1_000, 20 * RATE - position)
    assert np.array_equal(read(sound, position, count), whole(media)[position:][:count])


def test_the_last_of_several_aims_counts(sound: FileSound, media: pathlib.Path) -> None:
    for position in (15 * RATE, 3 * RATE, 9 * RATE, 12 * RATE + 5):
        sound.aim(position)
    assert np.array_equal(read(sound, 12 * RATE + 5, 1_000), whole(media)[12 * RATE + 5 :][:1_000])


def test_aiming_back_after_the_end_was_decoded_reads_on_to_the_end_again(
    sound: FileSound, media: pathlib.Path
) -> None:
    sound.aim(19 * RATE)
    assert finish_of(sound) == 20 * RATE
    sound.aim(10 * RATE)
    heard = np.concatenate([read(sound, at, CHUNK) for at in range(10 * RATE, 20 * RATE, CHUNK)])
    assert np.array_equal(heard, whole(media)[10 * RATE :])


def test_what_is_not_there_yet_is_not_read(sound: FileSound) -> None:
    sound.wait(0)
    out = np.full(CHUNK, 7, dtype=np.float32)
    assert sound.read(19 * RATE, out) == 0
    assert sound.read(-CHUNK, out) == 0
    assert (out == 7).all()


def test_the_end_is_a_short_read(sound: FileSound) -> None:
    sound.aim(20 * RATE - 100)
    sound.wait(20 * RATE - 100)
    assert sound.read(20 * RATE - 100, np.zeros(CHUNK, dtype=np.float32)) == 100


@pytest.mark.requirement("AUD-1")
def test_a_file_that_is_no_sound_fails_by_name(tmp_path: pathlib.Path, notices: Queue) -> None:
    path = tmp_path / "x.opus"
    path.write_text("no sound at all")
    sound = FileSound("x", path, notices, gain=1.0)
    assert notices.get(timeout=10).failed
    assert sound.finish == 0
    assert sound.failure.startswith("not_audio")


@pytest.mark.requirement("AUD-1")
@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "opus"])
def test_a_cut_file_plays_to_its_cut_and_says_so(
    tmp_path: pathlib.Path, notices: Queue, suffix: str
) -> None:
    path = write(tmp_path / f"x.{suffix}", chirp(2))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    sound = FileSound("x", path, notices, gain=1.0)
    finish = finish_of(sound)
    assert sound.failure.startswith("truncated")
    assert RATE // 2 < finish < 2 * RATE
    assert np.abs(read(sound, 0, CHUNK)).max() > 0.1
    sound.close()


def test_rot_in_the_middle_ends_it_there(tmp_path: pathlib.Path, notices: Queue) -> None:
    path = write(tmp_path / "x.mp3", chirp(8))
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) // 2)
    path.write_bytes(content)
    sound = FileSound("x", path, notices, gain=1.0)
    for at in range(0, 3 * RATE, CHUNK):
        read(sound, at, CHUNK)
    finish = finish_of(sound)
    assert sound.failure.split(":")[0] in ("damaged", "truncated")
    assert 3 * RATE < finish < 5 * RATE
    sound.close()


def test_a_file_that_holds_more_than_it_says_is_played_to_its_end(
    tmp_path: pathlib.Path, notices: Queue
) -> None:
    path = write(tmp_path / "x.flac", chirp(2))
    content = bytearray(path.read_bytes())
    at = content.index(b"fLaC") + 22
    content[at : at + 4] = RATE.to_bytes(4, "big")
    path.write_bytes(content)
    sound = FileSound("x", path, notices, gain=1.0)
    assert finish_of(sound) == 2 * RATE
    assert sound.failure == ""
    sound.close()
