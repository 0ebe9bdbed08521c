"""What this very machine can do: the figures of `loa-endpoint bench`, for a board on the table.

Everything is measured with what the endpoint runs, in a folder of its own on the disk of the home,
without a network, a card or a key of the board. A running agent loses processor time to it at most:
the measurement gives way to whoever wants the processor.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from loa_endpoint.audio import messages as m
from loa_endpoint.audio.supervisor import PlayerSupervisor
from loa_endpoint.memory import processor_s, share_mb
from loa_protocol.errors import PeerError, StoreError
from loa_protocol.keys import SoftSigner

PLAY_S: Final = 8.0
START_S: Final = 60.0
WRITES: Final = 50
PAGE_BYTES: Final = 4_096
NICENESS: Final = 10
SOUND_MODULE: Final = "loa_endpoint.audio.sound_speed"
MEDIA: Final = "sound-speed.opus"
AGENT: Final = (
    "import loa_endpoint.app.agent, loa_endpoint.memory as m; m.settle(); print(m.share_mb())"
)
BLOCK_PARTS: Final = ("mixer", "limiter", "meters", "monitors", "ear", "black_box")


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured.

    Attributes:
        name: Stable, for programs.
        unit: As it is printed.
        value: The median, unless the name says otherwise.
    """

    name: str
    unit: str
    value: float


def measure(home: Path) -> dict[str, Any]:
    """Measure for about half a minute; return the machine, the folder's disk and the figures.

    Args:
        home: On whose disk it is measured; where it is missing, in the folder for temporary files.

    Raises:
        StoreError: *home* cannot be written.
        PeerError: a part does not run here.
    """
    os.nice(NICENESS)
    try:
        room = TemporaryDirectory(prefix="speed-", dir=home if home.is_dir() else None)
    except OSError as error:
        raise StoreError(str(home), error.strerror or "cannot be written") from error
    with room as name:
        folder = Path(name)
        figures = [*_disk(folder), *_signatures(), *_sound(folder), *_agent()]
        figures += asyncio.run(_playing(folder))
        return {
            "machine": machine(),
            "disk": str(folder.parent),
            "figures": [
                {"name": each.name, "unit": each.unit, "value": float(f"{each.value:.4g}")}
                for each in figures
            ],
        }


def machine() -> dict[str, Any]:
    """Say what this is: figures of one machine say little of another."""
    model = Path("/proc/device-tree/model")  # Raspberry Pi and others with a device tree
    names = [model.read_text(encoding="utf-8").strip("\0\n ")] if model.exists() else []
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names += [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "model": names[0] if names else "",
        "architecture": platform.machine(),
        "processors": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def _disk(folder: Path) -> list[Figure]:
    """Append a page and wait until it is on the disk, as the outbox does with each record."""
    spent: list[float] = []
    with (folder / "pages").open("ab", buffering=0) as file:
        for _ in range(WRITES):
            began = time.perf_counter()
            file.write(bytes(PAGE_BYTES))
            os.fdatasync(file.fileno())
            spent.append((time.perf_counter() - began) * 1000)
    return [
        Figure("disk_sync", "ms", statistics.median(spent)),
        Figure("disk_sync_worst", "ms", max(spent)),
    ]


def _signatures() -> list[Figure]:
    signer, message = SoftSigner(Ed25519PrivateKey.generate()), bytes(200)
    public, signature = signer.public, signer.sign(bytes(200))
    return [
        Figure("verify", "us", _best_us(lambda: public.is_signature(signature, message))),
        Figure("sign", "us", _best_us(lambda: signer.sign(message))),
    ]


def _best_us(work: Callable[[], object], rounds: int = 10, calls: int = 100) -> float:
    spent = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(calls):
            work()
        spent.append((time.process_time() - began) / calls)
    return min(spent) * 1e6


def _sound(folder: Path) -> list[Figure]:
    said = json.loads(_python("-m", SOUND_MODULE, str(folder)))
    parts = [Figure(name, "us", said[name]) for name in BLOCK_PARTS]
    return [Figure("decode", "x", said["decode"]), *parts]


def _agent() -> list[Figure]:
    began = time.monotonic()
    held = float(_python("-c", AGENT))
    return [
        Figure("agent_start", "s", time.monotonic() - began),
        Figure("agent_memory", "MB", held),
    ]


def _python(*arguments: str) -> str:
    """Run a part in a process of its own, and return what it prints.

    Raises:
        PeerError: it failed.
    """
    done = subprocess.run([sys.executable, *arguments], capture_output=True, check=False, text=True)
    if done.returncode:
        raise PeerError(f"{arguments[-1]}: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout


async def _playing(folder: Path) -> list[Figure]:
    """Play into nothing, with all meters and the black box; then lose the player once."""
    began = time.monotonic()
    player = PlayerSupervisor("null:", black_box=folder / "black-box")
    await player.start()
    listening: asyncio.Task[None] | None = None
    try:
        await player.wait_ready(START_S)
        ready = time.monotonic() - began
        listening = asyncio.create_task(_drain(player))
        player.send(m.Prepare(source="item", path=str(folder / MEDIA)))
        player.send(m.BeginItem(item="item"))
        player.send(m.Play(source="item"))
        pids = _player_and_launcher(player)
        await asyncio.sleep(1)
        used, since = sum(map(processor_s, pids)), time.monotonic()
        await asyncio.sleep(PLAY_S)
        used = sum(map(processor_s, pids)) - used
        share = 100 * used / (time.monotonic() - since)
        held = sum(map(share_mb, pids))
    finally:
        await player.stop()
        if listening is not None:
            await listening
    return [
        Figure("player_start", "s", ready),
        Figure("player_processor", "% of a core", share),
        Figure("player_memory", "MB", held),
    ]


def _player_and_launcher(player: PlayerSupervisor) -> list[int]:
    assert player.pid is not None  # it is ready
    stat = Path(f"/proc/{player.pid}/stat").read_text(encoding="utf-8")
    return [player.pid, int(stat.rsplit(")", 1)[1].split()[1])]


async def _drain(player: PlayerSupervisor) -> None:
    async for _ in player.events():
        pass
