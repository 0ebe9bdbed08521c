"""The ear follows a growing WAV file, whatever its writer does with it."""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loa_hwsim.ear import Ear

HEAD = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 48_000, 96_000, 2, 16)
HEAD += b"data\0\0\0\0"


def pcm(*values: int) -> bytes:
    return np.array(values, "<i2").tobytes()


def heard(ear: Ear) -> list[int]:
    return [round(float(value) * 32768) for value in ear.listen()]


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "horn.wav"


def test_only_what_is_added_while_it_listens_has_sounded(path: Path) -> None:
    path.write_bytes(HEAD + pcm(1, 2, 3))
    ear = Ear(path)
    assert heard(ear) == []
    append(path, pcm(4, 5))
    assert heard(ear) == [4, 5]
    assert heard(ear) == []


def test_a_file_that_appears_later_is_heard_from_its_beginning(path: Path) -> None:
    ear = Ear(path)
    assert heard(ear) == []
    path.write_bytes(HEAD + pcm(1, 2, 3))
    assert heard(ear) == [1, 2, 3]


def test_a_file_begun_anew_is_heard_from_its_beginning(path: Path) -> None:
    path.write_bytes(HEAD + pcm(1, 2, 3, 4, 5, 6))
    ear = Ear(path)
    append(path, pcm(7))
    assert heard(ear) == [7]
    path.unlink()
    assert heard(ear) == []
    path.write_bytes(HEAD + pcm(8, 9))
    assert heard(ear) == [8, 9]


def test_a_file_cut_short_in_place_is_heard_from_its_beginning(path: Path) -> None:
    path.write_bytes(HEAD + pcm(*range(100)))
    ear = Ear(path)
    with path.open("wb") as file:
        file.write(HEAD + pcm(5))
    assert heard(ear) == [5]


def test_an_unfinished_head_and_half_a_sample_are_waited_for(path: Path) -> None:
    ear = Ear(path)
    path.write_bytes(HEAD[:30])
    assert heard(ear) == []
    append(path, HEAD[30:] + pcm(1, 2)[:3])
    assert heard(ear) == [1]
    append(path, pcm(1, 2)[3:] + pcm(3))
    assert heard(ear) == [2, 3]


def test_half_a_sample_at_the_start_does_not_shift_the_rest(path: Path) -> None:
    path.write_bytes(HEAD + pcm(1, 2)[:3])
    ear = Ear(path)
    append(path, pcm(1, 2)[3:] + pcm(3))
    assert heard(ear) == [2, 3]


def test_of_a_long_piece_the_last_second_is_heard(path: Path) -> None:
    path.write_bytes(HEAD)
    ear = Ear(path)
    append(path, pcm(*([1] * 60_000), *([2] * 48_000)))
    assert heard(ear) == [2] * 48_000
    assert heard(ear) == []


def test_another_form_makes_it_deaf_until_a_new_file_comes(path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(pcm(1, 2))
    ear = Ear(path)
    assert ear.is_deaf
    append(path, pcm(1, 2))
    assert heard(ear) == []
    path.unlink()
    path.write_bytes(HEAD + pcm(3))
    assert heard(ear) == [3]
    assert not ear.is_deaf


def test_what_is_no_sound_file_makes_it_deaf(path: Path) -> None:
    path.write_bytes(b"not a sound")
    assert Ear(path).is_deaf


def test_it_hears_what_pythons_own_writer_writes(path: Path) -> None:
    ear = Ear(path)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframesraw(pcm(1, 2))
    assert heard(ear) == [1, 2]


def test_it_lets_go_of_the_file(path: Path) -> None:
    path.write_bytes(HEAD)
    ear = Ear(path)
    ear.close()
    ear.close()


@settings(max_examples=40)
@given(pieces=st.lists(st.binary(max_size=50), max_size=8))
def test_any_growth_is_heard_whole(
    pieces: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("ear") / "horn.wav"
    path.write_bytes(HEAD)
    ear = Ear(path)
    got: list[int] = []
    for piece in pieces:
        append(path, piece)
        got += heard(ear)
    whole = b"".join(pieces)
    ear.close()
    assert got == list(np.frombuffer(whole[: len(whole) // 2 * 2], "<i2"))
