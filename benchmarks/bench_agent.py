"""What a whole endpoint costs while it plays, and how soon it is ready after a cold start.

A provisioned board plays noise from its cache, and by FM with line-in, tuner and line board asked
all the time; agent, launcher and player are added up. ffmpeg and mpv play the same file in real
time into nothing; windows alternate, so that a slow moment of the machine hits all of them.
Ready is: the status answers, names the next item from the cached schedule, and the player runs.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil

from benchmarks.pole import Pole, pole
from loa_endpoint.host.status_socket import ask
from loa_lab.village.plan import Piece
from loa_protocol.errors import PeerError
from support.sound_files import chirp, noise

REQUIREMENTS = ("PERF-1", "PERF-2", "PERF-6")
WINDOW_S = 8.0
WINDOWS = 3
SETTLE_S = 3.0
PIECE_S = 70
LONG_S = 120  # room for the cold starts before the last piece, which is what they wait for
COLD_STARTS = 5
_PAGE = os.sysconf("SC_PAGE_SIZE")
_FRAME = np.uint64(2**55 - 1)  # Documentation/admin-guide/mm/pagemap.rst: bits 0 to 54
OTHERS = {
    "ffmpeg": ["ffmpeg", "-v", "error", "-nostdin", "-re", "-i", "{}", "-f", "null", "-"],
    "mpv": ["mpv", "--really-quiet", "--no-video", "--ao=null", "--loop", "{}"],
}


@dataclass
class Cost:
    """What was used, a value for each window.

    Attributes:
        cpu: Percent of a core.
        pss: Megabytes, each shared page divided by all who share it: here the simulator, the server
            and the benchmark too, so less than on a board.
        alone: Megabytes of all pages they hold together, each counted once: what a board needs
            where nobody else runs Python. Needs root; empty without.
    """

    cpu: list[float] = field(default_factory=list)
    pss: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)


def run() -> list[dict[str, Any]]:
    """Play one item from the cache and one by FM; then start cold several times."""
    pieces = (("nho-dem", PIECE_S, False), ("qua-song", LONG_S, True), ("sau-nay", 10, False))
    sounds = [
        (
            Piece(file=name, title=name, length_ms=length_s * 1000, by_fm=by_fm),
            chirp(length_s) + noise(length_s, 0.02),
        )
        for name, length_s, by_fm in pieces
    ]
    costs: dict[str, Cost] = {}
    with tempfile.TemporaryDirectory() as folder, pole(pathlib.Path(folder), sounds, "") as at:
        media = at.village.work / "week" / "nho-dem.opus"
        for start, what in zip(at.starts, ("cached item", "FM item"), strict=False):
            time.sleep(max(0.0, start / 1000 + SETTLE_S - time.time()))
            for _ in range(WINDOWS):
                _observe_agent(at, costs, what)
                _observe_others(media, costs)
        at.stop_agent()
        starts = [_cold_start(at) for _ in range(COLD_STARTS)]
    return _rows(costs, starts)


def _observe_agent(at: Pole, costs: dict[str, Cost], what: str) -> None:
    facts = ask(at.home)
    assert facts["bearer"], "the board is not playing"
    agent = psutil.Process(at.agent.pid)
    children = agent.children(recursive=True)
    before = {each.pid: cpu_s(each.pid) for each in (agent, *children)}
    began = time.monotonic()
    time.sleep(WINDOW_S)
    spent = time.monotonic() - began
    parts = {"agent": [agent], "launcher and player": children, "all": [agent, *children]}
    for name, processes in parts.items():
        cost = costs.setdefault(f"{what} ({facts['bearer']}): {name}", Cost())
        used = sum(cpu_s(each.pid) - before[each.pid] for each in processes)
        cost.cpu.append(100 * used / spent)
        cost.pss.append(sum(pss_mb(each.pid) for each in processes))
        cost.alone += together_mb([each.pid for each in processes])


def _observe_others(media: pathlib.Path, costs: dict[str, Cost]) -> None:
    for name, line in OTHERS.items():
        if shutil.which(line[0]) is None:
            continue
        command = [part.format(media) for part in line]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
            time.sleep(1.0)
            began, used = time.monotonic(), cpu_s(process.pid)
            time.sleep(WINDOW_S / 2)
            cost = costs.setdefault(name, Cost())
            cost.cpu.append(100 * (cpu_s(process.pid) - used) / (time.monotonic() - began))
            cost.pss.append(pss_mb(process.pid))
            cost.alone += together_mb([process.pid])
            process.kill()


def _cold_start(at: Pole) -> float:
    """Return the seconds from starting the agent until it is ready to play what it has."""
    began = time.monotonic()
    at.start_agent()
    while not _is_ready(at):
        if time.monotonic() - began > 60:
            raise RuntimeError("the agent does not become ready")
        time.sleep(0.02)
    spent = time.monotonic() - began
    at.stop_agent()
    return spent


def _is_ready(at: Pole) -> bool:
    try:
        facts: dict[str, Any] = ask(at.home)
    except PeerError:
        return False
    return bool(facts["next"] and facts["media"]["cached"] and facts["sound"]["epoch_unix_ms"])


def _rows(costs: dict[str, Cost], starts: list[float]) -> list[dict[str, Any]]:
    base = "mpv" if "mpv" in costs else "ffmpeg"
    absent = [name for name in OTHERS if name not in costs]
    said = f"{base} on the same file" + "".join(f"; {name} is not installed" for name in absent)
    rows = []
    for name, cost in costs.items():
        rows.append(row(f"{name}: CPU", "% of a core", cost.cpu, said, costs[base].cpu))
        rows.append(row(f"{name}: PSS", "MB", cost.pss, said, costs[base].pss))
        if cost.alone:
            rows.append(row(f"{name}: alone", "MB", cost.alone, said, costs[base].alone))
    limit = "the limit of 3 s"
    rows.append(row("cold start to ready to play the cached schedule", "s", starts, limit, [3.0]))
    rows.append(
        {"figure": "load average of the machine (1 min)", "unit": "", "value": os.getloadavg()[0]}
    )
    return rows


def row(
    figure: str, unit: str, values: list[float], baseline: str, base: list[float]
) -> dict[str, Any]:
    """Return the row of *values*, with their median beside that of *base*."""
    value = statistics.median(values)
    return {
        "figure": figure,
        "unit": unit,
        "value": round(value, 3),
        "baseline": baseline,
        "ratio": round(value / statistics.median(base), 3),
        "samples": [round(one, 3) for one in values],
    }


def cpu_s(pid: int) -> float:
    """Return the time on a processor of all threads, to the nanosecond."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def pss_mb(pid: int) -> float:
    """Return its resident megabytes, each shared page divided by all who share it."""
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def together_mb(pids: list[int]) -> list[float]:
    """Return the size of all resident pages of *pids*, each once; nothing where it is not told."""
    frames: set[int] = set()
    for pid in pids:
        with pathlib.Path(f"/proc/{pid}/pagemap").open("rb", buffering=0) as pagemap:
            for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
                first, last = (int(part, 16) // _PAGE for part in line.split()[0].split("-"))
                if first * 8 >= 2**63:  # the kernel's own page at the end of the address space
                    continue
                pagemap.seek(first * 8)
                entries = np.frombuffer(pagemap.read((last - first) * 8), np.uint64)
                present = entries[entries >> np.uint64(63) == 1]
                frames.update((present & _FRAME).tolist())
    frames.discard(0)
    return [len(frames) * _PAGE / 2**20] if frames else []
