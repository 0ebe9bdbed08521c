"""The outbox when the process is killed, the power goes, or there is no room."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from loa_endpoint.store.outbox import Outbox
from loa_protocol.errors import StoreError
from loa_protocol.record import Happening, Heartbeat, PlayEnded, PlayStarted, Record
from support.ingest_model import IngestModel
from support.loop_disk import loop_disk
from support.outbox_lab import ENDPOINT, OutboxLab, drain
from support.records import AT_MS, ended, happening, heartbeat, play_id, started

PLAY_PAIRS = 5000  # more than any outbox of these tests can hold


@pytest.fixture
def server() -> IngestModel:
    return IngestModel(ENDPOINT)


@pytest.mark.requirement("OFF-1")
def test_no_acknowledged_record_is_lost_when_the_agent_is_killed_again_and_again(
    tmp_path: Path, server: IngestModel
) -> None:
    lab, chance = OutboxLab(tmp_path), random.Random(7)
    lab.open().close()
    kept: list[int] = []
    for life in range(40):
        kept += _live_until_killed(lab, life, wanted=chance.randrange(1, 60))
        lab.epoch += 1
        outbox = lab.open()
        drain(outbox, server)
        outbox.close()
    arrived = [r.body.uptime_s for r in server.records() if isinstance(r.body, Heartbeat)]
    assert len(kept) > 500
    assert set(kept) <= set(arrived)
    assert sorted(set(arrived)) == arrived  # once, and in order
    assert (server.gaps, server.broken) == ([], 0)


def _live_until_killed(lab: OutboxLab, life: int, *, wanted: int) -> list[int]:
    """Append in a child that tells each record kept; kill it in the middle of its work."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        outbox = lab.boot()
        number = life * 1_000_000
        while True:
            assert outbox.append(heartbeat(number)) is not None
            os.write(writing, b"%d\n" % number)
            number += 1
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        lines = [told.readline() for _ in range(wanted)]
        os.kill(child, signal.SIGKILL)
        lines += told.readlines()
    os.waitpid(child, 0)
    return [int(line) for line in lines if line.endswith(b"\n")]


@pytest.mark.requirement("OFF-1")
def test_killed_while_records_are_told_again_none_is_lost_or_told_twice(
    tmp_path: Path, server: IngestModel
) -> None:
    lab, chance, plays = OutboxLab(tmp_path), random.Random(4), 150
    outbox = lab.boot()
    for number in range(plays):
        outbox.append(started(number))
        outbox.append(ended(number))
        outbox.append(heartbeat(number, faults=20))
        if number % 20 == 0:
            drain(outbox, server)
    drain(outbox, server)
    outbox.close()
    empty = IngestModel(ENDPOINT, time_ms=server.time_ms)
    for _ in range(15):
        child = os.fork()
        if child == 0:
            lab.boot().mark(empty.receipt())
            os._exit(0)
        time.sleep(0.004 + chance.random() * 0.02)  # the instant of the kill is the point
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        lab.epoch += 1
        empty.time_ms += 1
    outbox = lab.boot()
    drain(outbox, empty)
    bodies = [record.body for record in empty.records()]
    for kind in (PlayStarted, PlayEnded):
        told = sorted(body.play for body in bodies if isinstance(body, kind))
        assert told == [play_id(number) for number in range(plays)]


def test_an_outbox_full_of_plays_still_boots_and_drains(
    tmp_path: Path, server: IngestModel
) -> None:
    lab = OutboxLab(tmp_path)
    outbox = lab.boot()
    plays = _append_plays_until_full(outbox, tmp_path)
    outbox.close()
    for _ in range(5):
        lab.boot().close()
    outbox = lab.boot()
    drain(outbox, server)
    outbox.append(started(PLAY_PAIRS))
    drain(outbox, server)
    begun = [r.body for r in server.records() if isinstance(r.body, PlayStarted)]
    assert len(begun) == plays + 1


# -- no room in the outbox


def test_when_room_runs_short_heartbeats_stop_first_then_events_and_plays_go_on(
    tmp_path: Path, server: IngestModel
) -> None:
    outbox = OutboxLab(tmp_path).boot()
    heartbeats = _append_until_refused(outbox, lambda n: heartbeat(n, faults=10))
    assert 450 <= outbox.load().free_permille <= 500
    events = _append_until_refused(outbox, lambda n: happening(n, detail="x" * 300))
    assert 200 <= outbox.load().free_permille <= 250
    assert outbox.append(heartbeat(9)) is None
    plays = _append_plays_until_full(outbox, tmp_path)
    assert plays > 50

    drain(outbox, server)
    assert outbox.append(heartbeat(77)) is not None
    drain(outbox, server)
    bodies = [record.body for record in server.records()]
    assert _count(bodies, Heartbeat) == heartbeats + 1
    assert _count(bodies, Happening) == events + 1  # the one that tells what was left out
    assert _count(bodies, PlayStarted) == plays
    told = [b.detail for b in bodies if isinstance(b, Happening) and b.name == "records_withheld"]
    assert told == ["heartbeat 2, event 1"]
    assert sorted(server.stored) == [(1, n) for n in range(len(bodies))]  # no sequence is missing


def test_an_outbox_full_of_unacknowledged_plays_says_what_to_do(tmp_path: Path) -> None:
    outbox = OutboxLab(tmp_path).boot()
    _append_plays_until_full(outbox, tmp_path)
    with pytest.raises(StoreError) as caught:
        outbox.append(started(1))
    assert caught.value.where == str(tmp_path / "outbox.db")
    assert "bring the link back" in caught.value.why


def test_acknowledged_heartbeats_make_room_and_acknowledged_plays_stay(
    tmp_path: Path, server: IngestModel
) -> None:
    outbox = OutboxLab(tmp_path).boot()
    backup = server.backup()
    outbox.append(started(1))
    outbox.append(ended(1))
    for number in range(3000):
        assert outbox.append(heartbeat(number)) is not None
        if number % 60 == 0:
            drain(outbox, server)
    server.restore(backup)
    outbox.mark(server.receipt())
    drain(outbox, server)
    bodies = [record.body for record in server.records()]
    assert (_count(bodies, PlayStarted), _count(bodies, PlayEnded)) == (1, 1)


def test_acknowledged_plays_make_room_for_new_ones_at_the_very_last(
    tmp_path: Path, server: IngestModel
) -> None:
    outbox = OutboxLab(tmp_path).boot()
    for number in range(1000):
        outbox.append(started(number))
        outbox.append(ended(number))
        if number % 30 == 0:
            drain(outbox, server)
    drain(outbox, server)
    plays = [r.body.play for r in server.records() if isinstance(r.body, PlayEnded)]
    assert plays == [play_id(n) for n in range(1000)]


def test_plays_go_four_hundred_days_after_their_receipt(
    tmp_path: Path, server: IngestModel
) -> None:
    outbox = OutboxLab(tmp_path).boot()
    day_ms = 86_400_000
    for day in range(402):
        server.time_ms = AT_MS + day * day_ms
        outbox.append(started(day))
        outbox.append(ended(day))
        drain(outbox, server)
    empty = IngestModel(ENDPOINT, time_ms=server.time_ms)
    outbox.mark(empty.receipt())
    drain(outbox, empty)
    plays = [r.body.play for r in empty.records() if isinstance(r.body, PlayStarted)]
    assert plays == [play_id(n) for n in range(1, 402)]


def test_the_files_never_grow(tmp_path: Path, server: IngestModel) -> None:
    outbox = OutboxLab(tmp_path).boot()
    before = _sizes(tmp_path)
    for _ in range(3):
        _append_until_refused(outbox, lambda n: heartbeat(n, faults=10))
        drain(outbox, server)
    assert _sizes(tmp_path) == before


# -- no room on the disk


@pytest.mark.requirement("OFF-2")
@pytest.mark.needs("loop-mount")
def test_on_a_disk_that_another_program_filled_plays_are_kept_and_the_outbox_drains(
    tmp_path: Path, server: IngestModel
) -> None:
    with loop_disk(tmp_path, megabytes=8) as disk:
        lab = OutboxLab(disk.path)
        lab.open().close()
        disk.fill()
        play = 0
        for _ in range(4):
            outbox = lab.boot()  # opening and closing need no room either
            _append_until_refused(outbox, lambda n: heartbeat(n, faults=10))
            for _ in range(10):
                outbox.append(started(play))
                outbox.append(ended(play))
                play += 1
            outbox.close()
            outbox = lab.boot()
            drain(outbox, server)
            outbox.close()
        with pytest.raises(OSError, match="space"):
            (disk.path / "anything").write_bytes(b"x")  # the disk is full indeed
        plays = [r.body.play for r in server.records() if isinstance(r.body, PlayEnded)]
        assert plays == [play_id(n) for n in range(play)]


@pytest.mark.needs("loop-mount")
def test_an_outbox_that_does_not_fit_is_named_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with loop_disk(tmp_path, megabytes=4) as disk:
        with pytest.raises(StoreError) as caught:
            OutboxLab(disk.path, capacity_bytes=12_000_000).open()
        assert str(disk.path) in caught.value.where
        assert [each.name for each in disk.path.iterdir()] == ["lost+found"]


@pytest.mark.requirement("OFF-1")
@pytest.mark.needs("loop-mount")
def test_no_acknowledged_record_is_lost_when_the_power_goes(
    tmp_path: Path, server: IngestModel
) -> None:
    with loop_disk(tmp_path, megabytes=16) as disk:
        lab, kept = OutboxLab(disk.path), []
        lab.open().close()
        for life in range(6):
            kept += _live_until_killed(lab, life, wanted=20 + 17 * life)
            lab.epoch += 1
            disk.cut_power()
            outbox = lab.open()
            drain(outbox, server)
            outbox.close()
    arrived = [r.body.uptime_s for r in server.records() if isinstance(r.body, Heartbeat)]
    assert set(kept) <= set(arrived)
    assert (server.gaps, server.broken) == ([], 0)


def _append_until_refused(outbox: Outbox, make: Callable[[int], Record]) -> int:
    for number in range(10_000):
        if outbox.append(make(number)) is None:
            return number
    raise AssertionError("it never ran short")


def _append_plays_until_full(outbox: Outbox, folder: Path) -> int:
    for number in range(PLAY_PAIRS):
        try:
            outbox.append(started(number))
        except StoreError:
            return number
    raise AssertionError(f"{folder} never ran full")


def _count(bodies: Sequence[object], kind: type) -> int:
    return sum(isinstance(body, kind) for body in bodies)


def _sizes(folder: Path) -> dict[str, int]:
    return {each.name: each.stat().st_size for each in folder.iterdir()}
