"""Real agents whose wall clocks lie: what each makes of the time, with the server and without.

The lie is libfaketime's; monotonic time stays true, as on any board. The last tests take the server
away for good.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from loa_protocol.objects.placement import Device, Fitting
from loa_protocol.objects.playlist import FmWindow, Proof, ProofKind
from loa_protocol.record import Outcome
from support.hamlet import WITHIN_S, Hamlet, Piece, Pole, hamlet, make_piece, soon_s
from support.waiting import soon
from support.wall_clock import lie, lying_wall_clock

pytestmark = [pytest.mark.story, pytest.mark.needs("faketime")]
UNIT = Path(__file__).parents[2] / "endpoint" / "systemd" / "loa-endpoint.service"
A_MINUTE_S = 60.0  # within which each lie has its result
AT_1970 = "@1970-01-01 00:10:00"
LIES = {"c01": AT_1970, "c02": "+1h", "c03": "+40d", "c04": "+14y"}
FREQUENCY_KHZ = 91_000
EDGE_AFTER_S = 12  # from publishing to the minute's edge in which the station says the time
AIR = f"""
[[transmitter]]
frequency_khz = {FREQUENCY_KHZ}
pi = "7301"
ps = "LANGSON"
level_dbuv = 60.0
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hamlet]:
    with hamlet(tmp_path_factory.mktemp("hamlet")) as made:
        yield made


@pytest.fixture(scope="module")
def liars(here: Hamlet) -> Iterator[dict[str, Pole]]:
    """Start a board for each lie; the first of them has something to play."""
    poles = {name: here.pole(name) for name in LIES}
    piece = make_piece(here.folder, "sang", 5)
    here.publish(poles["c01"], [piece], start_s=soon_s(8))
    for name, pole in poles.items():
        with lying_wall_clock(here.folder / f"{name}.lie", LIES[name]):
            pole.start()
    yield poles
    for pole in poles.values():
        pole.stop()


@pytest.mark.requirement("TIM-4", "SEC-2")
def test_whatever_the_wall_clock_says_the_servers_answer_is_the_time_and_the_lie_is_told(
    here: Hamlet, liars: dict[str, Pole]
) -> None:
    for pole in liars.values():
        soon(pole.knows_the_time, within_s=A_MINUTE_S)
        told = pole.status()["time"]
        assert abs(told["unix_ms"] - time.time_ns() // 1_000_000) < 2000
        assert told["floor_ms"] <= told["unix_ms"]
        assert abs(told["unsigned"]["system"]["unix_ms"] - told["unix_ms"]) > 3_500_000
        await_event(here, pole, "clock_disagrees")


@pytest.mark.requirement("TIM-4")
def test_a_wall_clock_that_steps_back_under_a_running_board_moves_nothing_and_is_told(
    here: Hamlet, liars: dict[str, Pole]
) -> None:
    pole = liars["c02"]
    soon(pole.knows_the_time, within_s=A_MINUTE_S)
    lie(here.folder / "c02.lie", "-2d")
    await_event(here, pole, "clock_jumped")
    assert abs(pole.status()["time"]["unix_ms"] - time.time_ns() // 1_000_000) < 2000


@pytest.mark.requirement("TIM-4")
def test_a_board_that_boots_in_1970_plays_what_is_due_at_its_place(
    here: Hamlet, liars: dict[str, Pole]
) -> None:
    (play,) = here.ended(liars["c01"], 1, within_s=A_MINUTE_S)
    assert play.outcome == Outcome.COMPLETE


@pytest.mark.needs("systemd")
def test_the_drop_in_for_a_battery_clock_gives_the_unit_that_device_and_little_more(
    tmp_path: Path,
) -> None:
    unit = tmp_path / UNIT.name
    text = UNIT.read_text().replace("/opt/loa/bin", str(Path(sys.executable).parent))
    unit.write_text(text.replace("User=loa", "User=root"))  # users that this machine has
    shutil.copytree(UNIT.with_name(UNIT.name + ".d"), tmp_path / (UNIT.name + ".d"))
    for arguments in (["verify", "--man=no"], ["security", "--offline=yes", "--threshold=35"]):
        command = ["systemd-analyze", *arguments, str(unit)]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (said.returncode, said.stderr) == (0, ""), said.stdout[-300:]


def await_event(here: Hamlet, pole: Pole, name: str) -> None:
    """Wait until the books tell that *pole* told of *name*."""
    soon(lambda: name in here.happenings(pole), within_s=A_MINUTE_S)


@contextlib.contextmanager
def battery_clock(file: Path) -> Iterator[None]:
    """Let agents that are started inside have this battery clock."""
    os.environ["LOA_ENDPOINT_RTC"] = f"file:{file}"
    try:
        yield
    finally:
        del os.environ["LOA_ENDPOINT_RTC"]


@dataclass(frozen=True)
class Alone:
    """Two boards that boot without the server: one with a battery clock, one that hears a station.

    All clocks of the second, the station's too, are up to a minute ahead, so that its minute's edge
    comes when the test can wait for it.
    """

    battery: Pole
    radio: Pole
    piece: Piece


@pytest.fixture(scope="module")
def alone(here: Hamlet, liars: dict[str, Pole]) -> Iterator[Alone]:
    for pole in liars.values():
        pole.stop()  # they have told what they had to
    board = here.folder / "board"
    tuner = Fitting(device=Device.TUNER, port=str(board / "tuner"), option=0)
    battery, radio = here.pole("c05"), here.pole("c06", tuner)
    piece = make_piece(here.folder, "dai", 120)
    now_s = int(time.time())
    edge_s = -(-(now_s + EDGE_AFTER_S) // 60) * 60
    start_s = edge_s + 3
    window = FmWindow(
        frequency_khz=FREQUENCY_KHZ,
        start=start_s,
        end=start_s + 120,
        volume=15,
        proofs=(Proof(kind=ProofKind.PI, value=0x7301),),
    )
    here.publish(battery, [piece], start_s=now_s)
    here.publish(radio, [piece], start_s=start_s, fm_windows=(window,))
    with battery_clock(here.folder / "rtc.json"):
        battery.start()
    radio.start()
    for pole in (battery, radio):
        soon(pole.cached(piece).exists, within_s=WITHIN_S)
        soon(pole.knows_the_time, within_s=WITHIN_S)
        pole.stop()
    here.kill_server()
    with lying_wall_clock(here.folder / "c06.lie", f"+{edge_s - now_s - EDGE_AFTER_S}"):
        (here.folder / "air.toml").write_text(AIR)
        here.crew.start(
            "board", "loa-sim", "board", "--dir", board, "--air", here.folder / "air.toml",
            "--hears", radio.wav,
        )  # fmt: skip
        soon((board / "tuner").exists, within_s=WITHIN_S)
        radio.start()
    with (
        battery_clock(here.folder / "rtc.json"),
        lying_wall_clock(here.folder / "c05.lie", AT_1970),
    ):
        battery.start()
    yield Alone(battery, radio, piece)
    for pole in (battery, radio):
        pole.stop()


@pytest.mark.requirement("TIM-4", "OFF-1")
def test_a_battery_clock_that_was_set_by_the_server_lets_a_board_play_offline(
    alone: Alone,
) -> None:
    soon(lambda: alone.battery.is_playing(alone.piece), within_s=A_MINUTE_S)
    status = alone.battery.status()
    assert status["time"]["trust"] == "T2"
    assert status["time"]["battery_clock"] == "sound"
    assert abs(status["time"]["unix_ms"] - time.time_ns() // 1_000_000) < 3000
    assert not status["connected"]


@pytest.mark.requirement("TIM-4", "OFF-1")
def test_wall_clock_and_station_that_agree_let_a_board_play_offline(alone: Alone) -> None:
    pole = alone.radio
    soon(lambda: pole.is_playing(alone.piece), within_s=2 * A_MINUTE_S)
    status = pole.status()["time"]
    assert status["trust"] == "T2"
    assert set(status["unsigned"]) == {"rds", "system"}
    steps = [each["detail"] for each in pole.said("clock_step")]
    assert any(detail.startswith("T1 to T2") for detail in steps)
    assert pole.said("held_no_time")  # until then
