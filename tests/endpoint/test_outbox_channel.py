"""The outbox against ingest over a line that loses, repeats, reorders, alters and forges."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from loa_endpoint.core.batch import Verdict
from loa_endpoint.store.outbox import Outbox
from loa_protocol.accept import accept
from loa_protocol.envelope import Kind, open_seal, seal
from loa_protocol.errors import FormatError
from loa_protocol.objects.online import Batch, Receipt
from loa_protocol.record import Boot, PlayEnded, PlayStarted
from loa_protocol.trust import TrustError
from support.ingest_model import IngestModel, ManagersIngest
from support.outbox_lab import ENDPOINT, OutboxLab, drain
from support.province import NOW, Person, person, province
from support.records import ended, heartbeat, play_id, started

LABEL = Kind.BATCH.label()


@dataclass
class HostileLine:
    """Carries bytes one way and does to them what an attacker who owns the broker can do."""

    chance: random.Random
    forge: bytes = b""
    past: list[bytes] = field(default_factory=list)
    waiting: list[bytes] = field(default_factory=list)

    def carry(self, data: bytes) -> Iterator[bytes]:
        """Yield what arrives after *data* was sent."""
        self.past.append(data)
        roll = self.chance.random()
        if roll < 0.20:
            return  # lost
        if roll < 0.35:
            self.waiting.append(data)  # delayed past later ones
        else:
            yield data
        if roll > 0.80:
            yield self.chance.choice(self.past)  # an old one again
        if roll > 0.90:
            yield self._altered(data)
        if roll > 0.95 and self.forge:
            yield self.forge
        if self.waiting and self.chance.random() < 0.5:
            yield self.waiting.pop(self.chance.randrange(len(self.waiting)))

    def _altered(self, data: bytes) -> bytes:
        at = self.chance.randrange(len(data))
        return data[:at] + bytes([data[at] ^ (1 << self.chance.randrange(8))]) + data[at + 1 :]


@dataclass
class Server:
    """Ingest with real signatures: the device's key of the bench, its own certificate."""

    model: IngestModel
    refused: int = 0

    def receive(self, data: bytes) -> bytes | None:
        """Return a signed receipt, None for what no registered device sealed."""
        key = province().device.public
        try:
            sealed = open_seal(data)
        except FormatError:
            sealed = None
        if sealed is None or sealed.payload is None or not sealed.is_by(key, sealed.payload, LABEL):
            self.refused += 1
            return None
        return signed(self.model.receive(Batch.from_bytes(sealed.payload)), province().online)


def signed(receipt: Receipt, signer: Person) -> bytes:
    return province().sign(Kind.RECEIPT, receipt, signer)


@pytest.mark.requirement("OFF-1", "SEC-3")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_over_a_hostile_broker_every_record_arrives_once_and_in_order(
    seed: int, tmp_path: Path
) -> None:
    device = province().device.public.kid
    lab = OutboxLab(tmp_path, capacity_bytes=2_000_000, endpoint=device)
    outbox, told = lab.boot(), 400
    for number in range(told):
        outbox.append(heartbeat(number))
    chance = random.Random(seed)
    server = Server(IngestModel(device))
    up, down = HostileLine(chance), HostileLine(chance, forge=_all_received())
    refused = 0
    for _ in range(3000):
        batch = outbox.next_batch(limit=10)
        if batch is None:
            break
        sent = seal(batch.to_bytes(), LABEL, province().device, detached=False)
        for data in up.carry(sent):
            answer = server.receive(data)
            for arrived in down.carry(answer) if answer is not None else ():
                refused += not _mark(outbox, arrived)
    assert outbox.next_batch() is None
    bodies = [record.body for record in server.model.records()]
    assert [getattr(body, "uptime_s", None) for body in bodies] == [None, *range(told)]
    assert server.model.broken == 0
    assert server.refused > 0
    assert refused > 0


def _mark(outbox: Outbox, data: bytes) -> bool:
    """Give a receipt to the outbox if it can be trusted; tell whether it could."""
    try:
        body = accept(data, province().trusted(), NOW).body
    except (FormatError, TrustError):
        return False
    assert isinstance(body, Receipt)
    assert not outbox.mark(body).needs_new_place
    return True


def _all_received() -> bytes:
    """Return a receipt for everything, by a stranger."""
    claim = Receipt(
        endpoint=province().device.public.kid,
        epoch=1,
        next=10_000,
        chain=bytes(32),
        time_ms=2**49,
    )
    return signed(claim, person("stranger"))


class OutboxAgainstIngest(RuleBasedStateMachine):
    """Runs of the agent, receipts of any age, and servers that come back from backups."""

    make_server: type[IngestModel] = IngestModel

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        self.lab = OutboxLab(self.folder, capacity_bytes=200_000)
        self.outbox = self.lab.boot()
        self.server = self.make_server(ENDPOINT)
        self.backups: list[IngestModel] = []
        self.receipts: list[Receipt] = []
        self.plays = 0

    @rule(count=st.integers(1, 60))
    def append_large_heartbeats(self, count: int) -> None:
        """Some forty of them fill the half of the room that heartbeats may have."""
        for number in range(count):
            self.outbox.append(heartbeat(number, faults=30))

    @rule()
    def append_play(self) -> None:
        self.outbox.append(started(self.plays))
        self.outbox.append(ended(self.plays))
        self.plays += 1

    @rule()
    def append_play_that_is_cut_short(self) -> None:
        self.outbox.append(started(self.plays))
        self.plays += 1
        self.restart()

    @rule()
    def restart(self) -> None:
        self.outbox.close()
        self.outbox = self.lab.boot()

    @rule(limit=st.integers(1, 60), is_receipt_lost=st.booleans())
    def exchange(self, limit: int, is_receipt_lost: bool) -> None:
        batch = self.outbox.next_batch(limit)
        if batch is not None:
            receipt = self.server.receive(batch)
            self.receipts.append(receipt)
            if not is_receipt_lost:
                self.outbox.mark(receipt)

    @precondition(lambda self: self.receipts)
    @rule(data=st.data())
    def an_old_receipt_comes(self, data: st.DataObject) -> None:
        self.outbox.mark(data.draw(st.sampled_from(self.receipts)))

    @rule()
    def back_up_the_server(self) -> None:
        self.backups.append(self.server.backup())

    @precondition(lambda self: self.backups)
    @rule(data=st.data())
    def restore_the_server(self, data: st.DataObject) -> None:
        """An older backup makes the newer ones another life: forget them."""
        index = data.draw(st.integers(0, len(self.backups) - 1))
        self.server.restore(self.backups[index])
        del self.backups[index + 1 :]
        self.outbox.mark(self.server.receipt())

    @rule()
    def drain(self) -> None:
        drain(self.outbox, self.server)
        assert self.outbox.load().unsent == 0

    @invariant()
    def the_server_never_found_a_broken_chain(self) -> None:
        assert self.server.broken == 0

    def teardown(self) -> None:
        self.restart()
        self.outbox.mark(self.server.receipt())
        drain(self.outbox, self.server)
        bodies = [record.body for record in self.server.records()]
        boots = [
            key
            for key, body in zip(sorted(self.server.stored), bodies, strict=True)
            if isinstance(body, Boot)
        ]
        assert all(sequence == 0 for _, sequence in boots)  # they begin an epoch, or are not told
        for kind in (PlayStarted, PlayEnded):
            plays = sorted(body.play for body in bodies if isinstance(body, kind))
            assert plays == [play_id(number) for number in range(self.plays)]
        assert self.outbox.mark(self.server.receipt()) is Verdict.SAME
        self.outbox.close()
        shutil.rmtree(self.folder)


class OutboxAgainstManager(OutboxAgainstIngest):
    """The same against the manager's judgement, which asks once before it takes a hole."""

    make_server = ManagersIngest


@pytest.mark.requirement("OFF-1")
@pytest.mark.parametrize("machine", [OutboxAgainstIngest, OutboxAgainstManager])
def test_every_play_is_at_the_server_once_whatever_came_back_from_a_backup(
    machine: type[RuleBasedStateMachine],
) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=50, stateful_step_count=30))
