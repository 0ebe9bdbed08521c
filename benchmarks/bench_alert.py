"""How soon an alert is heard: a real agent among virtual endpoints, measured on what it writes.

The agent is a process like on a board: `loa-endpoint run` with its player, a WAV file for a sound
card, an item that plays, and the alert's sound in its cache already. Server and broker are real,
and push each alert to all endpoints. Two distributions end at the first sample of the attention
tone in the file: from the acceptance that the agent logs, and from just before the order was
put into the province's book. Each alert is cancelled before it speaks, and the item goes on.

``LOA_FLEET`` says how many virtual endpoints there are beside it, ``LOA_ALERTS`` how many alerts.
"""

from __future__ import annotations

import asyncio
import os
import pathlib
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))

from loa_endpoint.audio.tone import HIGH_HZ
from loa_lab.fleet.endpoint import Board
from loa_lab.fleet.exercise import Clock, spread
from loa_lab.fleet.fleet import Fleet, make_room, until
from loa_lab.fleet.province import STATION, FleetProvince
from loa_lab.village.crew import crew
from loa_lab.village.heard import RATE, Recording
from loa_manager import database
from loa_manager.orders.compose import AlertAsk, compose_alert, compose_cancel
from loa_protocol.objects.authority import Role
from loa_protocol.objects.playlist import Media
from support.hamlet import ALWAYS, Hamlet, Piece, Pole, make_piece, soon_s
from support.registry import add_clusters, cluster
from support.waiting import soon

REQUIREMENTS = ("MSG-3",)
ENDPOINTS = int(os.environ.get("LOA_FLEET", "2000"))
ALERTS = int(os.environ.get("LOA_ALERTS", "60"))
CLUSTER = "c9999"
READY_S = 120.0
WITHIN_S = 30.0  # for an order to be accepted, and for everybody to have done with it
TONE_S, REST_S = 1.0, 0.6  # until it is cancelled, and until the item is back
LIMITS = (("p95", 0.5), ("max", 3.0))  # MSG-3
_WINDOW = RATE // 200
_LEAST = 0.1 * 32_768 * _WINDOW / 2  # of a tone of 0.25; noise as loud as the item stays below


class Town(Hamlet):
    """A hamlet in the province of the fleet, for the one pole that is real."""

    province: FleetProvince

    def __post_init__(self) -> None:
        """Take the province as it is, and add the pole's cluster to it."""

    def settle(self, province: FleetProvince) -> None:
        """Let the people of the hamlet work in *province*."""
        self.authority, self.secret = province.authority, province.secret
        self.people = (
            self.certified("biên tập", Role.EDITOR),
            self.certified("duyệt", Role.APPROVER),
        )
        self.sign_policy(hours=ALWAYS, start_wait_s=3)
        engine = database.open(self.home.database_url)
        with database.writing(engine) as connection:
            add_clusters(connection, cluster(f"st0137/{CLUSTER}", "M20101"))
        engine.dispose()


@dataclass(frozen=True)
class Given:
    """One alert: its id, and when it was issued, unix ms."""

    order: str
    issued_ms: float


def run() -> list[dict[str, Any]]:
    """Give the alerts one after another."""
    make_room(ENDPOINTS)
    with tempfile.TemporaryDirectory() as name, crew(pathlib.Path(name) / "logs", "en") as people:
        folder = pathlib.Path(name)
        province = FleetProvince(folder, people)
        boards = province.enrol(max(ENDPOINTS, 1))  # which also founds the registry
        town = Town(folder, people, 0)
        town.settle(province)
        pole = town.pole(CLUSTER)
        province.serve()
        item = make_piece(folder, "nhac", 600)
        siren = make_piece(folder, "coi", 3, at_ms=600_000)
        town.publish(pole, [item, siren], start_s=soon_s(10))
        pole.start()
        soon(lambda: pole.is_playing(item) and pole.cached(siren).exists(), within_s=READY_S)
        given = asyncio.run(_give_all(province, boards[:ENDPOINTS], pole, siren))
        return _rows(pole, given)


async def _give_all(
    province: FleetProvince, boards: Sequence[Board], pole: Pole, siren: Piece
) -> list[Given]:
    fleet = Fleet(boards, province.place(Clock()))

    def quiet(_done: int) -> None:
        """Say nothing."""

    async with fleet.running():
        if fleet.members:
            await fleet.connect(fleet.members, quiet)
            await fleet.catch_up(fleet.members, quiet)
        given = []
        for _ in range(ALERTS):
            await until(lambda: not any(m.reader.is_busy for m in fleet.members), WITHIN_S)
            await asyncio.sleep(REST_S)
            given.append(await _give(province, pole, siren))
        return given


async def _give(province: FleetProvince, pole: Pole, siren: Piece) -> Given:
    """Send one alert, let its tone be heard, and cancel it."""
    media = Media(
        sha256=siren.digest,
        size=siren.file.stat().st_size,
        duration_ms=siren.length_ms,
        gain_cdb=0,
        loudness_clufs=-2300,
    )
    ask = AlertAsk(
        scope=STATION, title="Báo động lũ", reason="diễn tập", language="vi", media=media,
        sound=None, expires_s=600, duration_s=None, repeats=1, gap_s=0, volume=15, speech_in_s=4,
    )  # fmt: skip
    body = compose_alert(ask, os.urandom(16), int(time.time()))
    order = province.sign(body, province.wardens)
    issued_ms = time.time() * 1000
    await asyncio.to_thread(province.publish, order)
    await until(lambda: body.id.hex() in _accepted(pole), WITHIN_S)
    await asyncio.sleep(TONE_S)
    cancel = compose_cancel([body], os.urandom(16), int(time.time()), reason="diễn tập")
    await asyncio.to_thread(province.publish, province.sign(cancel, province.wardens))
    return Given(body.id.hex(), issued_ms)


def _rows(pole: Pole, given: list[Given]) -> list[dict[str, Any]]:
    heard, accepted = pole.recording(), _accepted(pole)
    first = {order: tone_begins_ms(heard, at_ms) for order, at_ms in accepted.items()}
    found = [each for each in given if first.get(each.order)]
    after = [(first[each.order] - accepted[each.order]) / 1000 for each in found]
    return [
        _row("virtual endpoints beside the real one", "", ENDPOINTS),
        _row("alerts heard, of those that were given", "", len(found)),
        _row("alerts not heard within 1 s of acceptance", "", len(given) - len(found)),
        *_spread("from acceptance to the first sample", after, with_limits=True),
        *_spread(
            "from issue to acceptance",
            [(accepted[each.order] - each.issued_ms) / 1000 for each in found],
        ),
        *_spread(
            "from issue to the first sample",
            [(first[each.order] - each.issued_ms) / 1000 for each in found],
        ),
        _row("load average of the machine (1 min)", "", os.getloadavg()[0]),
    ]


def tone_begins_ms(heard: Recording, from_ms: float) -> float:
    """Return when the attention tone reached half its height in the second from *from_ms* on; or 0.

    Later the order is cancelled, and so is the tone.
    """
    sound = heard.part(round(from_ms), round(from_ms) + 1000).astype(np.float64)
    wave = np.exp(-2j * np.pi * HIGH_HZ * np.arange(len(sound)) / RATE) * sound
    sums = np.concatenate(([0.0], np.cumsum(wave)))
    level = np.abs(sums[_WINDOW:] - sums[:-_WINDOW])
    if not len(level) or level.max() < _LEAST:
        return 0.0
    return round(from_ms) + float(np.flatnonzero(level > level.max() / 2)[0]) * 1000 / RATE


def _accepted(pole: Pole) -> dict[str, float]:
    """Return when the agent accepted each order, unix ms, as its log says."""
    lines = pole.said("order_accepted")
    return {each["order"]: datetime.fromisoformat(each["at"]).timestamp() * 1000 for each in lines}


def _spread(
    figure: str, samples: Iterable[float], *, with_limits: bool = False
) -> list[dict[str, Any]]:
    limits, found = dict(LIMITS) if with_limits else {}, list(samples)
    rows = []
    for name, value in spread(found).items():
        row = _row(f"{figure}, {name}", "s", value)
        if name == "p50":
            row["samples"] = [round(each, 4) for each in found]
        if name in limits:
            row |= {"baseline": "the limit", "ratio": round(value / limits[name], 3)}
        rows.append(row)
    return rows


def _row(figure: str, unit: str, value: float) -> dict[str, Any]:
    return {"figure": figure, "unit": unit, "value": value}
