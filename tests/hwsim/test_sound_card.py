"""The simulated sound card: its plug-in, its files, its diary. (Played to: test_audio_card.py.)"""

from __future__ import annotations

import ctypes
import json
import os
import pathlib
import subprocess
import sys

import pytest

from loa_hwsim.sound_card import build
from loa_hwsim.sound_card.build import build_plugin, cache_folder
from loa_hwsim.sound_card.card import SoundCard, plug_in
from loa_hwsim.sound_card.diary import read_diary
from loa_lab.__main__ import run
from loa_protocol.errors import ConfigError, StoreError

NEEDS_CARD = pytest.mark.needs("sound-card")

PROGRAM = """
import ctypes, pathlib, sys, time
alsa, card = ctypes.CDLL("libasound.so.2"), pathlib.Path(sys.argv[1])
alsa.snd_pcm_writei.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ulong]
alsa.snd_pcm_writei.restype = ctypes.c_long

def play(*arguments):
    pcm = ctypes.c_void_p()
    error = alsa.snd_pcm_open(ctypes.byref(pcm), b"horn", 0, 0)
    if error:
        return error
    # S16_LE, interleaved, one channel, no resampling, 50 ms of buffer
    assert alsa.snd_pcm_set_params(pcm, 2, 3, 1, 48000, 0, 50000) == 0
    return pcm

pcm, block = play(), bytes(range(256)) * 150
began = time.monotonic()
for _ in range(4):
    assert alsa.snd_pcm_writei(pcm, block, 19200) == 19200
print("took", time.monotonic() - began)
print("busy", play())
(card / "gone").touch()
print("gone", alsa.snd_pcm_writei(pcm, block, 19200))
alsa.snd_pcm_close(pcm)
print("absent", play())
(card / "gone").unlink()
print("back", alsa.snd_pcm_writei(play(), block, 10))
"""
"""An independent witness: ALSA's own calls, without PortAudio."""


@NEEDS_CARD
def test_it_paces_keeps_every_sample_and_fails_as_a_card_does(tmp_path: pathlib.Path) -> None:
    card = SoundCard(tmp_path / "card", ppm=-2_000)
    config = plug_in(tmp_path, [card])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, card.folder],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"ALSA_CONFIG_PATH": str(config)},
    )
    assert done.returncode == 0, done.stderr
    said = dict(line.split() for line in done.stdout.splitlines())
    # 76,800 samples are 1.6 s, of which a buffer of 50 ms need not have sounded.
    assert float(said["took"]) >= 1.5
    assert {word: int(said[word]) for word in ("busy", "gone", "absent", "back")} == {
        "busy": -16,  # EBUSY
        "gone": -19,  # ENODEV
        "absent": -19,
        "back": 10,
    }
    assert card.played.read_bytes() == (bytes(range(256)) * 600 + bytes(range(20)))
    diary = card.diary()
    assert diary.count("opened") == 2
    per_second = (diary.sounds_ns(48_000) - diary.sounds_ns(0)) / 1e9
    assert per_second == pytest.approx(1 / (1 - 0.002), abs=1e-6)


@NEEDS_CARD
def test_the_plug_in_is_compiled_once(tmp_path: pathlib.Path) -> None:
    plugin = build_plugin(tmp_path / "cache")
    made = plugin.stat().st_mtime_ns
    assert build_plugin(tmp_path / "cache") == plugin
    assert plugin.stat().st_mtime_ns == made
    assert [path.name for path in plugin.parent.iterdir()] == [plugin.name]
    assert ctypes.CDLL(str(plugin))


def test_a_machine_that_cannot_compile_is_told_what_it_lacks(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "COMMAND", ("no-such-compiler",))
    with pytest.raises(ConfigError, match="gcc libasound2-dev"):
        build_plugin(tmp_path)
    monkeypatch.setattr(build, "COMMAND", ("false",))
    with pytest.raises(ConfigError, match="gcc libasound2-dev"):
        build_plugin(tmp_path)


def test_the_cache_is_where_the_user_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert cache_folder() == pathlib.Path("/elsewhere/loa")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder().parts[-2:] == (".cache", "loa")


@pytest.mark.parametrize("name", ["", "no horn", 'x"', "7up", "a{b}", "đài"])
def test_a_name_that_would_break_the_configuration_is_refused(
    name: str, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(ConfigError, match="letters"):
        plug_in(tmp_path, [SoundCard(tmp_path / "card", name=name)])


@NEEDS_CARD
def test_a_folder_that_cannot_be_written_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        plug_in(tmp_path / "file", [SoundCard(tmp_path / "file" / "card")])


def test_the_diary_says_when_each_sample_sounded_over_stops(tmp_path: pathlib.Path) -> None:
    log = tmp_path / "events.log"
    log.write_text(
        "opened PLAYBACK 0 0\n"
        "clock PLAYBACK 1000000000 0\n"
        "clock CAPTURE 1500000000 0\n"
        "xrun PLAYBACK 2000000000 48000\n"
        "clock PLAYBACK 5000000000 48000\n"
    )
    diary = read_diary(log, rate_ppm=0, latency=4_800)
    assert diary.sounds_ns(24_000) == 1_600_000_000
    assert diary.sounds_ns(48_000 + 24_000) == 5_600_000_000
    assert diary.count("xrun") == 1
    assert diary.count("clock", "CAPTURE") == 1
    fast = read_diary(log, rate_ppm=1_000, latency=0)
    assert fast.sounds_ns(24_000) == pytest.approx(1_499_500_500, abs=1)
    with pytest.raises(LookupError):
        read_diary(tmp_path / "none", rate_ppm=0, latency=0).sounds_ns(0)


@NEEDS_CARD
def test_the_command_says_how_the_card_is_found(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["card", "--dir", str(tmp_path), "--name", "amp", "--latency", "25"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["sink"] == "pyaudio:amp"
    assert "latency 1200" in pathlib.Path(said["ALSA_CONFIG_PATH"]).read_text()
    assert pathlib.Path(said["folder"]).is_dir()
