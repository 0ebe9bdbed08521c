"""What the player costs while it plays, and how soon it sounds again, beside ffmpeg and mpv.

The player plays a 60 s Opus file into the null sink with all meters on, in real time; the others
play the same file at the same rate into nothing. Windows alternate, so that a slow moment of the
machine hits all of them. This process imports neither numpy nor av, as the agent does not: pages
that it shared with the player would make the player look smaller than it is on a board.
"""

from __future__ import annotations

import asyncio
import collections
import os
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from loa_endpoint.audio import messages as m
from loa_endpoint.audio.supervisor import PlayerSupervisor

TESTS = pathlib.Path(__file__).parents[1] / "tests"
MAKE_MEDIA = """
import pathlib, sys
from support.sound_files import chirp, noise, write
write(pathlib.Path(sys.argv[1]), chirp(60) + noise(60, 0.02))
"""
MEASURE = """
import pathlib, sys, time
from loa_sound.measure import measure_file
for _ in range(3):
    began = time.process_time()
    measure_file(pathlib.Path(sys.argv[1]))
    print(60 / (time.process_time() - began))
"""
WINDOW_S = 10.0
WINDOWS = 3
STALLS = 5
OTHERS = {
    "ffmpeg -re": ["ffmpeg", "-v", "error", "-nostdin", "-re", "-i", "{}", "-f", "null", "-"],
    "mpv": ["mpv", "--really-quiet", "--no-video", "--ao=null", "--loop", "{}"],
}


@dataclass
class Cost:
    """Percent of a core and megabytes, a value for each window."""

    cpu: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


def run() -> list[dict[str, object]]:
    """Measure memory, CPU, start, recovery from a stall, and decoding."""
    with tempfile.TemporaryDirectory() as folder:
        media = pathlib.Path(folder, "speech.opus")
        _python(MAKE_MEDIA, media)
        rows = asyncio.run(_measure(media))
        speeds = [float(speed) for speed in _python(MEASURE, media).split()]
        return [*rows, _row("decode and measure a file", "x real time", speeds)]


async def _measure(media: pathlib.Path) -> list[dict[str, object]]:
    present = {name: line for name, line in OTHERS.items() if shutil.which(line[0])}
    absent = "".join(f"; {name} is not installed" for name in OTHERS if name not in present)
    plain, with_line_in = Cost(), Cost()
    costs = {name: Cost() for name in present}
    for _ in range(WINDOWS):
        await _cost_of_player(media, plain, line_in=False)
        await _cost_of_player(media, with_line_in, line_in=True)
        for name, line in present.items():
            await _cost_of_other([part.format(media) for part in line], costs[name])
    base = next(reversed(costs), None)  # mpv where it is, else ffmpeg, else nothing
    theirs = costs[base] if base else Cost()
    said = f"{base or 'nothing'} on the same file{absent}"
    rows = []
    for what, cost in (("", plain), (", with line-in", with_line_in)):
        rows += [
            _row(f"CPU while playing{what}", "% of a core", cost.cpu, said, theirs.cpu),
            _row(f"memory of player and launcher{what}", "MB", cost.memory, said, theirs.memory),
        ]
    for name, cost in costs.items():
        rows += [
            _row(f"{name}: CPU", "% of a core", cost.cpu),
            _row(f"{name}: memory", "MB", cost.memory),
        ]
    return [*rows, *await _recovery(media)]


def _row(
    figure: str,
    unit: str,
    values: list[float],
    baseline: str = "",
    base: list[float] | None = None,
) -> dict[str, object]:
    value = statistics.median(values)
    return {
        "figure": figure,
        "unit": unit,
        "value": round(value, 3),
        "baseline": baseline or None,
        "ratio": round(value / statistics.median(base), 3) if base else None,
        "samples": [round(one, 3) for one in values],
    }


@asynccontextmanager
async def _playing(media: pathlib.Path, line_in: str | None) -> AsyncIterator[PlayerSupervisor]:
    """Play and measure *media*; again after a restart."""

    def begin(_: str = "") -> None:
        supervisor.send(m.Prepare(source="item", path=str(media)))
        supervisor.send(m.BeginItem(item="item"))
        supervisor.send(m.Volume(gain_db=-3))
        supervisor.send(m.Play(source="item"))

    supervisor = PlayerSupervisor("null:", line_in=line_in, on_restart=begin)
    await supervisor.start()
    await supervisor.wait_ready(30)
    begin()
    try:
        yield supervisor
    finally:
        await supervisor.stop()


async def _cost_of_player(media: pathlib.Path, cost: Cost, *, line_in: bool) -> None:
    fifo, done = media.with_name("fm"), threading.Event()
    url = f"fifo:{fifo}" if line_in else None
    async with _playing(media, url) as supervisor:
        listening = asyncio.create_task(_drain(supervisor))
        writer = threading.Thread(target=_hiss, args=(fifo, done)) if line_in else None
        if writer is not None:
            writer.start()
        assert supervisor.pid is not None
        await _observe([supervisor.pid, _parent_of(supervisor.pid)], cost)
        done.set()
        if writer is not None:
            writer.join()
    await listening


async def _cost_of_other(line: list[str], cost: Cost) -> None:
    process = await asyncio.create_subprocess_exec(*line, stdin=subprocess.DEVNULL)
    await _observe([process.pid], cost)
    process.kill()
    await process.wait()


async def _observe(pids: list[int], cost: Cost) -> None:
    """Let it settle, then take what it uses in a window."""
    await asyncio.sleep(2)
    began, used = time.monotonic(), sum(map(_cpu_seconds, pids))
    await asyncio.sleep(WINDOW_S)
    used = sum(map(_cpu_seconds, pids)) - used
    cost.cpu.append(100 * used / (time.monotonic() - began))
    cost.memory.append(_memory_mb(pids))


async def _recovery(media: pathlib.Path) -> list[dict[str, object]]:
    """Stop the player's process dead, and see when another one sounds."""
    back: list[float] = []
    ready: list[float] = []
    for _ in range(STALLS):
        began = time.monotonic()
        async with _playing(media, None) as supervisor:
            ready.append((time.monotonic() - began) * 1000)
            events = supervisor.events()
            await _until_started(events)
            assert supervisor.pid is not None
            os.kill(supervisor.pid, signal.SIGSTOP)
            stopped = time.monotonic_ns()
            back.append((await _until_started(events) - stopped) / 1e6)
    return [
        _row("from nothing to a ready player", "ms", ready),
        _row("from a silent stall to sound", "ms", back, "the limit of 1000 ms", [1000.0]),
    ]


def _python(code: str, media: pathlib.Path) -> str:
    """Run *code* on *media* in a process of its own, and return what it prints."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    line = [sys.executable, "-c", code, str(media)]
    return subprocess.run(line, check=True, capture_output=True, text=True, env=environment).stdout


async def _until_started(events: AsyncIterator[m.Event]) -> int:
    async for event in events:
        if isinstance(event, m.Started):
            return event.at_ns
    raise RuntimeError("the player ended")


async def _drain(supervisor: PlayerSupervisor) -> None:
    async for _ in supervisor.events():
        pass


def _hiss(fifo: pathlib.Path, done: threading.Event) -> None:
    """Write noise into *fifo* in real time, in a thread of this process."""
    block = random.Random(1).randbytes(1_920)
    due = time.monotonic()
    with fifo.open("wb", buffering=0) as out:
        while not done.wait(max(0.0, due - time.monotonic())):
            out.write(block)
            due += 0.02


def _parent_of(pid: int) -> int:
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def _cpu_seconds(pid: int) -> float:
    """Return the time on a processor of all threads, to the nanosecond."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _memory_mb(pids: list[int]) -> float:
    """Return the PSS that *pids* would have if nothing else ran on the machine.

    PSS itself depends on the neighbours: every other Python halves what libraries cost. So a page
    of a file counts once for all of *pids* (in the one that holds most of the file), a page of
    memory as the kernel shares it out, which is among *pids* only.
    """
    anonymous, files = 0, collections.Counter[str]()
    for pid in pids:
        held = collections.Counter[str]()
        path = ""
        for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
            key, *values = line.split()
            if not key.endswith(":"):
                path = values[4] if len(values) > 4 else ""
            elif key == "Rss:":
                held[path] += int(values[0])
            elif key == "Anonymous:":
                held[path] -= int(values[0])
            elif key == "Pss_Dirty:":
                anonymous += int(values[0])
        files |= held  # of each file the larger
    return (anonymous + files.total()) / 1024
