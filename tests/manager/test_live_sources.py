"""Where a speaker's sound comes from: pipes, files, an encoder, a radio's server, a playlist."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_source_head import fuzz as fuzz_head
from fuzz.targets import seeds
from loa_manager.live.capture import FifoSource
from loa_manager.live.icecast import IcecastSource
from loa_manager.live.played import FileSource, PcmSource
from loa_manager.live.request_head import parse_head
from loa_manager.live.source import Source, SourceKind, SourceName, parse_source
from loa_manager.live.upstream import Upstream
from loa_manager.live.watch import BackOff, Flow, Watch
from loa_protocol.errors import ConfigError
from loa_sound.blocks import RATE, Samples
from loa_sound.streams.fetching import Way
from loa_sound.streams.reservoir import Room
from support.radio import encoder
from support.sound_card import config_of, make_card
from support.sound_files import noise, to_pcm, tone, write
from support.station import station
from support.waiting import soon


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


def listen(source: Source, seconds: float) -> Samples:
    """Take what comes until there are so many seconds of it."""
    parts: list[Samples] = []

    def is_enough() -> bool:
        parts.append(source.take(time.monotonic()))
        return sum(map(len, parts)) >= seconds * RATE or source.is_over

    soon(is_enough, within_s=20)
    return np.concatenate(parts)


# --- names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mic:USB Audio", SourceName(SourceKind.MIC, "USB Audio")),
        ("file:a:b.wav", SourceName(SourceKind.FILE, "a:b.wav")),
        ("-", SourceName(SourceKind.PCM, "")),
        ("icecast://:8700/live.ogg", SourceName(SourceKind.ICECAST, "/live.ogg", 8700)),
    ],
)
def test_a_source_is_named_by_its_kind(text: str, name: SourceName) -> None:
    assert parse_source(text) == name


@pytest.mark.parametrize(
    "text", ["", "mic:", "mic", "http://a", "icecast://:99999/a", "icecast://h:1/a", "icecast://:1"]
)
def test_what_names_no_source_is_answered_with_examples(text: str) -> None:
    with pytest.raises(ConfigError, match="icecast://:8700/live"):
        parse_source(text)


# --- pipes and files


def test_a_fifo_gives_what_was_written_whatever_the_portions(tmp_path: Path) -> None:
    source, sound = FifoSource(tmp_path / "micro"), tone(1, 440, 0.3)
    data = to_pcm(sound).tobytes()
    with (tmp_path / "micro").open("wb", buffering=0) as out:
        for at in range(0, 30_001, 10_001):  # odd: samples are cut in two
            out.write(data[at : at + 10_001])
    heard = listen(source, 0.3)
    assert np.abs(heard - sound[: len(heard)]).max() < 1e-4
    source.close()
    with pytest.raises(ConfigError):
        FifoSource(tmp_path)


def test_a_file_comes_as_fast_as_it_sounds_and_ends_with_a_whole_block(tmp_path: Path) -> None:
    source = FileSource(write(tmp_path / "a.flac", tone(2, 440, 0.3)))
    counts = [len(source.take(100 + n / 10)) for n in range(25)]
    assert counts[:20] == [0, *[4800] * 19]
    assert source.is_over
    assert sum(counts) == 2 * RATE
    with pytest.raises(ConfigError):
        FileSource(tmp_path / "none.wav")


def test_a_pipe_that_is_faster_than_the_clock_has_to_wait_and_its_end_is_the_end() -> None:
    reader, writer = os.pipe()
    source, data = PcmSource(reader), to_pcm(tone(1, 440, 0.3)).tobytes()[:60_000]
    os.write(writer, data)
    assert [len(source.take(7 + n / 10)) for n in range(4)] == [0, 4800, 4800, 4800]
    os.close(writer)
    rest = [len(source.take(7 + n / 10)) for n in range(4, 12)]
    assert 3 * 4800 + sum(rest) == 30_000
    assert source.is_over
    os.close(reader)


_LISTEN = """
import sys, time
from loa_manager.live.capture import MicrophoneSource
source, data = MicrophoneSource(sys.argv[1]), b""
while len(data) < 96_000:
    data += (source.take(time.monotonic()) * 32768).astype("<i2").tobytes()
source.close()
sys.stdout.buffer.write(data)
"""


@pytest.mark.needs("portaudio", "sound-card")
@pytest.mark.requirement("SRC-1")
def test_a_microphone_is_found_by_its_name_and_heard_sample_by_sample(tmp_path: Path) -> None:
    card, spoken = make_card(tmp_path), to_pcm(noise(20))
    card.capture.write_bytes(spoken.tobytes())
    config = {"ALSA_CONFIG_PATH": config_of(card), "PYTHONPATH": os.pathsep.join(sys.path)}

    def ask(name: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-c", _LISTEN, name]
        return subprocess.run(
            command, check=False, capture_output=True, env=os.environ | config, timeout=60
        )

    heard = np.frombuffer(ask("horn").stdout, dtype="<i2")
    assert len(heard) >= RATE
    assert np.array_equal(heard, spoken[: len(heard)])
    refused = ask("violin").stderr.decode()
    assert "violin" in refused
    assert "horn" in refused  # what there is


# --- an encoder on loopback


@pytest.fixture
def door() -> Iterator[IcecastSource]:
    source = IcecastSource(0, "/live")
    yield source
    source.close()


def knock(door: IcecastSource, head: str) -> bytes:
    host, _colon, port = door.address.rpartition("@")[2].partition("/")[0].partition(":")
    with socket.create_connection((host, int(port)), 5) as line:
        line.sendall(head.encode())
        return line.recv(200).splitlines()[0]


@pytest.mark.needs("ffmpeg")
@pytest.mark.requirement("SRC-1")
@pytest.mark.parametrize("is_opus", [True, False])
def test_what_ffmpeg_sends_to_the_door_is_heard(
    door: IcecastSource, tmp_path: Path, *, is_opus: bool
) -> None:
    sound = write(tmp_path / "a.wav", tone(2, 440, 0.3))
    assert door.trouble
    with encoder(door.address, sound, is_opus=is_opus):
        heard = listen(door, 1)
        assert door.trouble == ""
        assert knock(door, _head(door.password)).split()[1] == b"403"  # one encoder at a time
    assert np.sqrt(np.square(heard[RATE // 2 :]).mean()) == pytest.approx(0.3 / 2**0.5, rel=0.1)
    soon(lambda: door.trouble)


def _head(password: str, mount: str = "/live") -> str:
    word = base64.b64encode(f"source:{password}".encode()).decode()
    return f"SOURCE {mount} ICE/1.0\r\nAuthorization: Basic {word}\r\n\r\n"


@pytest.mark.requirement("SEC-7")
def test_nobody_gets_in_without_the_password_or_to_another_mount(door: IcecastSource) -> None:
    for head in (_head("hackme"), _head(door.password, "/other"), "SOURCE /live ICE/1.0\r\n\r\n"):
        assert knock(door, head).split()[1] == b"401"
    assert knock(door, _head(door.password)).split()[1] == b"200"


def test_heads_of_both_kinds_of_encoder_are_read() -> None:
    put, source = (parse_head(data) for data in seeds("source_head"))
    assert (put.is_source, put.waits, put.is_chunked) == (False, True, True)
    assert (source.is_source, source.waits, source.is_chunked) == (True, False, False)
    assert put.is_let_in("/live", "hackme")
    assert source.is_let_in("/live", "hackme")
    assert not put.is_let_in("/live", "")


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_any_bytes_at_the_door_are_a_head_or_a_named_error(data: bytes) -> None:
    fuzz_head(data)


# --- over the network


@pytest.mark.requirement("SRC-1")
def test_an_hls_stream_of_segments_is_one_sound(tmp_path: Path) -> None:
    sound = tone(4, 440, 0.3)
    files = {}
    for n in range(2):
        part = write(tmp_path / f"{n}.mp3", sound[n * 2 * RATE : (n + 1) * 2 * RATE])
        files[f"/{n}.mp3"] = part.read_bytes()
    lines = "".join(f"#EXTINF:2,\n{n}.mp3\n" for n in range(2))
    media = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n{lines}#EXT-X-ENDLIST\n"
    files["/live.m3u8"] = media.encode()
    master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlive.m3u8\n"
    files["/index.m3u8"] = master.encode()
    way = Way.by(None, takes_plain=False)
    with station(files) as address:
        source = Upstream(f"{address}/index.m3u8", way, Room(before_s=0.1, most_s=40))
        heard = listen(source, 3)
        source.close()
    parts = np.array_split(heard[RATE // 5 :], 28)
    levels = [float(np.sqrt(np.square(part).mean())) for part in parts]
    assert levels == pytest.approx([0.3 / 2**0.5] * 28, rel=0.35)  # no hole where they meet


def test_what_is_no_sound_is_told_and_asked_for_again_at_growing_intervals() -> None:
    with station({"/live": b"<html>no radio</html>" * 300}) as address:
        source = Upstream(f"{address}/live", Way.by(None, takes_plain=False))
        soon(lambda: source.trouble not in ("", "connecting"))
        assert len(source.take(time.monotonic())) == 0
        (lost, *_rest) = source.news()
        source.close()
    assert lost.event == "stream_lost"
    assert lost.next_try_s is not None
    back_off = BackOff()
    assert [back_off.failed(0) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert back_off.failed(0, lasted_s=100) == 1


@given(st.lists(st.booleans(), max_size=400))
def test_a_stream_counts_as_silent_only_after_the_whole_time(silences: list[bool]) -> None:
    watch, quiet = Watch(silence_s=2), 0.0
    for is_silent in silences:
        quiet = quiet + 0.02 if is_silent else 0.0
        watch.hear(0.02, is_silent=is_silent)
        if watch.flow is Flow.SILENT and is_silent:
            assert quiet >= 1.99 or any(not each for each in silences)
        if quiet >= 2:
            assert watch.flow is Flow.SILENT


@pytest.mark.requirement("SRC-1", "SRC-3")
def test_a_stream_that_was_silent_is_back_with_a_second_of_words_and_not_with_a_crackle() -> None:
    words = [False] * 10 + [True] * 20  # 200 ms, and 400 ms of nothing: a microphone with a gate
    crackle = [False] + [True] * 60
    for pattern, flow in ((words, Flow.FLOWING), (crackle, Flow.SILENT)):
        watch = Watch(silence_s=2)
        for is_silent in [True] * 101 + pattern * 10:
            watch.hear(0.02, is_silent=is_silent)
        assert watch.flow is flow
