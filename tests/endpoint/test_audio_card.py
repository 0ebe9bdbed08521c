"""The player on a simulated sound card, in real time: what it played, and when that sounded."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from loa_endpoint.audio import messages as m
from loa_hwsim.sound_card.card import SoundCard
from support.player_lab import LivePlayer, environment, in_ms
from support.sound_card import MS, Pole, config_of, find, make_card, played
from support.sound_files import noise, to_pcm, tone, write_wav
from support.waiting import eventually, soon

pytestmark = pytest.mark.needs("portaudio", "sound-card")

S = 48_000


def on(card: SoundCard, *more: str) -> LivePlayer:
    """Start a player on *card*."""
    return LivePlayer("--sink", "pyaudio:horn", *more, ALSA_CONFIG_PATH=config_of(card))


def is_near(ppm: float) -> Callable[[m.Beat], bool]:
    return lambda beat: abs(beat.drift_ppm - ppm) < 60


def has_run_dry(times: int) -> Callable[[m.Beat], bool]:
    return lambda beat: beat.xruns >= times


def wait_long(player: LivePlayer, found: Callable[[m.Beat], bool]) -> m.Beat:
    """Return the first beat for which *found* holds; each time the card runs dry costs seconds."""
    soon(lambda: any(map(found, player.of(m.Beat))), within_s=90)
    return next(filter(found, player.of(m.Beat)))


@pytest.mark.requirement("AUD-4", "AUD-5")
def test_a_sound_leaves_the_card_when_it_was_told_to_and_the_record_knows_when(
    tmp_path: pathlib.Path,
) -> None:
    card = make_card(tmp_path, ppm=100, latency=1_200)  # and 25 ms of cable behind its buffer
    path = write_wav(tmp_path / "a.wav", noise(2))
    with on(card) as player:
        player.wait(m.Ready)
        player.send(m.Prepare(source="a", path=str(path)))
        player.wait(m.Prepared)
        wanted_ns = in_ms(700)
        player.send(m.Play(source="a", at_ns=wanted_ns, fade_in_ms=0))
        started = player.wait(m.Started)
        player.wait_until(started.at_ns + 300 * MS)
    first = find(noise(2)[: S // 10], played(card))
    sounded_ns = card.diary().sounds_ns(first)
    late_ms, wrong_ms = (sounded_ns - wanted_ns) / 1e6, (started.at_ns - sounded_ns) / 1e6
    print(f"sounded {late_ms:+.3f} ms beside its time, told {wrong_ms:+.3f} ms beside the truth")
    assert abs(late_ms) < 50
    assert abs(wrong_ms) < 20  # the file, an hour later, would be seconds away


@pytest.mark.requirement("AUD-4")
def test_the_clock_of_a_card_is_followed_and_its_drift_told(tmp_path: pathlib.Path) -> None:
    for name in ("fast", "slow"):
        (tmp_path / name).mkdir()
    fast = make_card(tmp_path / "fast", ppm=400)
    slow = make_card(tmp_path / "slow", ppm=-400)
    with on(fast) as quick, on(slow) as lazy:
        for player, ppm in ((quick, 400), (lazy, -400)):
            beat = wait_long(player, is_near(ppm))
            print(f"{ppm:+} ppm told as {beat.drift_ppm:+.1f}, after {beat.samples / S:.1f} s")
    assert fast.diary().count("opened") == 1


@pytest.mark.requirement("AUD-3")
def test_every_time_that_the_card_runs_dry_is_counted(tmp_path: pathlib.Path) -> None:
    card = make_card(tmp_path)
    with on(card) as player:
        player.wait(m.Beat, lambda beat: beat.samples > S // 2)
        for times in (1, 2, 3):
            card.suffer("xrun")
            player.wait(m.Beat, has_run_dry(times))
        assert player.of(m.Beat)[-1].xruns >= card.diary().count("xrun") >= 3
    assert card.diary().count("opened") == 1


@pytest.mark.requirement("AUD-3")
def test_a_hundred_switches_and_alerts_open_the_card_once_and_never_click(
    tmp_path: pathlib.Path,
) -> None:
    for attempt in range(3):  # on a machine that others keep busy, a real card runs dry too
        folder = tmp_path / str(attempt)
        folder.mkdir()
        card = make_card(folder)
        begun, told = switch_a_hundred_times(folder, card)
        diary = card.diary()
        dry, clicks = diary.count("xrun"), count_clicks(played(card)[: -S // 10])
        print(f"{begun} began, dry {dry}, told {told}, {clicks} clicks")
        assert diary.count("opened") == 1
        assert told >= dry
        assert clicks <= 2 * told  # where a gap begins and ends; none at a join
        if told == 0:
            break
    assert begun >= 90  # what is decoded too late gives way to the next


def switch_a_hundred_times(folder: pathlib.Path, card: SoundCard) -> tuple[int, int]:
    """Switch between two programmes and alerts, 40 ms each; return how many began, and xruns."""
    # Tones below 1 kHz: what is above 4 kHz in the end was made by a join.
    files = {
        name: write_wav(folder / f"{name}.wav", tone(6, hz, 0.3))
        for name, hz in (("a", 250.0), ("b", 440.0), ("alert", 700.0))
    }
    with on(card) as player:
        player.wait(m.Ready)
        begin_ns = in_ms(800)
        for number in range(100):
            name = ("a", "alert", "b", "alert")[number % 4]
            source, at_ns = f"{name}{number}", begin_ns + number * 40 * MS
            soon(partial(is_past, at_ns - 560 * MS))  # no more than 16 may be open
            position_ms = number * 40
            player.send(
                m.Prepare(source=source, path=str(files[name]), position_ms=position_ms),
                m.Play(source=source, at_ns=at_ns, position_ms=position_ms),
            )
        player.wait_until(begin_ns + 4_200 * MS)
        return len(player.of(m.Started)), player.of(m.Beat)[-1].xruns


def is_past(instant_ns: int) -> bool:
    return time.monotonic_ns() > instant_ns


def count_clicks(pcm: NDArray[np.int16]) -> int:
    """Return how often *pcm* has more than -60 dBFS above 4 kHz, its ends softened."""
    sound, edge = pcm / 32_768, np.hanning(S // 5)
    sound[: S // 10] *= edge[: S // 10]
    sound[-S // 10 :] *= edge[-S // 10 :]
    spectrum = np.fft.rfft(sound)
    spectrum[: len(sound) * 4_000 // S] = 0
    above = np.abs(np.fft.irfft(spectrum, len(sound)))
    print(f"loudest sample above 4 kHz: {20 * np.log10(max(float(above.max()), 1e-9)):.1f} dBFS")
    loud = np.flatnonzero(above > 0.001)
    return int(len(loud) > 0) + int(np.count_nonzero(np.diff(loud) > S // 100))


@pytest.mark.requirement("AUD-3", "RAD-4")
async def test_a_card_that_comes_back_sounds_within_a_second(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = make_card(tmp_path)
    monkeypatch.setenv("ALSA_CONFIG_PATH", config_of(card))
    pole = Pole(tmp_path, "pyaudio:horn")
    await pole.begin()
    unplugged_s = await pole.survive(
        lambda: card.suffer("gone"), lambda: card.recover("gone"), away_s=1.5
    )
    # What the card played, not what the player says it did:
    sounds = np.flatnonzero(played(card))
    back = card.diary().entries[-1]
    assert back.what == "clock"
    assert sounds[-1] > back.sample
    stalled_s = await pole.survive(
        lambda: card.suffer("stalled"), lambda: card.recover("stalled"), away_s=1.2
    )
    print(f"sound is back {unplugged_s:.2f} s after a plug, {stalled_s:.2f} s after a stall")
    faults = [event.detail for event in pole.events if isinstance(event, m.Fault)]
    assert len(faults) == 1  # told once, however often it is looked for
    assert "not there" in faults[0]
    assert max(unplugged_s, stalled_s) < 10  # within 1 s where nobody else needs the machine
    await pole.end()


async def test_a_card_that_another_program_has_is_waited_for(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = make_card(tmp_path)
    monkeypatch.setenv("ALSA_CONFIG_PATH", config_of(card))
    with on(card) as other:
        other.wait(m.Ready)
        pole = Pole(tmp_path, "pyaudio:horn")
        beginning = pole.supervisor
        await beginning.start()
        events = beginning.events()
        fault = await anext(events)
        assert isinstance(fault, m.Fault)
        assert "horn" in fault.detail
        assert other.close() == 0
    assert isinstance(await anext(events), m.Ready)
    assert beginning.restarts == 0
    await beginning.stop()


CAPTURE = """
import sys, time
from loa_endpoint.audio.capture import CardCapture
capture, end = CardCapture("horn"), time.monotonic() + 30
try:
    while time.monotonic() < end:
        sys.stdout.buffer.write(capture.take())
        sys.stdout.buffer.flush()
        time.sleep(0.02)
except OSError as error:
    sys.stderr.write(str(error))
    capture.close()
"""


def test_what_is_captured_is_exact_and_a_card_that_goes_is_told(
    tmp_path: pathlib.Path,
) -> None:
    card = make_card(tmp_path)
    sound = to_pcm(noise(30))
    card.capture.write_bytes(sound.tobytes())
    heard = tmp_path / "heard.raw"
    with heard.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", CAPTURE],
            stdout=out,
            stderr=subprocess.PIPE,
            env=environment(ALSA_CONFIG_PATH=config_of(card)),
        )
        soon(lambda: heard.stat().st_size > 2 * S)
        card.suffer("gone")
        began = time.monotonic()
        _, error = process.communicate(timeout=60)
    assert b"horn: nothing comes" in error
    print(f"told after {time.monotonic() - began:.2f} s")
    data = heard.read_bytes()
    assert data == sound.tobytes()[: len(data)]
    assert card.diary().count("xrun", "CAPTURE") == 0


async def test_a_tuner_card_that_is_plugged_in_later_is_heard(
    tmp_path: pathlib.Path,
) -> None:
    """PortAudio lists cards once in a process, and the sink's keeps it from looking again."""
    card = make_card(tmp_path)
    card.capture.write_bytes(to_pcm(noise(30)).tobytes())
    with LivePlayer(
        "--sink",
        f"wav:{tmp_path}/x.wav",
        "--line-in",
        "pyaudio:horn",
        ALSA_CONFIG_PATH=config_of(card),
    ) as player:
        player.wait(m.LineInLevel, lambda level: level.rms_dbfs > -30)
        card.suffer("gone")
        player.wait(m.Fault, lambda fault: fault.name == "line_in")
        before = len(player.of(m.LineInLevel))
        card.recover("gone")
        await eventually(
            lambda: any(level.rms_dbfs > -30 for level in player.of(m.LineInLevel)[before:]),
            within_s=30,
        )
