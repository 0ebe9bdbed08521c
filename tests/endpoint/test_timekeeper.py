"""The timekeeper: the ladder with a real disk and a battery clock under it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from loa_endpoint.app import timekeeper
from loa_endpoint.app.status_text import status_lines
from loa_endpoint.app.timekeeper import BUILT_MS, Timekeeper
from loa_endpoint.core.clock import Disagreement, Reading
from loa_endpoint.core.clock_watch import MOST_AN_HOUR, ClockWatch
from loa_endpoint.core.rds_clock import STAY_MS, clock_time_ms, station_to_hear
from loa_endpoint.core.time_source import Jump
from loa_endpoint.host.battery_clock import FileBatteryClock
from loa_endpoint.host.clocks import monotonic_ms
from loa_endpoint.store.state import State
from loa_protocol.rds import Group, clock_group, name_group
from loa_protocol.record import ClockTrust, Happening

NOW = 1_800_000_000_000  # a whole minute
HOUR, DAY = 3_600_000, 86_400_000


class Bench:
    """Timekeepers one after another on one disk, and what they told."""

    def __init__(self, folder: Path) -> None:
        self.state = State.open(folder / "state.db", create=True)
        self.battery = FileBatteryClock(folder / "rtc.json")
        self.told: list[Happening] = []

    def boot(self) -> Timekeeper:
        time = Timekeeper(self.state, self.battery)
        time.on_happening = self.told.append
        time.allow_unsigned(366 * 86_400)
        return time

    def names(self) -> list[str]:
        return [each.name for each in self.told]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def say(unix_ms: int) -> None:
        monkeypatch.setattr(timekeeper, "wall_ms", lambda: unix_ms)

    return say


def answer(time: Timekeeper, unix_ms: int) -> None:
    mono_ms = monotonic_ms()
    assert time.on_answer(unix_ms, asked_ms=mono_ms, answered_ms=mono_ms)


def asks(time: Timekeeper) -> bool:
    return time.wants_answer


def is_about(time: Timekeeper, unix_ms: int, trust: ClockTrust) -> bool:
    now = time.read()
    return now.trust is trust and abs(now.unix_ms - unix_ms) < 3000


@pytest.mark.requirement("TIM-4", "OFF-1")
def test_a_board_that_had_the_time_has_it_again_after_a_restart_by_its_battery_clock(
    bench: Bench,
) -> None:
    answer(bench.boot(), NOW)
    assert is_about(bench.boot(), NOW, ClockTrust.T2)


@pytest.mark.requirement("TIM-4")
def test_a_battery_clock_that_somebody_changed_is_told_once_and_set_no_sooner_than_in_an_hour(
    bench: Bench, wall: Callable[[int], None]
) -> None:
    time = bench.boot()
    answer(time, NOW)
    wall(NOW)
    bench.battery.set(NOW + HOUR)  # as the kernel does after a network time server
    time.tick()
    time.tick()
    assert bench.names().count("battery_clock_lost") == 1
    assert bench.battery.read().unix_ms >= NOW + HOUR
    assert bench.boot().read().trust is ClockTrust.T1


@pytest.mark.requirement("TIM-4")
def test_a_station_and_the_wall_clock_together_make_the_time_known(
    bench: Bench, wall: Callable[[int], None]
) -> None:
    bench.boot().on_signed_time(NOW - DAY)
    time = bench.boot()
    wall(NOW)
    time.tick()
    time.on_rds(name_group(0x7301, 0, "LANGSON"))
    assert is_about(time, NOW - DAY, ClockTrust.T1)
    assert time.station_to_hear([91_000]) == 91_000
    time.on_rds(clock_group(0x7301, datetime.fromtimestamp(NOW / 1000, UTC), timedelta(hours=7)))
    assert is_about(time, NOW, ClockTrust.T2)
    assert time.station_to_hear([91_000]) is None
    assert bench.names() == ["clock_step"]
    assert bench.told[0].detail.startswith("T1 to T2")


@pytest.mark.requirement("TIM-4")
def test_nothing_unsigned_raises_the_floor_on_the_disk(bench: Bench) -> None:
    time = bench.boot()
    answer(time, NOW)
    for source in ("system", "rds", "modem"):
        time.on_unsigned(source, NOW + 40 * DAY)
    time.save_floor()
    kept = bench.state.floor_ms()
    assert kept is not None
    assert NOW <= kept < NOW + 3000


@pytest.mark.requirement("TIM-4")
def test_a_lie_under_a_known_time_is_told_once_and_the_server_is_asked_again(
    bench: Bench, wall: Callable[[int], None]
) -> None:
    time = bench.boot()
    answer(time, NOW)
    assert not asks(time)
    wall(NOW + 40 * DAY)
    time.tick()
    assert bench.names() == ["clock_step", "clock_disagrees"]
    assert asks(time)
    answer(time, NOW)
    time.tick()
    assert bench.names() == ["clock_step", "clock_disagrees"]
    assert not asks(time)
    assert is_about(time, NOW, ClockTrust.T3)


@pytest.mark.requirement("TIM-4")
def test_a_wrong_floor_is_told_with_the_nonce_and_cured_by_one_reset_over_it(bench: Bench) -> None:
    time = bench.boot()
    time.on_signed_time(NOW + 13 * DAY)
    answer(time, NOW)
    assert time.read().trust is ClockTrust.T1
    (told,) = (each for each in bench.told if each.name == "floor_ahead")
    nonce = bench.boot().nonce()  # the same after a restart
    assert nonce.hex() in told.detail
    assert time.facts()["nonce"] == nonce.hex()

    assert not time.reset_floor(NOW, b"x" * 16)
    assert time.reset_floor(NOW, nonce)
    assert bench.names()[-1] == "floor_reset"
    assert asks(time)
    assert bench.state.floor_ms() == NOW
    assert is_about(bench.boot(), NOW, ClockTrust.T1)
    answer(time, NOW)
    assert not time.reset_floor(NOW - DAY, nonce)  # one use
    assert is_about(time, NOW, ClockTrust.T3)
    assert time.nonce() != nonce


@pytest.mark.requirement("TIM-4")
def test_a_reset_forgets_the_battery_clock_which_was_set_by_the_wrong_time(bench: Bench) -> None:
    time = bench.boot()
    answer(time, NOW + DAY)
    assert time.reset_floor(NOW, time.nonce())
    assert is_about(time, NOW, ClockTrust.T1)
    assert is_about(bench.boot(), NOW, ClockTrust.T1)


def test_no_reset_goes_below_the_build(bench: Bench) -> None:
    time = bench.boot()
    assert time.reset_floor(0, time.nonce())
    assert bench.state.floor_ms() == BUILT_MS


async def test_who_wants_the_time_now_wakes_the_one_who_asks(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timekeeper, "ASK_APART_S", 0.05)
    time = bench.boot()
    answer(time, NOW)
    loop = asyncio.get_running_loop()
    loop.call_soon(time.want_answer)
    began = loop.time()
    await asyncio.wait_for(time.until_wanted(3600), 10)
    assert loop.time() - began >= 0.049
    assert asks(time)


def test_the_server_is_asked_early_after_the_first_answer_and_then_less_and_less(
    bench: Bench,
) -> None:
    time, apart_s, began_ms = bench.boot(), [], monotonic_ms()
    for _ in range(7):
        now_ms = monotonic_ms()
        time.on_answer(NOW + now_ms - began_ms, asked_ms=now_ms, answered_ms=now_ms)
        apart_s.append(time.asks_in_s)
    assert [round(each) for each in apart_s] == [5, 30, 300, 1800, 7200, 21_600, 21_600]
    assert not asks(time)
    time.want_answer()
    assert asks(time)


async def test_without_anybody_who_wants_it_the_pause_is_kept(bench: Bench) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await bench.boot().until_wanted(0.02)
    assert loop.time() - began >= 0.019


# --- what is told, and how often


def reading(mono_ms: int, unix_ms: int) -> Reading:
    return Reading(mono_ms=mono_ms, unix_ms=unix_ms, trust=ClockTrust.T3, uncertainty_ms=0)


@pytest.mark.requirement("TIM-4")
def test_a_step_of_our_own_time_is_an_event_and_drift_is_none() -> None:
    watch = ClockWatch()
    assert watch.on_reading(reading(0, NOW)) is None
    assert watch.on_reading(reading(10_000, NOW + 10_900)) is None
    step = watch.on_reading(reading(20_000, NOW + 20_900 - HOUR))
    assert step == Happening(name="clock_step", detail=f"T3 to T3, by {-HOUR} ms")


def test_a_source_that_never_rests_cannot_fill_the_outbox() -> None:
    watch, told = ClockWatch(), 0
    for minute in range(180):
        jump = Jump(source="rds", by_ms=HOUR)
        lies = (jump, Disagreement(source="rds", off_by_ms=HOUR)) if minute % 2 else (jump,)
        told += len(watch.on_heard("rds", lies, minute * 60_000))
    assert MOST_AN_HOUR <= told <= 2 * 3 * MOST_AN_HOUR


def test_a_source_that_told_the_truth_again_is_told_of_when_it_lies_again() -> None:
    watch = ClockWatch()
    lie = (Disagreement(source="system", off_by_ms=HOUR),)
    told = [watch.on_heard("system", found, 0) for found in (lie, lie, (), lie)]
    assert [len(each) for each in told] == [1, 0, 0, 1]


# --- the station


def test_a_damaged_group_tells_no_time() -> None:
    whole = clock_group(0x7301, datetime.fromtimestamp(NOW / 1000, UTC), timedelta(hours=7))
    assert clock_time_ms(whole) == NOW
    damaged = Group(whole.a, whole.b, whole.c, whole.d, (0, 0, 0, 1))
    assert clock_time_ms(damaged) is None


def test_the_stations_of_the_playlist_are_heard_in_turn() -> None:
    heard = [station_to_hear([91_000, 66_500, 91_000], turn * STAY_MS) for turn in range(3)]
    assert heard == [66_500, 91_000, 66_500]
    assert station_to_hear([], 0) is None


# --- what a technician reads


def status(time: Timekeeper) -> str:
    facts: dict[str, Any] = {
        "scope": "vn/ls/st0137/c01",
        "state": "connected",
        "faults": [],
        "item": None,
        "time": {**time.facts(), "utc_offset_min": 420},
        "next": [],
        "connected": False,
        "records": {"unsent": 0},
        "media": {"cached": 0, "missing": 0},
        "carriers": {"sticks": [], "modem": None},
    }
    return "\n".join(status_lines(facts))


@pytest.mark.requirement("TIM-4", "OFF-1")
def test_the_status_says_how_far_the_floor_is_wrong_and_by_which_nonce_it_is_reset(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])
    time = bench.boot()
    time.on_signed_time(NOW + DAY)
    assert time.nonce().hex() in status(time)
    assert "ahead" not in status(time)
    answer(time, NOW)
    # a day, less what passed since
    assert re.search(r"The time floor is 14(39|40) min ahead of the server", status(time))
    assert time.reset_floor(NOW, time.nonce())
    answer(time, NOW)
    assert time.nonce().hex() not in status(time)
