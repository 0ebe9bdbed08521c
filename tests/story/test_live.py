"""Somebody speaks, and the pole sounds: the whole way, with a real server and a real agent."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from loa_protocol.parameters import FallbackParameters
from loa_sound.blocks import RATE
from support.hamlet import STATION, WITHIN_S, Hamlet, Pole, hamlet, make_piece, soon_s
from support.live_lab import Microphone, bursts, loa, onsets_ms, order_hold, speaker, stopped
from support.radio import radio
from support.sound_files import write
from support.waiting import soon

pytestmark = pytest.mark.story

TUNE_HZ = 3000.0
TUNE = bursts(10, TUNE_HZ, 0.7)  # of a radio; what stands behind its slot rumbles far below
QUICK = FallbackParameters(
    ip_starved_ms=500, ip_no_bytes_ms=900, ok_ip_ms=1000, dwell_ms=0, flap_switches=100
)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hamlet]:
    with hamlet(tmp_path_factory.mktemp("hamlet"), poles=4) as made:
        yield made


def way(here: Hamlet, home: Path) -> tuple[str, ...]:
    return ("--home", str(home), "--server", f"https://127.0.0.1:{here.https}", "--yes")


def quick_pole(here: Hamlet, cluster: str) -> Pole:
    """Return a running pole that goes back to a better bearer within seconds, not half minutes."""
    here.sign_settings(f"{STATION}/{cluster}", fallback=QUICK.to_map())
    pole = here.pole(cluster)
    pole.start()
    soon(pole.knows_the_time, within_s=WITHIN_S)
    return pole


def until(pole: Pole, bearer: str) -> float:
    """Wait until *pole* sounds by *bearer*; return when, unix ms."""
    soon(lambda: pole.status()["bearer"] == bearer, within_s=WITHIN_S)
    return time.time() * 1000


def listen_on(seconds: float) -> float:
    """Let time pass that is to be heard afterwards; return when it is over, unix ms."""
    end_s = time.time() + seconds
    soon(lambda: time.time() > end_s)
    return end_s * 1000


def tune_share(pole: Pole, from_ms: float, to_ms: float) -> float:
    """Return how much of the power that *pole* sounded was in the radio's tune, 0 to 1."""
    part = pole.recording().part(int(from_ms), int(to_ms)).astype(np.float64)
    power = np.abs(np.fft.rfft(part)) ** 2
    return float(power[int(0.9 * TUNE_HZ * len(part) / RATE) :].sum() / power.sum())


@pytest.mark.requirement("SRC-1", "SEC-8")
def test_a_voice_is_heard_two_seconds_later_once_two_have_signed_and_a_hold_silences_it(
    here: Hamlet,
) -> None:
    lan, hung = speaker(here, "lan"), speaker(here, "hung")
    pole, fifo = here.pole("c01"), here.folder / "micro"
    pole.start()
    soon(pole.knows_the_time, within_s=WITHIN_S)
    start = ("live", "start", "--scope", f"{STATION}/c01", "--title", "Họp thôn", "--minutes", "5")
    with loa(here, "lan-speaks", *start, "--from", f"fifo:{fifo}", *way(here, lan.path)) as voice:
        given = voice.wait("given")
        assert (given["state"], given["signers"]) == ("waits", ["Lan"])
        sign = ("order", "sign", given["file"], *way(here, hung.path))
        with loa(here, "hung-signs", *sign) as second:
            assert second.process.wait(60) == 0, second.text()
        voice.wait("open")
        with Microphone(fifo, bursts(10)) as micro:
            soon(lambda: voice.sent_s() >= 4, within_s=WITHIN_S)
            soon(lambda: pole.status()["item"] == "Họp thôn", within_s=WITHIN_S)
            soon(lambda: voice.said("state")[-1]["taken"] == 1, within_s=WITHIN_S)
            held_ms = order_hold(here, pole.scope)
            soon(lambda: voice.said("state")[-1]["silenced_by"] == "hold", within_s=WITHIN_S)
            soon(lambda: time.time() * 1000 > held_ms + 4500)
        assert voice.end() == 130
        assert voice.wait("ended")["lost"] == 0
    heard = pole.recording()
    samples = heard.samples.astype(np.float32) / np.float32(32768)
    came = onsets_ms(samples, heard.start_ms)
    assert len(came) >= 3
    assert np.diff(came) == pytest.approx(1000, abs=100)  # none missing, none doubled
    assert (came[0] - micro.began_ms - 2000 + 500) % 1000 == pytest.approx(500, abs=400)
    assert np.abs(heard.part(held_ms + 3000, held_ms + 4000)).max() == 0


@pytest.mark.needs("icecast2", "ffmpeg")
@pytest.mark.requirement("SRC-1", "SRC-3")
def test_a_relayed_radio_fills_its_slot_and_the_board_falls_back_where_it_vanishes(
    here: Hamlet, tmp_path: Path
) -> None:
    truc = speaker(here, "truc")
    pole, behind = here.pole("c02"), make_piece(here.folder, "dai-tinh", 120)
    pole.start()
    soon(pole.knows_the_time, within_s=WITHIN_S)
    programme = write(tmp_path / "programme.wav", bursts(10))
    relay = ("relay", "--scope", pole.scope, "--slot", "dai-*", "--silence", "3", "--delay", "2")
    with radio(tmp_path / "radio") as station:
        here.publish(pole, [behind], start_s=soon_s(3), is_live=True)
        address = station.url("live.ogg")
        with loa(here, "relay", *relay, "--url", address, *way(here, truc.path)) as relaying:
            relaying.wait("slot")
            with station.studio("live.ogg", programme):
                relaying.wait("given")
                relaying.wait("stream_flowing")
                soon(lambda: pole.status()["bearer"] == "stream", within_s=WITHIN_S)
                soon(lambda: relaying.sent_s() > 4, within_s=WITHIN_S)
            gone_ms = time.time() * 1000
            relaying.wait("stream_away")
            soon(lambda: pole.status()["bearer"] == "media", within_s=WITHIN_S)
            assert relaying.end() == 130
    heard = pole.recording()
    samples = heard.samples.astype(np.float32) / np.float32(32768)
    came = [each for each in onsets_ms(samples, heard.start_ms) if each < gone_ms]
    assert np.diff(came)[-3:] == pytest.approx(1000, abs=100)
    pole.stop()


@pytest.mark.needs("icecast2", "ffmpeg")
@pytest.mark.requirement("SRC-1", "SRC-3")
def test_a_radio_that_falls_silent_or_is_lost_is_heard_again_in_its_slot_when_it_is_back(
    here: Hamlet, tmp_path: Path
) -> None:
    pole, behind = quick_pole(here, "c03"), make_piece(here.folder, "dai-huyen", 120)
    truc, fifo = speaker(here, "truc-2"), tmp_path / "studio"
    os.mkfifo(fifo)
    relay = ("relay", "--scope", pole.scope, "--slot", "dai-*", "--silence", "2", "--delay", "1")
    with radio(tmp_path / "radio") as station:
        here.publish(pole, [behind], start_s=soon_s(3), is_live=True)
        address = station.url("live.ogg")
        with loa(here, "relay-2", *relay, "--url", address, *way(here, truc.path)) as relaying:
            with station.studio("live.ogg", fifo), Microphone(fifo, TUNE) as studio:
                until(pole, "stream")
                studio.mute.set()
                relaying.wait("stream_silent")
                silent_ms = until(pole, "media")
                studio.mute.clear()
                again_ms = until(pole, "stream")
                end_ms = listen_on(2)
            relaying.wait("stream_lost")
            gone_ms = until(pole, "media")
            with station.studio("live.ogg", fifo), Microphone(fifo, TUNE):
                back_ms = until(pole, "stream")
                listen_on(2)
            assert relaying.end() == 130
            assert len(relaying.said("given")) == 1  # one grant, whatever the stream does
    pole.stop()
    assert tune_share(pole, again_ms + 500, end_ms) > 0.9
    assert tune_share(pole, back_ms + 500, back_ms + 2000) > 0.9
    assert tune_share(pole, silent_ms + 500, silent_ms + 1000) < 0.1
    assert tune_share(pole, gone_ms + 500, gone_ms + 1000) < 0.1


@pytest.mark.requirement("SRC-1")
def test_one_holder_fills_a_slot_and_what_comes_after_its_instant_is_silence_at_its_place(
    here: Hamlet,
) -> None:
    """The broker stands still for a while, and then brings everything that it was given."""
    pole, behind = quick_pole(here, "c04"), make_piece(here.folder, "hop-dan", 120)
    lan, fifo = speaker(here, "lan-2"), here.folder / "micro-2"
    here.publish(pole, [behind], start_s=soon_s(3), is_live=True)
    until(pole, "media")
    start = ("live", "start", "--scope", pole.scope, "--slot", "hop-dan", "--minutes", "1")
    source = ("--from", f"fifo:{fifo}", "--delay", "1")
    with loa(here, "lan-fills", *start, *source, *way(here, lan.path)) as voice:
        assert voice.wait("given")["state"] == "given"  # two have approved the slot already
        voice.wait("open")
        with Microphone(fifo, bursts(10)):
            until(pole, "stream")
            listen_on(2)
            assert here.server is not None
            with stopped(here.server):
                stopped_ms = time.time() * 1000
                went_ms = listen_on(2.2)
            end_ms = listen_on(3)
        assert voice.end() == 130
        assert voice.wait("ended")["lost"] == 0  # all of it was given to the server in time
    until(pole, "media")
    pole.stop()
    heard = pole.recording()
    samples = heard.part(int(stopped_ms - 1500), int(end_ms)).astype(np.float32)
    came = onsets_ms(samples / np.float32(32768), int(stopped_ms - 1500))
    hole = int(np.argmax(np.diff(came)))
    assert round((came[hole + 1] - came[hole]) / 1000) in (2, 3)
    assert came[hole + 1] > went_ms - 500
    assert len(came) - hole > 2  # what follows is heard
    places = [(each - came[0] + 500) % 1000 - 500 for each in came]
    assert places == pytest.approx([0] * len(came), abs=100)
    assert np.abs(heard.part(int(came[hole] + 400), int(came[hole + 1] - 300))).max() == 0
