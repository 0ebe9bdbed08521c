"""The player in real time: the clock it keeps, the line-in it hears, the agent it outlives not."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from loa_endpoint.audio import messages as m
from support.player_lab import LivePlayer, command_line, environment, gaps_ms, in_ms
from support.sound_files import chirp, noise, read_wav, to_pcm, tone, write, write_wav
from support.waiting import soon

S = 48_000
MS = 1_000_000


@pytest.fixture
def horn(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "horn.wav"


@pytest.fixture
def player(horn: pathlib.Path) -> Iterator[LivePlayer]:
    with LivePlayer("--sink", f"wav:{horn}") as player:
        player.wait(m.Ready)
        yield player


def index_of(player: LivePlayer, instant_ns: int) -> int:
    epoch = player.of(m.Ready)[0].epoch_ns
    return ((instant_ns - epoch) * S + 500_000_000) // 1_000_000_000


@pytest.mark.requirement("RAD-4")
def test_a_planned_start_sounds_at_its_instant_and_the_switch_has_no_gap(
    player: LivePlayer, horn: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    write_wav(tmp_path / "a.wav", chirp(3))
    write(tmp_path / "b.opus", tone(3))
    start = in_ms(500)
    player.send(
        m.Prepare(source="a", path=str(tmp_path / "a.wav")),
        m.Play(source="a", at_ns=start, fade_in_ms=0),
        m.Prepare(source="b", path=str(tmp_path / "b.opus"), position_ms=300),
        m.Play(source="b", position_ms=300, at_ns=start + 300 * MS),
    )
    beat = player.wait(m.Beat, lambda beat: beat.source == "b")
    assert abs(beat.position_ms - (beat.at_ns - start) // MS) <= 1
    player.wait_until(start + 650 * MS)
    heard, first = read_wav(horn), index_of(player, start)
    wanted = to_pcm(chirp(3))
    assert not heard[:first].any()
    assert np.array_equal(heard[first : first + 14_400], wanted[:14_400])
    assert gaps_ms(heard[first + S // 8 : first + S // 2]) == []
    assert [e.at_ns for e in player.of(m.Started)] == pytest.approx(
        [start, start + 300 * MS], abs=21_000
    )


def test_samples_move_with_the_clock_and_it_says_so_twice_a_second_and_more(
    player: LivePlayer, horn: pathlib.Path
) -> None:
    player.wait(m.Beat, lambda beat: beat.samples > 2 * S)
    ready, beats = player.of(m.Ready)[0], player.of(m.Beat)
    assert beats[0].samples <= S // 5  # from the first moment on it is seen whether it stalls
    beats = [beat for beat in beats if beat.samples > S]
    assert np.diff([beat.samples for beat in beats]).tolist() == [19_200] * (len(beats) - 1)
    for beat in beats:
        behind = (beat.at_ns - ready.at_ns) * S / 1e9 - beat.samples
        assert -10_800 < behind < 12_000  # a round of 200 ms ahead, and what a busy machine takes
    soon(lambda: len(read_wav(horn)) >= beats[-1].samples)


def test_a_late_command_keeps_its_alignment(
    player: LivePlayer, horn: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    path = write_wav(tmp_path / "a.wav", noise(4))
    start = in_ms(-1_000)
    player.send(
        m.Prepare(source="a", path=str(path), position_ms=1_000),
        m.Play(source="a", at_ns=start),
    )
    started = player.wait(m.Started)
    assert started.offset_ms == pytest.approx((started.at_ns - start) / MS, abs=1)
    player.wait_until(started.at_ns + 300 * MS)
    heard, first = read_wav(horn), index_of(player, started.at_ns)
    offset = index_of(player, started.at_ns) - index_of(player, start)
    wanted = to_pcm(noise(4))[offset + 960 : offset + 9_600]
    assert np.array_equal(heard[first + 960 : first + 9_600], wanted)


def test_closing_its_input_fades_it_out_and_ends_it(
    player: LivePlayer, horn: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    path = write_wav(tmp_path / "a.wav", tone(5))
    player.send(m.Prepare(source="a", path=str(path)), m.Play(source="a"))
    player.wait(m.Beat, lambda beat: beat.source == "a")
    assert player.close() == 0
    heard = read_wav(horn)
    assert np.abs(np.diff(heard.astype(np.int32))).max() < 0.02 * 32768
    assert player.of(m.Ended)[-1].reason == "faded"


def test_a_killed_player_leaves_a_whole_file_and_the_next_goes_on_in_time(
    horn: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    path = write_wav(tmp_path / "a.wav", noise(10))
    start = 0
    for life in range(2):
        with LivePlayer("--sink", f"wav:{horn}") as player:
            player.wait(m.Ready)
            start = start or in_ms(200)
            player.send(
                m.Prepare(source="a", path=str(path), position_ms=700 * life),
                m.Play(source="a", at_ns=start, fade_in_ms=0),
            )
            started = player.wait(m.Started)
            player.wait_until(started.at_ns + 300 * MS)
            player.process.send_signal(signal.SIGKILL)
            player.process.wait(10)
            first = index_of(player, start)
    heard, wanted = read_wav(horn), to_pcm(noise(10))
    again = index_of(player, started.at_ns)
    assert np.array_equal(heard[first + 4_800 : first + 9_600], wanted[4_800:9_600])
    inside = slice(again + 960, again + 9_600)
    assert np.array_equal(heard[inside], wanted[inside.start - first : inside.stop - first])
    (gap,) = gaps_ms(heard[first + 4_800 : again + 9_600])
    assert gap < 3_000


def test_a_player_that_was_stopped_skips_what_it_missed(
    player: LivePlayer, horn: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    path = write_wav(tmp_path / "a.wav", noise(10))
    start = in_ms(300)
    player.send(
        m.Prepare(source="a", path=str(path)), m.Play(source="a", at_ns=start, fade_in_ms=0)
    )
    player.wait(m.Beat, lambda beat: beat.source == "a")
    player.process.send_signal(signal.SIGSTOP)
    stopped = time.monotonic_ns()
    soon(lambda: time.monotonic_ns() > stopped + 650 * MS)
    player.process.send_signal(signal.SIGCONT)
    beat = player.wait(m.Beat, lambda beat: beat.xruns > 0)
    player.wait_until(beat.at_ns + 300 * MS)
    heard, first = read_wav(horn), index_of(player, start)
    end = len(heard) - 4_800
    wanted = to_pcm(noise(10))[: end - first]
    assert np.array_equal(heard[end - 4_800 : end], wanted[-4_800:])
    assert 400 < max(gaps_ms(heard[first:end])) < 1_500


def test_an_agent_that_does_not_read_does_not_stop_the_sound(
    horn: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    process = subprocess.Popen(
        command_line("--sink", f"wav:{horn}", "--line-in", f"fifo:{tmp_path / 'fm'}"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        # Each refused line is answered, and nobody reads: 64 kB of pipe are soon full.
        process.stdin.write(b"rubbish\n" * 2_000)
        process.stdin.flush()
        soon(lambda: horn.exists() and horn.stat().st_size > S)
        data = os.read(process.stdout.fileno(), 1 << 20)
        assert len(data) >= 32_768
    finally:
        process.kill()
        process.communicate()


def test_an_agent_that_is_gone_ends_it(player: LivePlayer) -> None:
    assert player.process.stdout is not None
    assert player.process.stdin is not None
    player.process.stdin.close()
    assert player.process.wait(10) == 0


@pytest.mark.requirement("RAD-6", "RAD-4")
def test_the_line_in_is_heard_metered_and_left_without_a_gap(
    horn: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    write_wav(tmp_path / "copy.wav", tone(5, 440, 0.1))
    with LivePlayer("--sink", f"wav:{horn}", "--line-in", f"fifo:{tmp_path / 'fm'}") as player:
        quiet = player.wait(m.LineInLevel)
        assert quiet.rms_dbfs == -120
        done = threading.Event()
        card = threading.Thread(target=_play_into, args=(tmp_path / "fm", done))
        card.start()
        try:
            player.wait(m.LineInLevel, lambda level: level.rms_dbfs > -24)
            player.send(
                m.Prepare(source="copy", path=str(tmp_path / "copy.wav")),
                m.PlayLineIn(source="fm", gain_db=-6, position_ms=5_000),
            )
            begun = player.wait(m.Started, lambda event: event.source == "fm")
            assert begun.offset_ms == 5_000
            player.wait(m.Beat, lambda beat: beat.source == "fm" and beat.position_ms > 5_000)
            player.wait_until(begun.at_ns + 350 * MS)
            player.send(m.Play(source="copy"))
            switched = player.wait(m.Started, lambda event: event.source == "copy")
            player.wait_until(switched.at_ns + 300 * MS)
        finally:
            done.set()
            card.join()
        first, second = (index_of(player, event.at_ns) for event in (begun, switched))
    heard = read_wav(horn)
    fm = heard[second - 9_600 : second].astype(np.float64) / 32768
    assert np.sqrt((fm**2).mean()) == pytest.approx(0.1 / 2**0.5 / 2, rel=0.05)
    silent = gaps_ms(heard[first + S // 4 : second + S // 5])
    assert silent == []
    # 1 kHz at 0.05 and 440 Hz at 0.1 move 215 and 189 steps in a sample.
    around = heard[second - 9_600 : second + 9_600].astype(np.int32)
    assert np.abs(np.diff(around)).max() < 400


@pytest.mark.requirement("SRC-3")
def test_a_line_in_that_is_not_there_is_told_and_does_not_stop_the_rest(
    horn: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    path = write_wav(tmp_path / "a.wav", tone(3))
    where = tmp_path / "board" / "fm"
    with LivePlayer("--sink", f"wav:{horn}", "--line-in", f"fifo:{where}") as player:
        fault = player.wait(m.Fault)
        assert (fault.name, "fm" in fault.detail) == ("line_in", True)
        player.send(m.Prepare(source="a", path=str(path)), m.Play(source="a"))
        player.wait(m.Beat, lambda beat: beat.source == "a")
        assert player.wait(m.LineInLevel).rms_dbfs == -120
        where.parent.mkdir()
        soon(where.exists)  # it looks for it, and makes the FIFO where the folder is
        assert len(player.of(m.Fault)) == 1


@pytest.mark.requirement("PERF-2")
def test_a_line_in_that_does_not_sound_is_told_of_with_a_sign_of_life(
    tmp_path: pathlib.Path,
) -> None:
    writes: list[bytes] = []
    with subprocess.Popen(
        command_line("--sink", "null:", "--line-in", f"fifo:{tmp_path / 'fm'}"),
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    ) as player:
        assert player.stdin is not None
        assert player.stdout is not None
        while len(levels := [said for said in writes if b"line_in_level" in said]) < 6:
            writes.append(os.read(player.stdout.fileno(), 65_536))
        player.stdin.close()
    assert all(b'"beat"' in said for said in levels), "a write of its own wakes the agent for it"


def _play_into(fifo: pathlib.Path, done: threading.Event) -> None:
    """Write a tone into the FIFO at the rate at which it is heard."""
    sound = to_pcm(tone(1, 1000, 0.1)).tobytes()  # whole periods: it can go round
    begin, sent = time.monotonic(), 0
    with fifo.open("wb", buffering=0) as out:
        while not done.wait(max(0.0, begin + sent / 96_000 - time.monotonic())):
            out.write(sound[sent % 96_000 : sent % 96_000 + 1_920])
            sent += 1_920
