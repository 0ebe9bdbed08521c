"""Somebody speaks, and the pole sounds: the whole way, with a real server and a real agent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from support.hamlet import STATION, WITHIN_S, Hamlet, hamlet, make_piece, soon_s
from support.live_lab import Microphone, bursts, loa, onsets_ms, order_hold, speaker
from support.radio import radio
from support.sound_files import write
from support.waiting import soon

pytestmark = pytest.mark.story


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hamlet]:
    with hamlet(tmp_path_factory.mktemp("hamlet"), poles=2) as made:
        yield made


def way(here: Hamlet, home: Path) -> tuple[str, ...]:
    return ("--home", str(home), "--server", f"https://127.0.0.1:{here.https}", "--yes")


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
