"""The file that says what is on air, and the WAV files beside it."""

from __future__ import annotations

import struct
import wave
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuzz.fuzz_wave_file import fuzz
from loa_hwsim.air_file import load_air, map_wave
from loa_hwsim.wave_file import HEAD_LIMIT, WaveHead, read_head
from loa_protocol.errors import ConfigError, MessageError

GOOD = """
[[transmitter]]
frequency_khz = 91000
pi = "7301"
ps = "LANGSON"
level_dbuv = 48.5
radiotext = "Đài truyền thanh"

[[transmitter.programme]]
start_ms = 2000
file = "b.wav"

[[transmitter.programme]]
start_ms = 1000
file = "a.wav"

[[transmitter]]
frequency_khz = 65000
pi = "12af"
ps = "HUU LUNG"
level_dbuv = 30
stereo = true
rds = false
utc_offset_min = -210
"""


def write_wave(path: Path, count: int = 480, *, rate: int = 48_000, channels: int = 1) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.arange(count * channels, dtype="<i2").tobytes())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_wave(tmp_path / "a.wav")
    write_wave(tmp_path / "b.wav")
    return tmp_path


def air(folder: Path, text: str) -> Path:
    path = folder / "air.toml"
    path.write_text(text, encoding="utf-8")
    return path


def faults_of(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load_air(air(folder, text))
    return caught.value.faults


def test_transmitters_are_read_with_their_programmes_in_order(folder: Path) -> None:
    first, second = load_air(air(folder, GOOD))
    assert (first.frequency_khz, first.pi, first.ps) == (91_000, 0x7301, "LANGSON")
    assert (first.level_dbuv, first.radiotext) == (48.5, "Đài truyền thanh")
    assert (first.rds, first.stereo, first.utc_offset) == (True, False, timedelta(hours=7))
    assert [piece.start_ms for piece in first.programmes] == [1000, 2000]
    assert list(first.programmes[0].samples[:3]) == [0, 1, 2]
    assert (second.pi, second.rds, second.stereo) == (0x12AF, False, True)
    assert second.utc_offset == timedelta(hours=-3.5)


def test_every_fault_of_the_file_is_listed(folder: Path) -> None:
    write_wave(folder / "fast.wav", rate=96_000)
    write_wave(folder / "wide.wav", channels=2)
    (folder / "text.wav").write_text("this is not sound at all")
    text = """
    [[transmitter]]
    frequency_khz = 91
    pi = "730"
    ps = "NINE LETTERS"
    level_dbuv = "loud"
    power = 30
    """ + "".join(
        f'[[transmitter.programme]]\nstart_ms = 1\nfile = "{name}"\n'
        for name in ("none.wav", "fast.wav", "wide.wav", "text.wav")
    )
    found = "\n".join(faults_of(folder, text))
    for complaint in (
        "transmitter 1: frequency_khz must be",
        "transmitter 1: pi must be four",
        "transmitter 1: ps must be a text of 1 to 8",
        "transmitter 1: level_dbuv must be",
        "transmitter 1: unknown key 'power'",
        "transmitter 1: programme 1: none.wav: ",
        "transmitter 1: programme 2: fast.wav: must hold 16-bit mono",
        "transmitter 1: programme 3: wide.wav: must hold 16-bit mono",
        "transmitter 1: programme 4: text.wav: wave file: no RIFF",
    ):
        assert complaint in found


def test_two_transmitters_on_one_frequency_are_refused(folder: Path) -> None:
    twice = GOOD.replace("65000", "91000")
    assert faults_of(folder, twice) == ("two transmitters on 91000 kHz",)


def test_a_missing_file_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_air(folder / "none.toml")


def test_an_unfinished_file_counts_as_far_as_it_goes(folder: Path) -> None:
    path = folder / "a.wav"
    data = path.read_bytes()
    path.write_bytes(data[:40] + struct.pack("<I", 0xFFFFFFFF) + data[44:-1])
    assert len(map_wave(path)) == 479


def test_a_file_without_samples_is_silence(folder: Path) -> None:
    write_wave(folder / "empty.wav", 0)
    assert len(map_wave(folder / "empty.wav")) == 0


def test_the_head_is_the_one_that_python_writes(folder: Path) -> None:
    head = read_head((folder / "a.wav").read_bytes())
    assert head == WaveHead(rate=48_000, channels=1, bits=16, start=44, claimed=960)
    assert head.is_ours


def test_pieces_before_the_samples_are_passed_over(folder: Path) -> None:
    data = (folder / "a.wav").read_bytes()
    note = b"LIST" + struct.pack("<I", 5) + b"about" + b"\0"  # odd lengths are padded
    head = read_head(data[:12] + note + data[12:])
    assert head is not None
    assert head.start == 44 + len(note)


@given(st.integers(0, 43))
def test_an_incomplete_head_is_waited_for(length: int) -> None:
    whole = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 48_000, 96_000, 2, 16)
    whole += b"data" + struct.pack("<I", 0)
    assert read_head(whole[:length]) is None
    assert read_head(whole) is not None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"OggS", "no RIFF"),
        (b"RIFF\0\0\0\0AVI ", "no RIFF"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "before their form"),
        (b"RIFF\0\0\0\0WAVE" + b"LIST" + struct.pack("<I", HEAD_LIMIT), "no samples within"),
        (
            b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 3, 1, 48_000, 0, 4, 32),
            "not integer",
        ),
    ],
)
def test_what_is_not_a_sound_file_is_named(data: bytes, why: str) -> None:
    with pytest.raises(MessageError, match=why):
        read_head(data)


@given(st.binary(max_size=80))
@example(b"fmt \x10\0\0\0\x01\0\x01\0\x80\xbb\0\0\0\x77\x01\0\x02\0\x10\0data\xff\xff\xff\xff")
def test_any_bytes_raise_nothing_but_named_errors(data: bytes) -> None:
    fuzz(data)
