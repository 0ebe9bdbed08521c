"""An agent on its pole, with a real server: what a listener hears when something breaks."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from loa_protocol.objects.policy import Hours
from loa_protocol.record import Evidence, Outcome
from support.hamlet import Hamlet, Pole, hamlet, make_piece, soon_s
from support.listening import position_ms, read_sound
from support.waiting import soon

pytestmark = pytest.mark.story
RIGHT_PLACE_MS = 200.0  # a wrong place is seconds off; a loaded machine is late by less


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hamlet]:
    with hamlet(tmp_path_factory.mktemp("hamlet")) as made:
        yield made


def stray_ms(pole: Pole, file: Path, at_ms: int, start_ms: int) -> float:
    """Return by how much what sounded at *at_ms* was beside where an item of *start_ms* is."""
    return position_ms(pole.recording(), at_ms, read_sound(file)) - (at_ms - start_ms)


def right_place_ms(play: Any) -> float:
    """Return how far beside its place a play may be: its own clock may be off by what it says."""
    assert play.uncertainty_ms < 1000
    return RIGHT_PLACE_MS + float(play.uncertainty_ms)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.mark.requirement("RAD-4", "OFF-2")
def test_a_killed_agent_joins_its_item_again_at_the_right_place_and_tells_of_both_plays(
    here: Hamlet,
) -> None:
    pole, piece = here.pole("c01"), make_piece(here.folder, "tin", 14)
    start = soon_s()
    here.publish(pole, [piece], start_s=start)
    pole.start()
    soon(lambda: pole.is_playing(piece) and now_ms() > start * 1000 + 2000)
    killed_ms = now_ms()
    pole.kill()
    pole.start()
    first, second = here.ended(pole, 2)
    assert [first.outcome, second.outcome] == [Outcome.INTERRUPTED, Outcome.COMPLETE]
    assert first.item == second.item == piece.id
    assert first.planned_ms == second.planned_ms == start * 1000
    assert second.offset_ms > 2000  # it was joined, not begun
    again_ms = second.started_ms + 200
    assert killed_ms < again_ms < killed_ms + 9000
    assert abs(stray_ms(pole, piece.file, again_ms, start * 1000)) < right_place_ms(second)
    assert here.is_chain_whole()
    pole.stop()


@pytest.mark.requirement("OFF-1", "AUD-3")
def test_an_agent_that_is_ended_in_order_fades_out_and_tells_what_it_stopped(here: Hamlet) -> None:
    pole, piece = here.pole("c08"), make_piece(here.folder, "dung", 5)
    start_ms = soon_s() * 1000
    here.publish(pole, [piece], start_s=start_ms // 1000)
    pole.start()
    soon(lambda: pole.is_playing(piece) and now_ms() > start_ms + 1500)
    process = pole.process
    pole.stop()
    assert process is not None
    assert process.returncode == 0
    heard = np.trim_zeros(pole.recording().samples, "b").astype(int)
    assert np.abs(heard[-48:]).max() < np.abs(heard[-1920:-960]).max() / 4  # it fades, no click
    soon(lambda: now_ms() > start_ms + piece.length_ms)
    pole.start()
    (play,) = here.ended(pole, 1)
    assert play.outcome == Outcome.STOPPED
    assert start_ms + 1400 < play.ended_ms < start_ms + piece.length_ms
    assert here.is_chain_whole()
    pole.stop()


@pytest.mark.requirement("RAD-4", "AUD-3")
def test_a_killed_player_is_replaced_within_about_a_second_and_goes_on_in_the_same_play(
    here: Hamlet,
) -> None:
    pole, piece = here.pole("c02"), make_piece(here.folder, "nhac", 8)
    start_ms = soon_s() * 1000
    here.publish(pole, [piece], start_s=start_ms // 1000)
    pole.start()
    soon(lambda: pole.is_playing(piece) and now_ms() > start_ms + 2000)
    os.kill(pole.status()["sound"]["player"], signal.SIGKILL)
    (play,) = here.ended(pole, 1)
    assert play.outcome == Outcome.COMPLETE
    assert len(play.segments) <= 2
    heard = pole.recording()
    assert 0 < heard.longest_gap_ms(start_ms + 100, start_ms + piece.length_ms - 100) < 1500
    before, after = (stray_ms(pole, piece.file, start_ms + at, start_ms) for at in (500, 6000))
    assert abs(after - before) < RIGHT_PLACE_MS
    assert abs(before) < right_place_ms(play)
    assert "player_restarted" in here.happenings(pole)
    assert pole.status()["sound"]["restarts"] == 1
    pole.stop()


@pytest.mark.requirement("OFF-2", "SEC-4")
def test_media_that_the_boards_disk_altered_are_refused_told_fetched_again_and_heard_whole(
    here: Hamlet,
) -> None:
    pole, piece = here.pole("c03"), make_piece(here.folder, "loi", 3)
    start_ms = soon_s(7) * 1000
    here.publish(pole, [piece], start_s=start_ms // 1000)
    pole.start()
    soon(lambda: pole.cached(piece).exists())
    pole.stop()
    whole = pole.cached(piece).read_bytes()
    half = len(whole) // 2
    pole.cached(piece).write_bytes(whole[:half] + bytes([whole[half] ^ 1]) + whole[half + 1 :])
    assert now_ms() < start_ms - 1000
    pole.start()
    soon(lambda: ("media", "media_hash") in here.refusals(pole))
    soon(lambda: pole.cached(piece).exists() and pole.cached(piece).read_bytes() == whole)
    (play,) = here.ended(pole, 1)
    assert play.outcome == Outcome.COMPLETE
    assert play.offset_ms < 1000  # the good file was there in time, or as good as
    heard = pole.recording()
    assert not heard.part(0, play.started_ms - 20).any()
    for at_ms in range(play.started_ms + 100, play.ended_ms - 500, 500):
        assert abs(stray_ms(pole, piece.file, at_ms, start_ms)) < right_place_ms(play)
    assert heard.longest_gap_ms(play.started_ms + 50, play.ended_ms - 50) < 50
    pole.stop()


@pytest.mark.requirement("TIM-2", "ADM-2")
def test_a_signed_relay_in_the_quiet_hours_is_refused_by_the_board_itself(here: Hamlet) -> None:
    pole, piece = here.pole("c04"), make_piece(here.folder, "tiep-song", 4)
    local = datetime.now(UTC) + timedelta(hours=7)
    minute = local.hour * 60 + local.minute
    # whatever the hour of this test: for this commune it is the middle of the night
    spans = ((0, minute - 5), (minute + 10, 1440))
    hours = tuple(
        Hours(weekdays=127, start_min=begin, end_min=end)
        for begin, end in spans
        if 0 <= begin < end <= 1440
    )
    here.sign_policy(pole.scope, hours=hours)
    start_ms = soon_s() * 1000
    here.publish(pole, [piece], start_s=start_ms // 1000)
    pole.start()
    soon(lambda: (f"item {piece.id}", "blocked_quiet_hours") in here.refusals(pole))
    soon(lambda: now_ms() > start_ms + piece.length_ms)
    assert here.plays(pole) == []
    assert not pole.recording().samples.any()
    blocked = [each for each in pole.status()["next"] if each["block"]]
    assert all(each["block"] == "blocked_quiet_hours" for each in blocked)
    pole.stop()


@pytest.mark.requirement("SEC-5")
def test_a_working_agent_listens_on_no_port(here: Hamlet) -> None:
    pole = here.pole("c05")
    pole.start()
    soon(lambda: pole.status()["connected"])
    assert inbound(pole) == []
    pole.stop()


@pytest.mark.requirement("SEC-1", "SEC-5")
def test_an_unprovisioned_board_is_silent_says_so_and_listens_on_no_port(here: Hamlet) -> None:
    home, wav = here.folder / "blank", here.folder / "blank.wav"
    home.mkdir()
    arguments = ("run", "--home", home, "--sink", f"wav:{wav}")
    pole = Pole("blank", home, wav, b"", here.crew)
    pole.process = here.crew.start(pole.name, "loa-endpoint", *arguments)
    soon(lambda: "Not provisioned: silent" in here.crew.log(pole.name))
    assert inbound(pole) == []
    pole.stop()
    assert not wav.exists()


@pytest.mark.requirement("HLT-2")
def test_without_a_sensor_a_play_is_never_shown_as_verified(here: Hamlet) -> None:
    pole, piece = here.pole("c06"), make_piece(here.folder, "thong-bao", 3)
    here.publish(pole, [piece], start_s=soon_s())
    pole.start()
    (play,) = here.ended(pole, 1)
    assert play.evidence == Evidence.UNVERIFIED
    assert play.evidence_ms == 0
    assert "unverified" in here.crew.run("loa", "status", "--home", here.home.path, "st0137/c06")
    pole.stop()


@pytest.mark.requirement("MSG-6")
def test_the_status_on_the_pole_speaks_vietnamese_and_english(here: Hamlet) -> None:
    pole, piece = here.pole("c07"), make_piece(here.folder, "dan-ca", 6)
    here.publish(pole, [piece], start_s=soon_s())
    pole.start()
    soon(lambda: pole.is_playing(piece))
    english = here.crew.run("loa-endpoint", "status", "--home", pole.home)
    vietnamese = here.crew.run("loa-endpoint", "status", "--lang", "vi", "--home", pole.home)
    assert f"{pole.scope}: playing" in english
    assert f"Now: {piece.id}, by media, volume 15" in english
    assert f"{pole.scope}: đang phát" in vietnamese
    assert piece.id in vietnamese
    assert len(english.splitlines()) == len(vietnamese.splitlines())
    pole.stop()


def inbound(pole: Pole) -> list[object]:
    """Return what the agent and its children would take in from beyond their own connections."""
    assert pole.process is not None
    agent = psutil.Process(pole.process.pid)
    found = [
        each
        for process in (agent, *agent.children(recursive=True))
        for each in process.net_connections("inet")
    ]
    return [each for each in found if each.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)]
