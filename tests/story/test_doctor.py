"""``loa doctor`` beside a real agent and its server on one machine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from loa_manager.doctor import board, security, trouble
from loa_manager.doctor.finding import Result
from loa_manager.health import Check, Level
from support.hamlet import WITHIN_S, Hamlet, Pole, hamlet
from support.waiting import soon

pytestmark = pytest.mark.story


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hamlet]:
    with hamlet(tmp_path_factory.mktemp("hamlet")) as made:
        yield made


def checks(pole: Pole) -> dict[str, Check]:
    return {each.id: each for each in trouble.examine_board(pole.home)}


@pytest.mark.requirement("SEC-5", "OFF-1")
def test_a_board_passes_with_its_server_and_without_it_the_doctor_says_why_it_holds(
    here: Hamlet,
) -> None:
    pole = here.pole("c01")
    pole.start()
    soon(lambda: pole.status()["connected"] and pole.knows_the_time(), within_s=WITHIN_S)
    seen = board.look_at(pole.home)
    found = {each.id: each.result for each in board.judge(seen)}
    assert found["board_key_file"] is found["board_sockets"] is Result.PASS
    assert len(seen.processes) >= 2  # the player too
    assert checks(pole)["board_clock"].level is checks(pole)["board_records"].level is Level.OK
    server = security.survey(here.home)
    now = datetime.now(UTC)
    assert trouble.judge_server(server).level is trouble.judge_broker(server).level is Level.OK
    held = next(each for each in trouble.examine(here.home, now) if each.id == "clocks")
    assert held.level is Level.OK
    pole.stop()
    here.kill_server()
    pole.start()
    clock = checks(pole)["board_clock"]
    assert clock.level is Level.WARNING
    assert clock.evidence["trust"] in ("T0", "T1")
    assert checks(pole)["board_records"].level is Level.WARNING
    pole.stop()
    assert checks(pole)["board"].level is Level.CRITICAL
