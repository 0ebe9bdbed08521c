"""A real PortAudio through ALSA's own file device: the same samples as the WAV sink's."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

from loa_endpoint.audio import messages as m
from support.player_lab import LivePlayer, at, play
from support.sound_files import chirp, noise, read_wav, to_pcm, write, write_wav

pytestmark = pytest.mark.needs("portaudio")

CONFIG = """
pcm.horn {{ type file slave.pcm {{ type null }} file "{out}" format raw }}
pcm.tuner {{ type file slave.pcm {{ type null }} file "/dev/null" infile "{source}" format raw }}
pcm.default {{ type null }}
"""
"""A file instead of a card, as fast as it is written. PortAudio 19.6 aborts unless there is a
default."""


@pytest.fixture
def card(tmp_path: pathlib.Path) -> pathlib.Path:
    """Make an ALSA configuration; what is played lands in ``card.raw`` beside it."""
    config = tmp_path / "asound.conf"
    (tmp_path / "in.raw").write_bytes(to_pcm(noise(5)).tobytes())
    config.write_text(CONFIG.format(out=tmp_path / "card.raw", source=tmp_path / "in.raw"))
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
def test_a_second_sink_gets_the_same_samples(tmp_path: pathlib.Path, card: pathlib.Path) -> None:
    one = write_wav(tmp_path / "a.wav", chirp(2))
    commands: list[m.Command] = [
        m.Prepare(source="a", path=str(one)),
        m.Play(source="a", at_ns=at(0.3)),
        m.Quit(at_ns=at(2.5)),
    ]
    wav = play(tmp_path, commands).samples
    copy = tmp_path / "copy.wav"
    through = play(
        tmp_path, commands, sink=f"tee:pyaudio:horn,wav:{copy}", ALSA_CONFIG_PATH=str(card)
    )
    assert through.code == 0, through.stderr
    assert not through.of(m.Fault)
    for heard in (raw(card), read_wav(copy)):
        length = min(len(heard), len(wav))
        assert length >= 2.5 * 48_000
        assert np.array_equal(heard[:length], wav[:length])
        assert not heard[length:].any()


def test_a_line_in_comes_through_portaudio_too(tmp_path: pathlib.Path, card: pathlib.Path) -> None:
    arguments = ("--sink", f"wav:{tmp_path / 'horn.wav'}", "--line-in", "pyaudio:tuner")
    with LivePlayer(*arguments, ALSA_CONFIG_PATH=str(card)) as player:
        level = player.wait(m.LineInLevel, lambda level: level.rms_dbfs > -60)
        assert level.flatness > 0.8
        player.send(m.PlayLineIn())
        player.wait(m.Started)
        player.wait(m.Beat, lambda beat: beat.rms_dbfs > -40)
