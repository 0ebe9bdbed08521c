"""Somebody's stream in the player: opened ahead, levelled, and how it ends."""

from __future__ import annotations

import os
from pathlib import Path
from queue import SimpleQueue
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_stream_words import fuzz
from loa_endpoint.app.hearing import Hearing
from loa_endpoint.audio import messages as m
from loa_endpoint.audio.notice import Notice
from loa_endpoint.audio.stream_sound import MAX_STREAMS, StreamSound
from loa_endpoint.audio.stream_words import StreamWords
from loa_endpoint.audio.voice import Voice
from loa_sound.blocks import CHUNK, RATE, Samples
from support.broker_lab import server_tls
from support.device_ca_lab import X509Lab
from support.player_lab import LivePlayer, gaps_ms, in_ms
from support.sound_files import read_wav, to_pcm, tone
from support.stream_station import radio_on_air
from support.waiting import soon

URL = "https://localhost/live"


class Fetch:
    """A `loa_endpoint.audio.stream_sound.Fetched` that a test fills."""

    def __init__(self, _url: str) -> None:
        self.data, self.why, self.receives, self.is_closed = b"", "", True, False

    def take(self) -> bytes:
        if self.why and not self.data:
            raise OSError(61, self.why)
        data, self.data = self.data, b""
        return data

    def close(self) -> None:
        self.is_closed = True


def opened(target: float | None = None) -> tuple[StreamSound, Fetch, SimpleQueue[Notice]]:
    notices: SimpleQueue[Notice] = SimpleQueue()
    far: list[Fetch] = []

    def fetch(url: str) -> Fetch:
        far.append(Fetch(url))
        return far[0]

    return StreamSound("s", URL, notices, target_lufs=target, fetch=fetch), far[0], notices


def bring(sound: StreamSound, far: Fetch, samples: Samples) -> list[m.StreamState]:
    """Let *samples* arrive at the pace of the timeline."""
    told: list[m.StreamState] = []
    for at in range(0, len(samples), CHUNK):
        far.data += to_pcm(samples[at : at + CHUNK]).tobytes()
        sound.pump(CHUNK)
        told += [state for state in (sound.state(7),) if state]
    return told


def test_it_is_ready_when_there_is_sound_and_says_how_it_is_from_then_on() -> None:
    sound, far, notices = opened()
    for _ in range(20):  # a server that takes its time is no silent programme
        sound.pump(CHUNK)
        assert sound.state(7) is None
    assert not sound.is_ready(0)
    told = bring(sound, far, tone(1, 440, 0.1))
    assert notices.get_nowait() == Notice(sound, failed=False, duration_ms=None)
    assert sound.is_ready(0)
    assert (told[-1].starved, told[-1].receiving) == (False, True)
    assert told[-1].rms_dbfs == pytest.approx(-23, abs=0.5)
    far.receives = False
    for _ in range(3):
        sound.pump(CHUNK)
        told += [state for state in (sound.state(7),) if state]
    assert (told[-1].starved, told[-1].receiving) == (True, False)
    assert told[-1].rms_dbfs == -120
    assert not sound.is_ready(0)


@pytest.mark.requirement("AUD-6")
def test_it_is_brought_to_the_loudness_of_the_files_beside_it_while_nobody_hears_it() -> None:
    sound, far, _notices = opened(target=-23.0)
    bring(sound, far, tone(8, 440, 0.01))
    out = np.zeros(CHUNK, dtype=np.float32)
    parts = []
    for _ in range(20):
        bring(sound, far, tone(0.1, 440, 0.01))
        assert sound.read(0, out) == CHUNK
        parts.append(out.copy())
    raised = np.abs(np.concatenate(parts[3:])).max() / 0.01
    assert 20 * np.log10(raised) == pytest.approx(12, abs=0.5)  # and not further


def test_what_is_in_hand_sounds_to_its_end_and_then_the_reason_is_told() -> None:
    sound, far, notices = opened()
    bring(sound, far, tone(1, 440, 0.1))
    voice = Voice(sound, offset=1000)
    out, now, heard = np.zeros(CHUNK, dtype=np.float32), CHUNK, 0
    bring(sound, far, tone(0.1, 440, 0.1))
    voice.render(0, out)
    far.why = "the stream has ended"
    while voice.outcome is None:
        sound.pump(CHUNK)
        voice.render(now, out)
        heard += int(np.count_nonzero(out))
        now += CHUNK
    assert voice.outcome.kind == "broken"
    assert voice.outcome.detail == "the stream has ended"
    assert RATE / 25 < heard < RATE / 2  # a block and 60 ms were in hand
    assert notices.get_nowait().failed is False
    assert notices.get_nowait().failed is True
    sound.close()
    assert far.is_closed


def test_one_that_ends_before_it_was_heard_has_nothing_to_play() -> None:
    sound, far, notices = opened()
    far.why = "HTTP 404"
    sound.pump(CHUNK)
    assert (sound.finish, sound.failure) == (0, "HTTP 404")
    assert notices.get_nowait().failed
    sound.pump(CHUNK)  # and is asked no more
    assert notices.empty()


@given(st.lists(st.binary(max_size=60), max_size=20), st.integers(1, 9))
def test_words_of_the_process_survive_any_portions_and_any_bytes(
    lines: list[bytes], size: int
) -> None:
    data = b"\n".join(lines)
    fuzz(data)
    whole, cut = StreamWords(), StreamWords()
    whole.feed(data)
    for at in range(0, len(data), size):
        cut.feed(data[at : at + size])
    assert (whole.receives, whole.why) == (cut.receives, cut.why)


def test_why_a_stream_broke_is_written_once_and_again_where_the_reason_is_another() -> None:
    hearing = Hearing()

    def told(number: int, why: str, reason: Literal["end", "faded", "broken"] = "broken") -> str:
        ended = m.Ended(source=f"stream-0-i#{number}", reason=reason, at_ns=0, detail=why)
        record = hearing.on_broken(ended)
        return "" if record is None else record.detail

    assert told(1, "HTTP 404") == "stream-0-i: HTTP 404"
    assert told(2, "HTTP 404") == ""
    assert told(3, "timed out") == "stream-0-i: timed out"
    assert told(4, "", "faded") == ""


# --- the real process, a real server, in real time


def children(pid: int) -> list[int]:
    """Return the processes that the player has."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.story
@pytest.mark.requirement("SEC-3")
def test_a_stream_sounds_until_its_server_vanishes_and_leaves_no_process(tmp_path: Path) -> None:
    lab, ca, horn = X509Lab(), tmp_path / "ca.pem", tmp_path / "horn.wav"
    ca.write_bytes(lab.ca_pem)
    with (
        radio_on_air(tmp_path, tone(5, 440, 0.1), server_tls(lab).server_context()) as radio,
        LivePlayer("--sink", f"wav:{horn}", SSL_CERT_FILE=str(ca), SECRET="x") as player,
    ):
        pid = player.wait(m.Ready).pid
        player.send(m.OpenStream(source="s", url=radio.url))
        player.wait(m.Prepared)
        (process,) = children(pid)
        environment = Path(f"/proc/{process}/environ").read_bytes()
        assert b"SECRET" not in environment
        player.send(m.Play(source="s", at_ns=in_ms(300), position_ms=5000))
        began = player.wait(m.Started).at_ns
        player.wait_until(began + 2_000_000_000)
        radio.vanish()
        player.wait(m.StreamState, lambda state: not state.receiving)
        ended = player.wait(m.Ended)
        assert (ended.reason, ended.detail) == ("broken", "the stream has ended")
        assert ended.at_ns - began > 3_500_000_000  # what was held sounded
        soon(lambda: children(pid) == [])
        assert player.close() == 0
    heard = read_wav(horn)
    level = np.abs(heard).max() / 32768
    assert level == pytest.approx(0.1, rel=0.2)
    assert [gap for gap in gaps_ms(heard) if gap > 40] == []


@pytest.mark.story
@pytest.mark.requirement("SEC-3")
def test_nobody_that_the_system_does_not_vouch_for_is_heard_and_processes_go(
    tmp_path: Path,
) -> None:
    lab, ca = X509Lab(), tmp_path / "ca.pem"
    ca.write_bytes(lab.ca_pem)
    context = server_tls(lab).server_context()
    with radio_on_air(tmp_path, tone(5, 440, 0.1), context) as radio:
        with LivePlayer("--sink", "null:") as player:
            player.send(m.OpenStream(source="s", url=radio.url))
            ended = player.wait(m.Ended)
            assert (ended.source, ended.reason, ended.at_ns) == ("s", "broken", 0)
            assert "certificate" in ended.detail
            assert radio.asked == []
        with LivePlayer("--sink", "null:", SSL_CERT_FILE=str(ca)) as player:
            pid = player.wait(m.Ready).pid
            for n in range(MAX_STREAMS + 1):
                player.send(m.OpenStream(source=f"s{n}", url=radio.url))
            assert "too many" in player.wait(m.Ended).detail
            soon(lambda: len(children(pid)) == MAX_STREAMS)
            player.send(m.Release(source="s0"))
            soon(lambda: len(children(pid)) == MAX_STREAMS - 1)
            left = children(pid)
            os.kill(pid, 9)
            soon(lambda: not any(map(is_alive, left)))
