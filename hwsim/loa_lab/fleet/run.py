"""Run a fleet from its founding to its figures."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from loa_lab.fleet.endpoint import Board
from loa_lab.fleet.exercise import Bar, Clock, Exercise, Say
from loa_lab.fleet.fleet import Fleet, make_room, memory_bytes
from loa_lab.fleet.province import FleetProvince
from loa_lab.fleet.wire_day import count_day
from loa_lab.village.crew import crew
from loa_protocol.language import language, translator

_ = translator("loa_lab")


def run_fleet(
    count: int, say: Say, bar: Bar, *, with_orders: bool = True, with_bytes: bool = False
) -> dict[str, Any]:
    """Bring *count* endpoints onto the line and return what was found.

    Args:
        count: How many.
        say: Told what happens next.
        bar: Told how far it has come.
        with_orders: Hold the province, alert through the hold, release it, lock it down.
        with_bytes: Count what an idle day costs on the wire.

    Raises:
        ConfigError: the system does not allow so many open files.
        PeerError: the server did not start, or refused an endpoint.
    """
    make_room(count)
    began_s = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="loa-fleet-") as folder,
        crew(Path(folder) / "logs", language()) as people,
    ):
        say(_("a test province is founded, its server starts"))
        province = FleetProvince(Path(folder), people)
        boards = province.enrol(count)
        province.serve()
        facts = asyncio.run(_run(province, boards, say, bar, with_orders, with_bytes))
        facts["server_warnings"] = _warnings(province)
    return facts | {
        "seconds": round(time.monotonic() - began_s, 1),
        "memory_mb": memory_bytes() // 10**6,
    }


async def _run(
    province: FleetProvince,
    boards: list[Board],
    say: Say,
    bar: Bar,
    with_orders: bool,
    with_bytes: bool,
) -> dict[str, Any]:
    clock = Clock()
    fleet = Fleet(boards, province.place(clock))
    exercise = Exercise(province, fleet, clock, say, bar)
    async with fleet.running():
        await exercise.raise_fleet()
        if with_bytes:
            say(_("what a day costs on the wire is counted"))
            exercise.facts["day"] = await count_day(province, fleet)
        if with_orders:
            hold = await exercise.hold()
            await exercise.restart_some()
            await exercise.bring_back()
            await exercise.alert()
            await exercise.release(hold)
            await exercise.lock_down()
        exercise.facts["refused"] = _refusals(fleet)
    return exercise.facts


def _refusals(fleet: Fleet) -> dict[str, int]:
    found: Counter[str] = Counter()
    for endpoint in fleet.endpoints:
        found.update(endpoint.refusals)
    return dict(found)


def _warnings(province: FleetProvince) -> dict[str, int]:
    """Return how often the server warned of what."""
    loud = [each for each in province.log() if each.get("level") in ("warning", "error")]
    return dict(Counter(str(each["event"]) for each in loud))
