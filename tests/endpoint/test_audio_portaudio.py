"""A real PortAudio through ALSA's own file device: the same samples as the WAV sink's."""

from __future__ import annotations

import asyncio
import os
import pathlib
import signal
import sys

import numpy as np
import pytest

from loa_endpoint.audio import messages as m
from loa_endpoint.audio import portaudio
from loa_endpoint.audio.stall import StallSettings
from loa_endpoint.audio.supervisor import PlayerSupervisor
from support.player_lab import LivePlayer, at, play
from support.sound_files import chirp, noise, to_pcm, write, write_wav
from support.waiting import eventually, soon

pytestmark = pytest.mark.needs("portaudio")

CONFIG = """
pcm.horn {{ type file slave.pcm {{ type null }} file "{out}" format raw }}
pcm.slow {{ type file slave.pcm {{ type null }} file "| {pacer} {out}" format raw }}
pcm.tuner {{ type file slave.pcm {{ type null }} file "/dev/null" infile "{source}" format raw }}
pcm.default {{ type null }}
"""
"""A file instead of a card: as fast as it is written, or through a pipe as fast as it is read.
PortAudio 19.6 aborts unless there is a default."""

PACER = """#!/bin/sh
# Read 48,000 samples a second, as a card would, and remember them.
exec {python} -c '
import os, sys, time
begin, done = time.monotonic(), 0
with open(sys.argv[1], "ab", buffering=0) as out:
    open(sys.argv[1] + ".pid", "w").write(str(os.getpid()))
    while data := os.read(0, 1920):
        out.write(data)
        done += len(data)
        time.sleep(max(0, begin + done / 96_000 - time.monotonic()))
' "$@"
"""


@pytest.fixture
def card(tmp_path: pathlib.Path) -> pathlib.Path:
    """Make an ALSA configuration; what is played lands in ``card.raw`` beside it."""
    config, pacer = tmp_path / "asound.conf", tmp_path / "pacer"
    pacer.write_text(PACER.format(python=sys.executable))
    pacer.chmod(0o755)
    (tmp_path / "in.raw").write_bytes(to_pcm(noise(5)).tobytes())
    config.write_text(
        CONFIG.format(out=tmp_path / "card.raw", pacer=pacer, source=tmp_path / "in.raw")
    )
    return config


def raw(config: pathlib.Path) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    path = config.parent / "card.raw"
    return np.frombuffer(path.read_bytes() if path.exists() else b"", dtype="<i2")


@pytest.mark.requirement("AUD-4")
def test_the_card_gets_the_very_samples_of_the_wav(
    tmp_path: pathlib.Path, card: pathlib.Path
) -> None:
    one, two = write_wav(tmp_path / "a.wav", chirp(3)), write(tmp_path / "b.opus", noise(3, 0.05))
    commands: list[m.Command] = [
        m.Prepare(source="a", path=str(one)),
        m.Prepare(source="b", path=str(two)),
        m.Volume(gain_db=-3),
        m.Play(source="a", at_ns=at(0.3)),
        m.Play(source="b", at_ns=at(1.2345), fade_in_ms=300, fade_out_ms=300),
        m.Stop(at_ns=at(2.5)),
        m.Quit(at_ns=at(3)),
    ]
    wav = play(tmp_path, commands)
    through = play(tmp_path, commands, sink="pyaudio:horn", ALSA_CONFIG_PATH=str(card))
    assert through.code == 0, through.stderr
    heard = raw(card)
    length = min(len(heard), len(wav.samples))
    assert length >= 3 * 48_000
    assert np.array_equal(heard[:length], wav.samples[:length])
    assert not heard[length:].any()
    kinds = (m.Started, m.Ended)
    assert [e for e in through.events if isinstance(e, kinds)] == [
        e for e in wav.events if isinstance(e, kinds)
    ]


def test_a_card_that_is_not_there_is_told_with_those_that_are(
    tmp_path: pathlib.Path, card: pathlib.Path
) -> None:
    played = play(tmp_path, [], sink="pyaudio:tuba", ALSA_CONFIG_PATH=str(card))
    assert played.code == 2
    (fault,) = played.of(m.Fault)
    assert fault.name == "config"
    assert "tuba" in fault.detail
    assert "horn" in fault.detail


@pytest.mark.requirement("AUD-4")
def test_the_card_keeps_the_time_and_instants_are_kept_on_it(
    tmp_path: pathlib.Path, card: pathlib.Path
) -> None:
    path = write_wav(tmp_path / "a.wav", noise(4))
    with LivePlayer("--sink", "pyaudio:slow", ALSA_CONFIG_PATH=str(card)) as player:
        player.wait(m.Ready)
        player.wait(m.Beat, lambda beat: beat.samples > 24_000)
        player.send(m.Prepare(source="a", path=str(path)), m.Play(source="a", fade_in_ms=0))
        started = player.wait(m.Started)
        player.wait_until(started.at_ns + 700_000_000)
        beats = player.of(m.Beat)
        assert player.close() == 0
    # The pipe before the pacer holds 0.7 s, so rate is judged over what comes after it is full.
    span = (beats[-1].samples - beats[0].samples) / 48_000
    assert span == pytest.approx((beats[-1].at_ns - beats[0].at_ns) / 1e9, abs=0.9)
    soon(lambda: len(raw(card)) >= beats[-1].samples)
    heard = raw(card)
    (first,) = np.flatnonzero(heard)[:1]
    assert np.array_equal(heard[first : first + 24_000], to_pcm(noise(4))[:24_000])


class Card:
    """A stream a little off the rate, with a buffer of 100 ms, that stops when it is dry."""

    def __init__(self, ppm: int) -> None:
        self.rate = 48_000 * (1 + ppm / 1e6)
        self.written, self.played, self.now_ns = 0, 0.0, 0

    def pass_time(self, ns: int) -> None:
        self.now_ns += ns
        self.played = min(self.written, self.played + ns * self.rate / 1e9)

    def get_write_available(self) -> int:
        return round(4_800 - (self.written - self.played))

    def write(self, data: bytes, frames: int, *_: object) -> None:
        while self.get_write_available() < frames:
            self.pass_time(100_000)
        self.written += frames


@pytest.mark.parametrize("ppm", [-500, 0, 500])
def test_the_timeline_follows_the_clock_of_the_card(
    monkeypatch: pytest.MonkeyPatch, ppm: int
) -> None:
    stream = Card(ppm)
    monkeypatch.setattr(portaudio, "_open", lambda *_, **__: stream)
    monkeypatch.setattr("time.monotonic_ns", lambda: stream.now_ns)
    sink, block = portaudio.PortAudioSink("card", 0), np.zeros(2_400, dtype=np.float32)

    def error_ms() -> float:
        """How far the instant of the sample that sounds now is from now."""
        return (sink.epoch_ns + stream.played * 1e9 / 48_000 - stream.now_ns) / 1e6

    for at_sample in range(0, 20 * 48_000, 2_400):
        sink.write(at_sample, block)
    assert abs(error_ms()) < 2
    assert sink.xruns == 0
    stream.pass_time(500_000_000)  # it runs dry, and waits to be fed
    for at_sample in range(20 * 48_000, 21 * 48_000, 2_400):
        sink.write(at_sample, block)
    assert abs(error_ms()) < 30
    assert sink.xruns == 1


async def test_a_card_that_stalls_without_a_word_is_noticed_and_the_player_replaced(
    tmp_path: pathlib.Path, card: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(card))
    lost: list[str] = []
    settings = StallSettings(stall_s=0.8)
    supervisor = PlayerSupervisor("pyaudio:slow", on_restart=lost.append, settings=settings)
    await supervisor.start()
    listening = asyncio.create_task(_drain(supervisor))
    await supervisor.wait_ready(20)
    await eventually(lambda: supervisor.last_moving_ns)
    note = tmp_path / "card.raw.pid"
    await eventually(lambda: note.exists() and note.read_text())
    pacer = int(note.read_text())
    os.kill(pacer, signal.SIGSTOP)  # the card goes on being there, and takes nothing
    try:
        await eventually(lambda: lost == ["stalled"], within_s=15)
        await eventually(lambda: note.read_text() not in ("", str(pacer)))
    finally:
        os.kill(pacer, signal.SIGKILL)
    before = supervisor.last_moving_ns
    await eventually(lambda: supervisor.last_moving_ns > before)
    await supervisor.stop()
    await listening


async def _drain(supervisor: PlayerSupervisor) -> None:
    async for _ in supervisor.events():
        pass


def test_a_line_in_comes_through_portaudio_too(tmp_path: pathlib.Path, card: pathlib.Path) -> None:
    arguments = ("--sink", f"wav:{tmp_path / 'horn.wav'}", "--line-in", "pyaudio:tuner")
    with LivePlayer(*arguments, ALSA_CONFIG_PATH=str(card)) as player:
        level = player.wait(m.LineInLevel, lambda level: level.rms_dbfs > -60)
        assert level.flatness > 0.8
        player.send(m.PlayLineIn())
        player.wait(m.Started)
        player.wait(m.Beat, lambda beat: beat.rms_dbfs > -40)
