"""What a virtual endpoint keeps over a restart: what a real one has on its disk, here in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from loa_endpoint.core.batch import Run, Stored, Verdict, View, cut, judge
from loa_endpoint.core.inbox import Take
from loa_endpoint.core.orders import Happened, Kept, Progress
from loa_protocol.companions import Companions
from loa_protocol.objects.online import Batch, Receipt
from loa_protocol.objects.placement import Denied
from loa_protocol.objects.policy import Policy
from loa_protocol.record import CHAIN_START, Body, Boot, ClockTrust, Record, chain
from loa_protocol.trust import Accepted, Position, Subject, position_of, subject_of


class Log:
    """Records by epoch, chained, with the place from which they are sent; an outbox in memory."""

    def __init__(self, endpoint: bytes) -> None:
        self._endpoint = endpoint
        self._epochs: dict[int, list[Stored]] = {}
        self._place = (1, 0)
        self._number = self._newest_ms = 0
        self.epoch = 0

    def begin(self, at_ms: int) -> None:
        """Begin an epoch with its boot record."""
        before = self._epochs.get(self.epoch, [])
        boot = Boot(
            previous_epoch=self.epoch,
            previous_next=len(before),
            previous_chain=before[-1].chain if before else CHAIN_START,
            version="0.1.0",
        )
        self.epoch += 1
        self._epochs[self.epoch] = []
        self.append(boot, at_ms)

    def append(self, body: Body, at_ms: int) -> None:
        """Keep a record of the present epoch."""
        data = Record(at_ms=at_ms, trust=ClockTrust.T3, body=body).to_bytes()
        records = self._epochs[self.epoch]
        previous = records[-1].chain if records else CHAIN_START
        records.append(Stored(data, chain(previous, data)))

    @property
    def unsent(self) -> int:
        """How many records have no receipt yet."""
        epoch, first = self._place
        return sum(len(found) for e, found in self._epochs.items() if e >= epoch) - first

    def next_batch(self) -> Batch | None:
        """Return the next records to send."""
        epoch, first = self._place
        while first >= len(self._epochs[epoch]) and epoch < self.epoch:
            epoch, first = epoch + 1, 0
        records = self._epochs[epoch]
        self._number += 1
        previous = records[first - 1].chain if first else CHAIN_START
        run = Run(
            endpoint=self._endpoint,
            epoch=epoch,
            number=self._number,
            first=first,
            previous=previous,
        )
        return cut(run, records[first:])

    def mark(self, receipt: Receipt) -> Verdict:
        """Carry out a verified receipt."""
        there = (receipt.epoch, receipt.next)
        records = self._epochs.get(receipt.epoch, [])
        is_written = receipt.epoch in self._epochs and receipt.next <= len(records)
        held = None
        if is_written:
            held = records[receipt.next - 1].chain if receipt.next else CHAIN_START
        view = View(
            newest_ms=self._newest_ms,
            epoch=self.epoch,
            is_behind=there < self._place,
            is_here=there == self._place,
            chain=held,
            is_written=is_written,
            is_whole=True,
        )
        verdict = judge(receipt, view, now_ms=receipt.time_ms)
        if verdict is not Verdict.STALE:
            self._newest_ms = receipt.time_ms
        if verdict in (Verdict.ADVANCED, Verdict.REWOUND):
            self._place = there
        return verdict


@dataclass(slots=True)
class Memory:
    """Everything that outlives the endpoint's object."""

    log: Log
    positions: dict[Subject, Position] = field(default_factory=dict)
    held: dict[Subject, bytes] = field(default_factory=dict)  # digests of what is in force
    policies: dict[str, Policy] = field(default_factory=dict)
    denied: frozenset[bytes] = frozenset()
    denials: tuple[Denied, ...] = ()
    seen: dict[bytes, int] = field(default_factory=dict)
    happened: dict[bytes, Happened] = field(default_factory=dict)
    orders: dict[bytes, tuple[bytes, bytes, bytes]] = field(default_factory=dict)
    certificates: dict[bytes, bytes] = field(default_factory=dict)
    receipts: Companions = field(default_factory=Companions)
    cached: set[bytes] = field(default_factory=set)  # media by hash

    def keep(self, accepted: Accepted) -> None:
        """Keep a state object's position, before it comes into force."""
        position = position_of(accepted.body, accepted.digest)
        if position is None:
            return  # a head
        subject = subject_of(accepted.kind, accepted.body)
        self.positions[subject], self.held[subject] = position, accepted.digest
        if isinstance(accepted.body, Policy):
            self.policies[accepted.body.scope] = accepted.body

    def take(self, take: Take) -> None:
        """Keep an order, and that it happened, before it acts."""
        kept = take.kept
        state = take.data, kept.taking.to_bytes(), kept.progress.to_bytes()
        self.orders[kept.id] = state
        self.seen[take.seen.id] = take.seen.forget_at
        self.happened[kept.digest] = kept.happened

    def keep_progress(self, order: bytes, progress: Progress) -> None:
        """Keep how far an order has come."""
        bundle, taking, _ = self.orders[order]
        self.orders[order] = bundle, taking, progress.to_bytes()

    def drop(self, order: bytes) -> None:
        """Forget an order; its id stays."""
        self.orders.pop(order, None)

    def kept(self) -> list[Kept]:
        """Return the orders as a start reads them back: from their bytes."""
        return [Kept.restored(*each) for each in self.orders.values()]
