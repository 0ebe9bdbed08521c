"""The server goes away in the middle of a programme, and comes back: told once, asked by many."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import select

from loa_lab.village.heard import Recording
from loa_manager import database, tables
from loa_protocol.record import Outcome
from support.hamlet import WITHIN_S, Hamlet, Piece, Pole, hamlet, make_piece, soon_s
from support.listening import position_ms, read_sound
from support.waiting import soon

pytestmark = pytest.mark.story
RIGHT_PLACE_MS = 300.0  # a loaded machine tells the time to a fifth of a second
SECOND_AT_MS = 6000
ALIVE_S = "10"  # heartbeats come every second; a loaded machine may be late with some


@dataclass(frozen=True)
class Outage:
    """What was seen, and who was there."""

    here: Hamlet
    working: Pole  # was playing when the server went away
    booted: Pole  # started while it was away
    pieces: tuple[Piece, Piece]
    long: Piece
    start_ms: int
    gone_ms: int
    back_ms: int
    cut_off: dict[str, Any]  # the working pole's status after the programme, still cut off
    held: str  # what the booted pole said to a technician
    held_sound: Recording


@pytest.fixture(scope="module")
def outage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outage]:
    with hamlet(tmp_path_factory.mktemp("hamlet"), poles=2) as here:
        yield _go_through(here)


def _go_through(here: Hamlet) -> Outage:
    working, booted = here.pole("c01"), here.pole("c02")
    first = make_piece(here.folder, "sang", 5)
    second = make_piece(here.folder, "chieu", 5, at_ms=SECOND_AT_MS)
    long = make_piece(here.folder, "dai", 60)
    start_s = soon_s(5)
    here.publish(working, [first, second], start_s=start_s)
    here.publish(booted, [long], start_s=start_s)
    booted.start()
    soon(booted.cached(long).exists, within_s=WITHIN_S)
    booted.stop()
    working.start()
    soon(lambda: working.is_playing(first), within_s=WITHIN_S)
    here.kill_server()
    gone_ms = _now_ms()
    booted.start()
    soon(lambda: bool(booted.said("held_no_time")), within_s=WITHIN_S)
    soon(lambda: _now_ms() > start_s * 1000 + SECOND_AT_MS + second.length_ms, within_s=30)
    soon(lambda: working.status()["item"] is None)
    held = here.crew.run("loa-endpoint", "status", "--home", booted.home)
    held_sound, cut_off = booted.recording(), working.status()
    _take_away_every_key_but_the_servers(here)
    here.open_server()
    return Outage(
        here=here,
        working=working,
        booted=booted,
        pieces=(first, second),
        long=long,
        start_ms=start_s * 1000,
        gone_ms=gone_ms,
        back_ms=_now_ms(),
        cut_off=cut_off,
        held=held,
        held_sound=held_sound,
    )


def _take_away_every_key_but_the_servers(here: Hamlet) -> None:
    keys = here.home.path / "keys"
    for folder in keys.iterdir():
        if folder.name != "server":
            folder.rename(here.folder / f"safe-{folder.name}")
    assert [folder.name for folder in keys.iterdir()] == ["server"]


@pytest.mark.requirement("OFF-1", "RAD-4")
def test_the_sound_goes_on_from_the_cache_while_the_server_is_away(outage: Outage) -> None:
    assert outage.gone_ms < outage.start_ms + SECOND_AT_MS  # the second item began without it
    assert not outage.cut_off["connected"]
    assert outage.cut_off["records"]["unsent"] > 0
    heard = outage.working.recording()
    for piece in outage.pieces:
        begin = outage.start_ms + piece.at_ms
        assert heard.longest_gap_ms(begin + 100, begin + piece.length_ms - 100) < 50
        stray = position_ms(heard, begin + 2000, read_sound(piece.file)) - 2000
        assert abs(stray) < RIGHT_PLACE_MS


@pytest.mark.requirement("OFF-1", "SEC-11")
def test_every_record_arrives_exactly_once_when_the_server_is_back(outage: Outage) -> None:
    here, pole = outage.here, outage.working
    plays = here.ended(pole, 2, within_s=60)
    assert [play.item for play in plays] == [piece.id for piece in outage.pieces]
    assert [play.outcome for play in plays] == [Outcome.COMPLETE] * 2
    assert {play.epoch for play in plays} == {1}
    assert here.is_chain_whole()
    engine = database.open(here.home.database_url)
    with database.reading(engine) as connection:
        mine = tables.batch.c.endpoint == pole.endpoint.hex()
        batches = connection.execute(
            select(tables.batch).where(mine).order_by(tables.batch.c.first)
        ).all()
    engine.dispose()
    expected = 0
    for batch in batches:  # none missing, none twice
        assert batch.first == expected
        expected = batch.first + batch.count


@pytest.mark.requirement("TIM-4", "OFF-1")
def test_a_board_that_boots_without_network_holds_its_programme_and_says_so(
    outage: Outage,
) -> None:
    assert "Clock trust: T1" in outage.held
    assert "Nothing scheduled plays until the time is known" in outage.held
    assert "not connected" in outage.held
    assert not outage.held_sound.samples.any()


@pytest.mark.requirement("TIM-4")
def test_when_the_time_is_known_it_joins_the_item_of_now_at_the_right_place(
    outage: Outage,
) -> None:
    here, pole, piece = outage.here, outage.booted, outage.long
    soon(lambda: pole.is_playing(piece), within_s=60)
    soon(lambda: bool(here.plays(pole)), within_s=WITHIN_S)
    (play,) = here.plays(pole)
    assert play.planned_ms == outage.start_ms
    joined_ms = play.began_ms + 1000
    assert joined_ms > outage.back_ms
    soon(lambda: _now_ms() > joined_ms + 1000)
    place = position_ms(pole.recording(), joined_ms, read_sound(piece.file))
    assert abs(place - (joined_ms - outage.start_ms)) < RIGHT_PLACE_MS
    assert "held_no_time" in here.happenings(pole)


@pytest.mark.requirement("SEC-1")
def test_the_server_served_all_of_this_with_its_own_keys_alone(outage: Outage) -> None:
    keys = outage.here.home.path / "keys"
    assert [folder.name for folder in keys.iterdir()] == ["server"]
    server = outage.here.server
    assert server is not None
    opened = [file.path for file in psutil.Process(server.pid).open_files()]
    assert not [path for path in opened if "/keys/" in path]


@pytest.mark.requirement("HLT-1")
def test_status_and_health_tell_a_monitoring_system_of_a_lost_pole(outage: Outage) -> None:
    home = outage.here.home.path
    soon(lambda: _fleet(home)["lost"] == 0, within_s=60)
    code, health = _loa("health", home, "--lost-after", ALIVE_S)
    assert code == {"ok": 0, "warning": 1}[health["level"]]
    assert _check(health, "fleet")["level"] == "ok"
    assert _check(health, "head")["level"] == "ok"
    outage.working.kill()
    soon(lambda: _fleet(home)["lost"] == 1, within_s=60)
    code, health = _loa("health", home, "--lost-after", ALIVE_S)
    assert code == 2
    assert health["level"] == _check(health, "fleet")["level"] == "critical"
    code, status = _loa("status", home, "--lost-after", ALIVE_S)
    assert code == 0
    states = {each["cluster"]: each["state"] for each in status["clusters"]}
    assert states["st0137/c01"] == "lost"
    assert states["st0137/c02"] in ("playing", "connected")
    monitored = [status[name] for name in ("lost", "fault", "playing", "connected")]
    assert sum(monitored) == status["fleet"] == 2


@pytest.mark.parametrize("arguments", [("--no-such-option",), ("--home", "/nowhere/at/all")])
def test_health_answers_unknown_to_what_it_cannot_look_at(arguments: tuple[str, ...]) -> None:
    assert _run("health", *arguments)[0] == 3


def _fleet(home: Path) -> dict[str, Any]:
    facts: dict[str, Any] = _loa("status", home, "--lost-after", ALIVE_S)[1]
    return facts


def _check(health: dict[str, Any], name: str) -> dict[str, Any]:
    return next(check for check in health["checks"] if check["id"] == name)


def _loa(command: str, home: Path, *arguments: str) -> tuple[int, Any]:
    code, said = _run(command, "--home", str(home), "--json", *arguments)
    return code, json.loads(said)


def _run(*arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "loa_manager", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
