"""What playing one Opus file of ten minutes costs, beside other programs that do the same.

The endpoint is a provisioned board, agent and launcher and player added up, with all monitors on: a
microphone is heard, and the black box writes; and once more as a cluster without a microphone has
it, with the item's meters and the fallback monitors. Others play the same file. All play into
nothing; windows alternate, so that a slow moment of the machine hits all of them.

Then the distributions that a listener would notice: switches from FM to the file, alerts, and how
far apart 20 endpoints start. They are measured by benchmarks of their own; a benchmark that is not
there is named, like a program that is not installed.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import pathlib
import platform
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psutil

from benchmarks.bench_agent import Cost, cpu_s, pss_mb, row, together_mb
from benchmarks.peers import PEERS, Peer
from benchmarks.pictures import Bar, Panel, Strip, draw_panels, draw_strips
from benchmarks.pole import Pole, pole
from loa_endpoint.host.status_socket import ask
from loa_lab.village.crew import wait_for
from loa_lab.village.plan import Piece
from loa_protocol.errors import PeerError
from support.sound_files import chirp, noise
from support.unit_file import compile_as_installed

REQUIREMENTS = ("PERF-1", "PERF-2")
WINDOW_S = 8.0
WINDOWS = 3
SETTLE_S = 3.0
STEADY_S = 65.0  # the agent gives back after a minute what its start freed
FM_S = 60
FILE_S = 600
DISTRIBUTIONS = ("alert", "failover", "align")
PAIR = ("agent", "launcher and player")
WHOLE = "loa-endpoint"
LIMITS_MB = {"media": 80.0, "FM": 100.0}
STRIPS: tuple[tuple[str, str, float, float | None], ...] = (
    ("alert: from acceptance to the first sample", "Alert accepted to heard", 1000, 500),
    ("alert: from issue to the first sample", "Alert issued to heard", 1000, None),
    ("failover: from the loss of the carrier", "FM carrier lost to the cached file", 1, None),
    ("failover: silence in the samples", "Silence at that switch", 1, None),
    ("align: start: first sample from", "Start beside its planned instant", 1, None),
    ("align: start: two endpoints apart", "Starts of two endpoints apart", 1, 10),
)
"""How the rows begin, the title, milliseconds in their unit, and what was asked for in ms."""


def run() -> list[dict[str, Any]]:
    """Play beside the others; then let the other benchmarks measure their distributions."""
    return [*beside_others(), *distributions()]


def beside_others() -> list[dict[str, Any]]:
    """Return memory and processor of the endpoint and of each program that is installed."""
    minute = chirp(60) + noise(60, 0.02)
    sounds = [
        (
            Piece(file="tin", title="Tin", length_ms=FM_S * 1000, by_fm=True),
            minute[: FM_S * 48_000],
        ),
        (Piece(file="dai", title="Dài", length_ms=FILE_S * 1000), np.tile(minute, FILE_S // 60)),
        (Piece(file="sau", title="Sau", length_ms=10_000), minute[:480_000]),
    ]
    costs: dict[str, Cost] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        pole(pathlib.Path(folder), sounds, "") as at,
        _heard_by(pathlib.Path(folder, "ear")) as ear,
    ):
        unit = compile_as_installed(pathlib.Path(folder, "bytecode"))
        at.stop_agent()  # it began otherwise, and with a bench line
        with _environment(unit):
            at.start_agent("--sink", "null:", "--ear", f"fifo:{ear}")
        _wait_until(at.starts[0])
        for _ in range(WINDOWS):
            _observe_endpoint(at, costs, "FM")
        _wait_until(at.starts[1])
        media = at.village.work / "week" / "dai.opus"
        for number in range(WINDOWS):
            _observe_endpoint(at, costs, "media")
            for peer in PEERS:
                if not peer.missing:
                    room = pathlib.Path(folder, f"{peer.name}-{number}")
                    _observe_peer(peer, media, room, costs)
        at.stop_agent()
        with _environment(unit):
            at.start_agent("--sink", "null:")
        wait_for("the board plays", lambda: _is_playing(at), 20)
        time.sleep(STEADY_S)
        for number in range(WINDOWS, 3 * WINDOWS):
            _observe_endpoint(at, costs, "media, no microphone")
            if not PEERS[0].missing:  # whose figure is the baseline: a machine's pace changes
                room = pathlib.Path(folder, f"{PEERS[0].name}-{number}")
                _observe_peer(PEERS[0], media, room, costs)
    return _rows(costs)


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Let what is started inside have *variables*: the agent what its unit says."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _heard_by(fifo: pathlib.Path) -> Iterator[pathlib.Path]:
    """Let a microphone hear a noise, in real time, for as long as anybody listens."""
    os.mkfifo(fifo)
    done = threading.Event()

    def hiss() -> None:
        block, due = random.Random(1).randbytes(9_600), time.monotonic()
        line = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)  # both ways: it need not wait for a reader
        while not done.wait(max(0.0, due - time.monotonic())):
            with contextlib.suppress(BlockingIOError):  # nobody listens yet
                os.write(line, block)
            due += 0.1
        os.close(line)

    thread = threading.Thread(target=hiss)
    thread.start()
    try:
        yield fifo
    finally:
        done.set()
        thread.join()


def _wait_until(start_ms: int) -> None:
    time.sleep(max(0.0, start_ms / 1000 + SETTLE_S - time.time()))


def _observe_endpoint(at: Pole, costs: dict[str, Cost], what: str) -> None:
    wait_for("the board plays", lambda: _is_playing(at), 20)
    agent = psutil.Process(at.agent.pid)
    children = agent.children(recursive=True)
    groups = {f"{WHOLE} ({what})": [agent, *children]}
    groups |= dict(
        zip((f"{WHOLE} ({what}): {part}" for part in PAIR), ([agent], children), strict=True)
    )
    pids = {name: [each.pid for each in group] for name, group in groups.items()}
    _observe(pids, costs)


def _is_playing(at: Pole) -> bool:
    try:
        return bool(ask(at.home)["bearer"])
    except PeerError:  # not there yet: the machine has much to do
        return False


def _observe_peer(
    peer: Peer, media: pathlib.Path, room: pathlib.Path, costs: dict[str, Cost]
) -> None:
    room.mkdir()
    with peer.play(media, room) as pid:
        time.sleep(SETTLE_S)
        _observe({peer.name: [pid]}, costs)


def _observe(groups: dict[str, list[int]], costs: dict[str, Cost]) -> None:
    """Take what each group of processes uses in one window."""
    before = {name: sum(map(cpu_s, pids)) for name, pids in groups.items()}
    began = time.monotonic()
    time.sleep(WINDOW_S)
    spent = time.monotonic() - began
    for name, pids in groups.items():
        cost = costs.setdefault(name, Cost())
        cost.cpu.append(100 * (sum(map(cpu_s, pids)) - before[name]) / spent)
        cost.pss.append(sum(map(pss_mb, pids)))
        cost.alone += together_mb(pids)


def _rows(costs: dict[str, Cost]) -> list[dict[str, Any]]:
    base = next(peer.name for peer in PEERS if peer.name in costs)
    theirs, said = costs[base], f"{base} on the same file"
    rows = []
    for name, cost in costs.items():
        rows.append(row(f"{name}: CPU", "% of a core", cost.cpu, said, theirs.cpu))
        rows.append(row(f"{name}: PSS", "MB", cost.pss, said, theirs.pss))
        if cost.alone:
            rows.append(row(f"{name}: alone", "MB", cost.alone, said, theirs.alone))
    for what, limit in LIMITS_MB.items():
        pss = costs[f"{WHOLE} ({what})"].pss
        rows.append(row(f"{what}: PSS against its limit", "MB", pss, f"{limit:g} MB", [limit]))
    rows += [_presence(peer) for peer in PEERS]
    load = {
        "figure": "load average of the machine (1 min)",
        "unit": "",
        "value": os.getloadavg()[0],
    }
    return [*rows, load]


def _presence(peer: Peer) -> dict[str, Any]:
    """Say which version took part, or what of it is not installed."""
    if peer.missing:
        text = f"{peer.name}: absent, as {', '.join(peer.missing)} is not installed"
    else:
        text = " ".join(part for part in (f"{peer.name}:", peer.version, peer.remark) if part)
    return {"figure": text, "unit": "programs present", "value": int(not peer.missing)}


def draw(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Return pictures of what it costs, and of the distributions that were measured."""
    note = f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores of a virtual {platform.machine()}"
    note += ", load " + _of(rows, "load average of the machine (1 min)") + ": no Raspberry Pi"
    pictures = {"sound-cost": draw_panels(_panels(rows), note)}
    if strips := [strip for strip in (_strip(rows, *each) for each in STRIPS) if strip]:
        pictures["sound-delays"] = draw_strips(strips, note)
    return pictures


def _of(rows: list[dict[str, Any]], figure: str) -> str:
    return next(f"{each['value']:.2g}" for each in rows if each["figure"] == figure)


def _panels(rows: list[dict[str, Any]]) -> list[Panel]:
    values = {each["figure"]: each["value"] for each in rows}
    ours = {f"{WHOLE} ({what})": limit for what, limit in LIMITS_MB.items()}
    names = [*ours, *(peer.name for peer in PEERS if f"{peer.name}: CPU" in values)]
    memory = [
        Bar(
            name, values[f"{name}: PSS"], values.get(f"{name}: alone"), ours.get(name), name in ours
        )
        for name in names
    ]
    theirs = next((values[f"{each}: CPU"] for each in names if each not in ours), None)
    load = [
        Bar(name, values[f"{name}: CPU"], None, theirs if name in ours else None, name in ours)
        for name in names
    ]
    return [
        Panel("Memory, MB: PSS (and alone on the machine); dashed: what was asked for", memory),
        Panel("Processor, % of a core; dashed: what was asked for", load),
    ]


def _strip(
    rows: list[dict[str, Any]], start: str, title: str, to_ms: float, limit: float | None
) -> Strip | None:
    """Return the distribution whose rows begin with *start*; None where it was not measured."""
    found = [each for each in rows if each["figure"].startswith(start)]
    if not found:
        return None
    marks = [(each["figure"].rpartition(", ")[2], each["value"] * to_ms) for each in found]
    marks += [("max", each["worst"] * to_ms) for each in found if "worst" in each]
    samples = [one * to_ms for each in found for one in each.get("samples", ())]
    return Strip(title, marks, samples, limit)


def distributions() -> list[dict[str, Any]]:
    """Run the benchmarks of single distributions, and name those that are not there."""
    rows = []
    for name in DISTRIBUTIONS:
        module = f"benchmarks.bench_{name}"
        if importlib.util.find_spec(module) is None:
            rows.append({"figure": f"{name}: absent", "unit": "benchmarks present", "value": 0})
        else:
            found = importlib.import_module(module).run()
            rows += [{**one, "figure": f"{name}: {one['figure']}"} for one in found]
    return rows
