"""The real player process with a microphone, and what its measurements are made of."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import re
import subprocess
import threading
import time
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

from loa_endpoint.app.options import Hardware, Options
from loa_endpoint.audio import messages as m
from loa_endpoint.audio.ear import DEAF_AFTER, TURN, Ear
from loa_endpoint.audio.supervisor import PlayerSupervisor
from loa_hwsim.ear import Ear as Follower
from loa_hwsim.microphone import Microphone, Place
from loa_manager.settings_file import parse_settings
from loa_sound.blocks import CHUNK, RATE, Samples
from support import labelled_sounds as sounds
from support.content_lab import settings
from support.player_lab import LivePlayer, at, play
from support.sound_files import write_wav


@contextlib.contextmanager
def microphone(horn: pathlib.Path, fifo: pathlib.Path, heard: Microphone) -> Iterator[None]:
    """Put what the sink writes through the air and into the FIFO, until left."""
    done = threading.Event()
    os.mkfifo(fifo)
    fd = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    follower = Follower(horn)

    def carry() -> None:
        while not done.wait(0.02):
            new = follower.listen()
            if len(new):
                with contextlib.suppress(BlockingIOError):
                    os.write(fd, heard.hear(new))

    thread = threading.Thread(target=carry)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        follower.close()
        os.close(fd)


@pytest.mark.requirement("HLT-2", "HLT-3")
def test_a_player_with_a_microphone_tells_numbers_and_nothing_that_was_heard_leaves_it(
    tmp_path: pathlib.Path,
) -> None:
    horn, fifo = tmp_path / "horn.wav", tmp_path / "ear"
    speech = write_wav(tmp_path / "speech.wav", sounds.syllables(30.0))
    heard = Microphone(Place(delay_ms=300, seed=4))
    with (
        microphone(horn, fifo, heard),
        LivePlayer("--sink", f"wav:{horn}", "--ear", f"fifo:{fifo}") as player,
    ):
        player.send(m.Prepare(source="a", path=str(speech)), m.BeginItem(item="i"))
        player.send(m.Play(source="a"))
        match = player.wait(m.EarHeard, lambda event: event.matches)
        assert 200 <= match.lag_ms <= 1200
        heard.squeal = (2300.0, -20.0)
        squeal = player.wait(m.SoundAlarm, lambda event: event.name == "squeal" and event.active)
        assert squeal.reading == pytest.approx(2300, abs=12)
        so_far = player.wait(m.ItemSoFar, lambda event: event.short_term_lufs is not None)
        assert so_far.item == "i"
        descriptors = pathlib.Path(f"/proc/{player.process.pid}/fd").iterdir()
        opened = {str(each.readlink()) for each in descriptors}
        files = {each for each in opened if each.startswith(str(tmp_path))}
        assert files <= {str(horn), str(fifo), str(speech)}
        told = [m.encode(event) for event in player.events if isinstance(event, m.EarHeard)]
        assert max(map(len, told)) < 200  # a second of sound would be 96,000
    names = {each.name for each in tmp_path.iterdir()}
    assert names == {"horn.wav", "horn.wav.epoch", "ear", "speech.wav"}


@pytest.mark.requirement("HLT-2")
@pytest.mark.parametrize("kind", [m.EarHeard, m.SoundAlarm])
def test_what_the_ear_may_say_has_no_room_for_sound(kind: type[m.Message]) -> None:
    fields = msgspec.structs.fields(kind)
    assert fields
    for field in fields:
        parts = getattr(field.type, "__args__", (field.type,))
        assert not {bytes, list, tuple, dict} & set(parts)


@dataclasses.dataclass
class Wire:
    """A capture out of memory; None for a device that is gone."""

    data: bytes | None = b""

    def take(self) -> bytes:
        if self.data is None:
            raise OSError("no such device")
        data, self.data = self.data, b""
        return data

    def close(self) -> None:
        """It is only memory."""


def fed(ear: Ear, wire: Wire, written: Samples, heard: bytes | None) -> list[m.Event]:
    """Let *written* pass in blocks; *heard* comes as it comes, a block's worth with each."""
    told: list[m.Event] = []
    for start in range(0, len(written), CHUNK):
        wire.data = None if heard is None else heard[2 * start : 2 * (start + CHUNK)]
        told += ear.wrote(written[start : start + CHUNK], start * 10**9 // RATE)
    return told


def alarms(told: list[m.Event]) -> list[tuple[str, bool]]:
    return [(each.name, each.active) for each in told if isinstance(each, m.SoundAlarm)]


def test_an_ear_that_hears_only_zeros_or_is_gone_is_told_and_compares_nothing() -> None:
    written = sounds.syllables(12.0)
    for heard in (bytes(2 * len(written)), b"", None):
        wire = Wire()
        ear = Ear(wire)
        told = fed(ear, wire, written, heard)
        assert alarms(told) == [("ear_silent", True)]
        when = next(each.at_ns for each in told if isinstance(each, m.SoundAlarm))
        assert when <= (DEAF_AFTER + TURN) * 10**9 // RATE
        assert not any(isinstance(each, m.EarHeard) for each in told)
        back = fed(ear, wire, written, Microphone(Place()).hear(written))
        assert alarms(back) == [("ear_silent", False)]
        assert any(isinstance(each, m.EarHeard) and each.matches for each in back)


def test_samples_that_are_torn_apart_are_put_together_again() -> None:
    written = sounds.syllables(8.0)
    heard = Microphone(Place()).hear(written)
    wire = Wire()
    ear, told = Ear(wire), []
    for number, start in enumerate(range(0, len(written), CHUNK)):
        odd, next_odd = number % 2, (number + 1) % 2
        wire.data = heard[2 * start - odd : 2 * (start + CHUNK) - next_odd]
        told += ear.wrote(written[start : start + CHUNK], 0)
    assert all(each.matches for each in told if isinstance(each, m.EarHeard))
    assert any(isinstance(each, m.EarHeard) for each in told)


def test_the_supervisor_hands_the_microphone_to_the_player() -> None:
    supervisor = PlayerSupervisor("null:", ear="fifo:/tmp/ear")
    assert supervisor._arguments == ["--sink", "null:", "--ear", "fifo:/tmp/ear"]


def test_a_microphone_is_a_fitting_of_the_signed_settings() -> None:
    text = """
[fallback]
squeal_action = 2

[[fitting]]
device = "microphone"
port = "pyaudio:USB PnP"
"""
    signed = parse_settings(text, settings())
    assert signed.fallback == {41: 2}
    fitted = Hardware.of(Options(home=pathlib.Path("x")), signed)
    assert fitted.ear == "pyaudio:USB PnP"
    tried = Hardware.of(Options(home=pathlib.Path("x"), ear="fifo:/tmp/ear"), signed)
    assert tried.ear == "fifo:/tmp/ear"
    assert Hardware.of(Options(home=pathlib.Path("x")), settings()).ear is None


# --- what is measured is what was written


@pytest.mark.requirement("AUD-2", "HLT-2")
@pytest.mark.needs("ffmpeg")
def test_an_item_is_measured_behind_volume_and_limiter(tmp_path: pathlib.Path) -> None:
    """The record's figures against FFmpeg's on the very file that the sink wrote."""
    loud = np.concatenate([sounds.syllables(6.0), np.zeros(RATE, np.float32), sounds.music(5.0)])
    source = write_wav(tmp_path / "loud.wav", sounds.at_level(loud, -12.0))
    for gain, drive in ((-9.0, 0.0), (0.0, 12.0)):
        played = play(
            tmp_path,
            [
                m.Prepare(source="a", path=str(source), gain_db=drive),
                m.Volume(gain_db=gain, ramp_ms=0),
                m.BeginItem(item="i"),
                m.Play(source="a", fade_in_ms=0),
                m.EndItem(item="i", at_ns=at(12)),
            ],
        )
        (measured,) = played.of(m.ItemMeasured)
        lufs, peak = _ffmpeg(tmp_path / "horn.wav")
        assert measured.lufs == pytest.approx(lufs, abs=0.5)
        assert measured.true_peak_dbtp == pytest.approx(peak, abs=0.3)
        assert measured.true_peak_dbtp <= -0.9
        assert measured.silent_ms >= 950


def _ffmpeg(path: pathlib.Path) -> tuple[float, float]:
    said = subprocess.run(
        ["ffmpeg", "-nostats", "-i", path, "-af", "ebur128=peak=true", "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    summary = said[said.rindex("Summary:") :]
    lufs = re.search(r"I:\s+(-?[\d.]+) LUFS", summary)
    peak = re.search(r"Peak:\s+(-?[\d.]+) dBFS", summary)
    assert lufs is not None
    assert peak is not None
    return float(lufs[1]), float(peak[1])


def test_clipping_that_the_limiter_would_hide_is_found_and_declared_tones_are_not_judged(
    tmp_path: pathlib.Path,
) -> None:
    clipped = sounds.clipped(sounds.syllables(8.0, dbfs=-10.0), 10)
    path = write_wav(tmp_path / "clipped.wav", clipped)
    for declared in (False, True):
        played = play(
            tmp_path,
            [
                m.Prepare(source="a", path=str(path)),
                m.BeginItem(item="i", is_declared=declared),
                m.Play(source="a"),
                m.EndItem(item="i", at_ns=at(8)),
            ],
        )
        told = {each.name for each in played.of(m.SoundAlarm)}
        assert told == (set() if declared else {"written_clipping"})
        assert int(np.abs(played.samples.astype(np.int32)).max()) < 32_768 * 0.9


def test_expected_silence_and_a_mute_are_no_silence_and_dead_air_is(
    tmp_path: pathlib.Path,
) -> None:
    sound = np.concatenate([sounds.syllables(2.0), np.zeros(14 * RATE, np.float32)])
    path = write_wav(tmp_path / "dead.wav", sound)
    began = time.monotonic()
    for extra, spans, wished in (
        ([], (), {"written_silent"}),
        ([], ((1_500, 15_900),), set()),
        ([m.Volume(gain_db=-100.0)], (), set()),
        ([m.Volume(gain_db=-100.0), m.Volume(gain_db=0.0, part="all")], (), {"written_silent"}),
    ):
        played = play(
            tmp_path,
            [
                m.Prepare(source="a", path=str(path)),
                *extra,
                m.BeginItem(item="i", expected_silence=spans),
                m.Play(source="a"),
                m.EndItem(item="i", at_ns=at(15.9)),
            ],
        )
        assert {each.name for each in played.of(m.SoundAlarm)} == wished
    assert time.monotonic() - began < 60
