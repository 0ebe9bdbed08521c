"""The outbox: what it is told stays told, until the server has it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from loa_endpoint.core.batch import Verdict
from loa_endpoint.core.outbox import VALUES
from loa_endpoint.store.database import DamagedError
from loa_endpoint.store.outbox import Outbox
from loa_protocol.errors import StoreError
from loa_protocol.record import (
    BODIES,
    CHAIN_START,
    Boot,
    ClockTrust,
    Evidence,
    Happening,
    Outcome,
    PlayEnded,
    PlayStarted,
    Record,
    chain,
)
from support.ingest_model import IngestModel
from support.outbox_lab import ENDPOINT, OutboxLab, drain
from support.records import AT_MS, ended, heartbeat, play_id, started


@pytest.fixture
def lab(tmp_path: Path) -> OutboxLab:
    return OutboxLab(tmp_path)


@pytest.fixture
def server() -> IngestModel:
    return IngestModel(ENDPOINT)


def test_records_are_numbered_and_chained_within_the_epoch(lab: OutboxLab) -> None:
    outbox = lab.boot()
    entries = [outbox.append(heartbeat(n)) for n in range(3)]
    batch = outbox.next_batch()
    assert batch is not None
    link = CHAIN_START
    for data in batch.records:
        link = chain(link, data)
    assert [entry.sequence for entry in entries if entry] == [1, 2, 3]
    assert entries[-1] is not None
    assert entries[-1].chain == link
    assert (batch.epoch, batch.first, batch.previous) == (1, 0, CHAIN_START)


def test_what_was_appended_is_there_after_a_restart(lab: OutboxLab, server: IngestModel) -> None:
    outbox = lab.boot()
    outbox.append(started(1))
    outbox.append(ended(1))
    outbox.close()
    drain(lab.boot(), server)
    bodies = [record.body for record in server.records()]
    assert [type(body).__name__ for body in bodies] == ["Boot", "PlayStarted", "PlayEnded", "Boot"]


def test_the_first_record_of_an_epoch_names_the_end_of_the_one_before(
    lab: OutboxLab, server: IngestModel
) -> None:
    first = lab.boot()
    entry = first.append(heartbeat())
    first.close()
    drain(lab.boot(), server)
    assert entry is not None
    boot = server.records()[-1].body
    assert isinstance(boot, Boot)
    assert (boot.previous_epoch, boot.previous_next) == (1, 2)
    assert boot.previous_chain == entry.chain
    assert server.gaps == []


def test_nothing_is_written_before_an_epoch_began(lab: OutboxLab) -> None:
    with pytest.raises(RuntimeError, match="begin"):
        lab.open().append(heartbeat())


def test_every_kind_of_record_has_a_worth() -> None:
    assert set(VALUES) == set(BODIES.values())


def test_only_plays_without_an_end_are_interrupted_at_the_next_boot(lab: OutboxLab) -> None:
    outbox = lab.boot()
    for number in (1, 2):
        outbox.append(started(number))
    outbox.append(ended(1))
    outbox.close()  # as good as a power cut: nothing ends play 2
    entries = lab.open().begin()
    assert [entry.sequence for entry in entries] == [0, 1]  # boot, and one end


@pytest.mark.requirement("OFF-1")
def test_an_interrupted_play_is_told_once_with_the_last_sign_of_life(
    lab: OutboxLab, server: IngestModel
) -> None:
    outbox = lab.boot()
    outbox.append(started(2, at_ms=AT_MS))
    alive = Record(at_ms=AT_MS + 20_000, trust=ClockTrust.T3, body=heartbeat().body)
    outbox.append(alive)
    outbox.close()
    for _ in range(3):
        lab.boot().close()
    outbox = lab.boot()
    drain(outbox, server)
    ends = [r.body for r in server.records() if isinstance(r.body, PlayEnded)]
    assert len(ends) == 1
    assert (ends[0].play, ends[0].outcome) == (play_id(2), Outcome.INTERRUPTED)
    assert (ends[0].started_ms, ends[0].ended_ms) == (AT_MS, AT_MS + 20_000)
    assert ends[0].uncertainty_ms == 40_000  # it was planned for a minute
    assert ends[0].evidence is Evidence.UNVERIFIED


def test_the_same_records_are_offered_until_a_receipt_comes(
    lab: OutboxLab, server: IngestModel
) -> None:
    outbox = lab.boot()
    outbox.append(heartbeat())
    once, twice = outbox.next_batch(), outbox.next_batch()
    assert once is not None
    assert twice is not None
    assert (once.first, once.records) == (twice.first, twice.records)
    assert twice.number > once.number
    assert outbox.mark(server.receive(once)) is Verdict.ADVANCED
    assert outbox.next_batch() is None
    assert outbox.load().unsent == 0


def test_a_batch_never_spans_two_epochs(lab: OutboxLab, server: IngestModel) -> None:
    for _ in range(3):
        lab.boot().close()
    assert drain(lab.open(), server) == 3


def test_an_old_receipt_changes_nothing(lab: OutboxLab, server: IngestModel) -> None:
    outbox = lab.boot()
    old = server.receipt()
    drain(outbox, server)
    assert outbox.mark(old) is Verdict.STALE
    assert outbox.next_batch() is None


def test_a_receipt_from_far_ahead_is_ignored_when_the_time_is_known(
    lab: OutboxLab, server: IngestModel
) -> None:
    outbox = lab.boot()
    batch = outbox.next_batch()
    assert batch is not None
    lab.trust = ClockTrust.T3
    server.time_ms = AT_MS + 10 * 365 * 86_400_000
    assert outbox.mark(server.receive(batch)) is Verdict.STALE
    server.time_ms = AT_MS
    assert outbox.mark(server.receive(batch)) is Verdict.ADVANCED


# -- servers and boards that come back from a backup


@pytest.mark.requirement("OFF-1")
def test_a_server_restored_from_a_backup_gets_the_missing_records_again(
    lab: OutboxLab, server: IngestModel
) -> None:
    outbox = lab.boot()
    outbox.append(started(1))
    drain(outbox, server)
    backup = server.backup()
    for number in range(200):
        outbox.append(heartbeat(number))
    outbox.append(ended(1))
    outbox.close()
    outbox = lab.boot()
    drain(outbox, server)
    complete = dict(server.stored)

    server.restore(backup)
    assert outbox.mark(server.receipt()) is Verdict.REWOUND
    drain(outbox, server)
    assert server.stored == complete
    assert server.gaps == []


def test_plays_are_told_again_to_a_server_older_than_what_is_held(
    lab: OutboxLab, server: IngestModel
) -> None:
    """Heartbeats among the acknowledged were dropped, so the chain cannot be sent any more."""
    outbox = lab.boot()
    drain(outbox, server)
    backup = server.backup()
    _fill_with_plays_and_heartbeats(outbox, server, plays=20)
    server.restore(backup)
    assert outbox.mark(server.receipt()) is Verdict.LOST
    assert outbox.mark(server.receipt()) is Verdict.LOST  # asked twice, told once
    drain(outbox, server)
    assert _plays(server) == [play_id(n) for n in range(20)]
    assert len(server.gaps) == 1  # the server sees that something is missing
    told = [r.body for r in server.records() if getattr(r.body, "name", "") == "records_retold"]
    assert len(told) == 1
    assert drain(outbox, server) == 0


def test_a_server_that_lost_everything_gets_every_play_that_is_held(
    lab: OutboxLab, server: IngestModel
) -> None:
    outbox = lab.boot()
    _fill_with_plays_and_heartbeats(outbox, server, plays=20)
    outbox.close()
    outbox = lab.boot()
    drain(outbox, server)
    empty = IngestModel(ENDPOINT, time_ms=server.time_ms)
    assert outbox.mark(empty.receipt()) is Verdict.LOST
    drain(outbox, empty)
    assert sorted(_plays(empty)) == [play_id(n) for n in range(20)]


def test_a_board_restored_from_an_old_image_goes_on_in_a_new_epoch(
    lab: OutboxLab, server: IngestModel, tmp_path: Path
) -> None:
    outbox = lab.boot()
    drain(outbox, server)
    outbox.close()
    image = lab.path.read_bytes()
    for _ in range(3):  # the life that the image does not know
        outbox = lab.boot()
        outbox.append(heartbeat())
        drain(outbox, server)
        outbox.close()
    lab.path.write_bytes(image)
    lab.epoch = 1

    outbox = lab.boot()
    outbox.append(started(7))
    batch = outbox.next_batch()
    assert batch is not None
    assert outbox.mark(server.receive(batch)) is Verdict.FORKED
    drain(outbox, server)
    assert _plays(server) == [play_id(7)]
    assert server.epoch == 5
    assert outbox.mark(server.receipt()) is Verdict.SAME


def test_a_lost_outbox_begins_a_new_epoch_that_the_server_takes(
    lab: OutboxLab, server: IngestModel
) -> None:
    outbox = lab.boot()
    outbox.append(heartbeat())
    drain(outbox, server)
    outbox.close()
    lab.path.unlink()
    outbox = lab.boot()  # the state database still gives a fresh epoch number
    outbox.append(started(1))
    drain(outbox, server)
    assert _plays(server) == [play_id(1)]
    assert [gap.previous_epoch for gap in server.gaps] == [0]


def test_a_repeated_receipt_of_a_fork_makes_no_more_epochs(
    lab: OutboxLab, server: IngestModel
) -> None:
    outbox = lab.boot()
    server.epoch, server.next = 40, 3
    for _ in range(5):
        assert outbox.mark(server.receipt()) is Verdict.FORKED
    assert lab.epoch == 41


# -- damage


def test_a_damaged_outbox_is_moved_aside_and_named_not_remade(lab: OutboxLab) -> None:
    outbox = lab.boot()
    outbox.append(heartbeat())
    outbox.close()
    raw = bytearray(lab.path.read_bytes())
    raw[100:4000] = bytes(3900)
    lab.path.write_bytes(raw)
    with pytest.raises(DamagedError) as caught:
        lab.open()
    assert caught.value.where == str(lab.path)
    assert caught.value.kept_as.read_bytes() == raw
    with pytest.raises(StoreError, match="not there"):
        lab.open(create=False)


def test_what_was_found_damaged_is_told_once_in_the_new_outbox(
    lab: OutboxLab, server: IngestModel
) -> None:
    lab.boot().close()
    lab.path.write_bytes(b"noise" * 1000)
    with pytest.raises(DamagedError):
        lab.open()
    for _ in range(2):
        lab.boot().close()
    drain(lab.open(), server)
    told = [r.body.detail for r in server.records() if isinstance(r.body, Happening)]
    assert told == ["outbox.db.damaged-1"]


def test_a_record_that_the_disk_changed_is_stepped_over_and_told(
    lab: OutboxLab, server: IngestModel
) -> None:
    outbox = lab.boot()
    for number in range(4):
        outbox.append(started(number))
    outbox.close()
    with sqlite3.connect(lab.path) as connection:  # a flipped bit that SQLite cannot see
        body = connection.execute("SELECT body FROM record WHERE id = 2").fetchone()[0]
        flipped = body.replace(b"item-1", b"item-9")
        assert flipped != body
        connection.execute("UPDATE record SET body = ? WHERE id = 2", (flipped,))
    connection.close()
    outbox = lab.open()
    drain(outbox, server)
    assert sorted(_plays(server)) == [play_id(0), play_id(2), play_id(3)]
    names = [getattr(record.body, "name", "") for record in server.records()]
    assert "record_damaged" in names
    assert not [r for r in server.records() if getattr(r.body, "item", "") == "item-9"]


def _fill_with_plays_and_heartbeats(outbox: Outbox, server: IngestModel, *, plays: int) -> None:
    """Append until acknowledged heartbeats had to go."""
    for number in range(plays * 20):
        if number % 20 == 0:
            outbox.append(started(number // 20))
            outbox.append(ended(number // 20))
        outbox.append(heartbeat(number, faults=20))
        if number % 40 == 0:
            drain(outbox, server)
    drain(outbox, server)


def _plays(server: IngestModel) -> list[bytes]:
    """Return the ids of plays whose start is stored, in order."""
    return [r.body.play for r in server.records() if isinstance(r.body, PlayStarted)]
