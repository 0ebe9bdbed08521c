"""A warden at their own desk hears what a pole has said: all of it through a real server."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from loa_manager.home import Home
from loa_manager.orders.book import listed
from loa_manager.recall.room import Room
from loa_protocol.objects.command import Command, Verb
from loa_protocol.recall import MOST_PIECE, Offer, Offered
from support.broker_lab import LIMIT_S
from support.listening import place_of, read_sound
from support.order_homes import STATION, make_homes
from support.serve_process import TestProvince, serving
from support.sound_files import RATE, chirp, write

CLUSTER = f"{STATION}/c01"
MADE = {"hung": ("operate",), "lan": ("alert",)}


async def loa(folder: Path, who: str, *arguments: str) -> tuple[int, Any]:
    """Run a command in the home of *who*; return its exit code and what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from loa_manager.cli.main import main; main()",
        *arguments,
        *("--home", str(folder / who), "--passphrase-file", str(folder / "secret"), "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    async with asyncio.timeout(3 * LIMIT_S):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, json.loads(out or err.splitlines()[-1])


def answer(home: Home, sound: Path, start_ms: int) -> Command:
    """Bring what the board has been asked for, as the server's route does."""
    bodies = [each.paper.body for each in listed(home)]
    (body,) = (each for each in bodies if isinstance(each, Command) and each.verb is Verb.RECALL)
    data = sound.read_bytes()
    digest = hashlib.sha256(data).digest()
    file = Offered(start_ms=start_ms, duration_ms=4000, sha256=digest, size=len(data))
    room = Room(home)
    room.offered(body.id, Offer(files=(file,)), time.time())
    for at in range(0, len(data), MOST_PIECE):
        room.take(body.id, digest, at, data[at : at + MOST_PIECE])
    return body


@pytest.mark.story
@pytest.mark.requirement("AUD-7")
async def test_a_warden_recalls_through_the_server_and_goes_on_later(tmp_path: Path) -> None:
    folder = make_homes(tmp_path, MADE)
    province = TestProvince(Home.open(folder / "ls"))
    board, _teller = province.bench_board(CLUSTER)
    (folder / "ls" / "passphrase").write_text((folder / "secret").read_text())
    since = int(time.time()) - 60
    at = datetime.fromtimestamp(since, UTC).isoformat()
    out = tmp_path / "said.ogg"
    recall = ("recall", CLUSTER, at, "--minutes", "1", "--out", str(out), "--yes")
    async with serving(folder / "ls") as server:
        way = ("--server", f"https://localhost:{server.ready['https_port']}")
        code, said = await loa(folder, "hung", *recall, *way, "--wait", "1s")
        assert (code != 0, said["error"]) == (True, "SilentError")
        body = answer(province.home, write(tmp_path / "box.opus", chirp(4)), since * 1000 + 2000)
        assert body.endpoint is not None
        assert body.endpoint.hex() == board.id
        code, facts = await loa(folder, "hung", *recall, *way)
        assert code == 0, facts
        assert facts["order"] == body.id.hex()
        assert [(each["here"], each["plays"]) for each in facts["files"]] == [(True, [])]
        part = read_sound(out)[4 * RATE : 5 * RATE]
        place, alike = place_of(part, chirp(4))
        assert place == pytest.approx(2000, abs=20)
        assert alike > 0.9
        code, said = await loa(folder, "lan", *recall, *way)  # who alerts does not operate
        assert code != 0
