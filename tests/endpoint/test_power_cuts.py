"""Thirty power cuts around storing, activation and the outbox, on a real file system."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import signal
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from loa_endpoint.app.keeper import Keeper
from loa_endpoint.content.cache import Cache
from loa_endpoint.store.identity import IdentityStore
from loa_endpoint.store.outbox import Outbox, Writer
from loa_endpoint.store.state import State
from loa_protocol.envelope import Kind
from loa_protocol.errors import StoreError
from loa_protocol.objects.command import Verb
from loa_protocol.record import OrderTaken
from support.content_lab import ContentLab, media_playlist, sha256, village_lab
from support.fault_board import Run, provision
from support.ingest_model import IngestModel
from support.kept import signed_order
from support.loop_disk import LoopDisk, loop_disk
from support.orders import SIREN, alert, command
from support.outbox_lab import drain
from support.province import NOW, SCOPE, STATION

SEED = 20261123
CUTS = 30
_LINES = 14  # a life tells about so many before its work is done


@dataclass
class Living(Run):
    """A board that tells over a pipe, which no power cut reaches, what it has done."""

    life: int = 0
    pipe: int = -1

    async def work(self) -> None:
        """Catch up with ever newer playlists, and take orders, until the end."""
        for step in range(4):
            serial = 2 + self.life * 10 + step
            self.lab.publish(media_playlist(b"bulletin %d" % serial, serial=serial))
            self.lab.renew()
            await self.sync.round()
            for data in _orders(self.life, step):
                await self.inbox.offer(data, "mqtt")

    def _write(self, line: str) -> None:
        os.write(self.pipe, f"{line}\n".encode())


class Aside(Run):
    """A board that writes its journal where there is room."""

    def _write(self, line: str) -> None:
        self.journal.append(line)


@dataclass
class Told:
    """What boards have said they had done, over all lives."""

    serial: int = 1
    acted: set[bytes] = field(default_factory=set)
    acknowledged: set[bytes] = field(default_factory=set)

    def hear(self, line: str) -> None:
        """Take one line."""
        word, _, rest = line.strip().partition(" ")
        if word == "plays":
            self.serial = max(self.serial, int(rest))
        elif word in ("acted", "restored"):
            self.acted.add(bytes.fromhex(rest))
        elif word == "acknowledged":
            self.acknowledged.add(bytes.fromhex(rest))


def _orders(life: int, step: int) -> list[bytes]:
    sound = b"water is rising %d %d" % (life, step) * 500
    media = replace(SIREN, sha256=sha256(sound), size=len(sound))
    ids = [hashlib.sha256(f"{life}/{step}/{n}".encode()).digest()[:16] for n in range(2)]
    return [
        signed_order(alert(id=ids[0], media=media, sound=sound)),
        signed_order(command(Verb.HOLD, id=ids[1], scope=SCOPE)),
    ]


def _live(home: Path, lab: ContentLab, life: int) -> tuple[int, int]:
    """Start a board in a process of its own; return it and the pipe on which it tells."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    os.close(reading)
    with contextlib.suppress(BaseException):  # its disk goes while it works
        board = Living(home, lab, life=life, pipe=writing)
        board.boot()
        asyncio.run(board.work())
        os.write(writing, b"done\n")
        signal.pause()
    os._exit(0)


def _cut(disk: LoopDisk, child: int, pipe: int, told: Told, *, after: int, then_s: float) -> None:
    """Lose the power *then_s* after the board told its line number *after*."""
    said = b""
    while said.count(b"\n") - said.count(b"restored") < after and b"done" not in said:
        said += os.read(pipe, 4096)
    until = time.monotonic() + then_s
    while time.monotonic() < until:  # the very instant is what is tried here
        pass
    os.set_blocking(pipe, False)
    with contextlib.suppress(BlockingIOError):
        said += os.read(pipe, 1 << 16)
    disk.lose_power()  # what is said from here on may have been done in memory alone
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(pipe)
    for line in said.decode().splitlines():
        told.hear(line)
    disk.come_up()


def _check(home: Path, told: Told, server: IngestModel) -> None:
    state = State.open(home / "state.db")
    keeper = Keeper(IdentityStore(home, state))
    assert keeper.playlist is not None
    reached = state.positions()[Kind.PLAYLIST, STATION].serial
    assert told.serial <= keeper.playlist.serial <= reached
    told.serial = keeper.playlist.serial
    assert told.acted <= state.seen().keys()
    cache = Cache(home / "media")
    damaged = [digest.hex() for digest in cache.held() if cache.checked(digest) is None]
    assert damaged == []
    writer = Writer(
        endpoint=bytes(16),
        version="0.1.0",
        next_epoch=state.next_epoch,
        stamp=lambda: (NOW.unix_s * 1000, NOW.trust),
    )
    outbox = Outbox.open(home / "outbox.db", writer)
    drain(outbox, server)
    outbox.close()
    state.close()
    arrived = {r.body.id for r in server.records() if isinstance(r.body, OrderTaken)}
    assert told.acknowledged <= arrived
    assert (server.gaps, server.broken) == ([], 0)


@pytest.mark.requirement("OFF-2", "SEC-3", "SEC-8")
@pytest.mark.needs("loop-mount")
def test_after_thirty_power_cuts_nothing_told_is_lost_and_nothing_went_back(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    chance, told, server = random.Random(SEED), Told(), IngestModel(bytes(16))
    with loop_disk(tmp_path, megabytes=48) as disk:
        home = disk.path / "home"
        home.mkdir()
        provision(home)
        os.sync()
        lab = village_lab()
        for life in range(CUTS):
            child, pipe = _live(home, lab, life)
            after, then_s = chance.randrange(_LINES), chance.random() * 0.05
            _cut(disk, child, pipe, told, after=after, then_s=then_s)
            _check(home, told, server)
    assert told.serial > CUTS  # they did live, and work
    assert len(told.acknowledged) > CUTS


@pytest.mark.requirement("OFF-2", "SEC-3")
@pytest.mark.needs("loop-mount")
def test_on_a_full_disk_every_write_is_refused_by_name_and_the_next_run_goes_on(
    tmp_path: Path,
) -> None:
    with loop_disk(tmp_path, megabytes=48) as disk:
        home = disk.path / "home"
        home.mkdir()
        provision(home)
        lab = village_lab()
        board = Aside(home, lab)
        board.boot()
        asyncio.run(board.sync.round())
        assert board.keeper.playlist is not None
        for room in (0, 4096, 8192, 16_384, 65_536, 262_144):  # each write meets the end once
            filled = disk.fill()
            with filled.open("r+b") as file:
                file.truncate(max(0, filled.stat().st_size - room))
                with contextlib.suppress(OSError):
                    os.fsync(file.fileno())
            serial = board.keeper.playlist.serial + 1
            before = board.keeper.playlist.serial
            lab.publish(media_playlist(b"bulletin %d" % serial, serial=serial))
            lab.renew()
            asyncio.run(_try(board, _orders(100, room)))
            assert board.keeper.playlist.serial in (before, serial)
            filled.unlink()
            asyncio.run(board.sync.round())
            assert board.keeper.playlist.serial == serial, room
        assert any(line.startswith("failed") and "full" in line for line in board.journal)
        board.outbox.close()
        board.state.close()
        again = State.open(home / "state.db")
        assert Keeper(IdentityStore(home, again)).playlist == board.keeper.playlist
        again.close()


async def _try(board: Run, orders: list[bytes]) -> None:
    """Catch up and take orders; nothing but a named refusal of the disk may come of it."""
    with contextlib.suppress(StoreError):
        await board.sync.round()
    for data in orders:
        with contextlib.suppress(StoreError):
            await board.inbox.offer(data, "mqtt")
