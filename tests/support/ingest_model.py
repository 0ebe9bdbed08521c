"""Servers for the endpoint's half: a model in the fewest words, and the manager's own judge."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Self

from loa_manager.continuity import Chains, Fit
from loa_protocol.objects.online import Batch, Receipt
from loa_protocol.record import CHAIN_START, Boot, Record, chain


@dataclass
class IngestModel:
    """What one server holds of one endpoint."""

    endpoint: bytes
    epoch: int = 0
    next: int = 0
    chain: bytes = CHAIN_START
    stored: dict[tuple[int, int], bytes] = field(default_factory=dict)
    gaps: list[Boot] = field(default_factory=list)
    broken: int = 0
    time_ms: int = 1_800_000_000_000

    def receive(self, batch: Batch) -> Receipt:
        """Take a verified batch and answer."""
        if batch.epoch > self.epoch and batch.first == 0:
            boot = Record.from_bytes(batch.records[0]).body
            assert isinstance(boot, Boot), "an epoch begins with a boot record"
            said = (boot.previous_epoch, boot.previous_next, boot.previous_chain)
            if said != (self.epoch, self.next, self.chain):
                self.gaps.append(boot)
            self.epoch, self.next, self.chain = batch.epoch, 0, CHAIN_START
        if batch.epoch == self.epoch and batch.first <= self.next:
            self._take(batch)
        return self.receipt()

    def receipt(self) -> Receipt:
        """Return where this server stands now."""
        self.time_ms += 1
        return Receipt(
            endpoint=self.endpoint,
            epoch=self.epoch,
            next=self.next,
            chain=self.chain,
            time_ms=self.time_ms,
        )

    def backup(self) -> Self:
        """Return a copy that stays as it is."""
        return copy.deepcopy(self)

    def restore(self, backup: Self) -> None:
        """Come back from *backup*; the clock does not."""
        facts = copy.deepcopy(backup.__dict__)
        del facts["time_ms"]
        self.__dict__.update(facts)

    def records(self) -> list[Record]:
        """Return what is stored, in order of (epoch, sequence)."""
        return [Record.from_bytes(self.stored[key]) for key in sorted(self.stored)]

    def _take(self, batch: Batch) -> None:
        hashes = [batch.previous]
        for record in batch.records:
            hashes.append(chain(hashes[-1], record))
        known = self.next - batch.first
        if known >= len(hashes) or hashes[known] != self.chain:
            self.broken += known < len(hashes)
            return
        for sequence, record in enumerate(batch.records[known:], start=self.next):
            assert (self.epoch, sequence) not in self.stored, "stored twice"
            self.stored[self.epoch, sequence] = record
        self.next, self.chain = batch.first + len(batch.records), hashes[-1]


@dataclass
class ManagersIngest(IngestModel):
    """The same with the manager's judgement of continuity."""

    chains: Chains = field(default_factory=Chains)

    def receive(self, batch: Batch) -> Receipt:
        """Take a verified batch and answer."""
        judged = self.chains.judge(batch)
        self.broken += judged.fit in (Fit.BROKEN, Fit.NO_BOOT)
        if judged.fit is Fit.STORED:
            for sequence, record in enumerate(batch.records[judged.skip :], judged.skip):
                key = (batch.epoch, batch.first + sequence)
                assert key not in self.stored, "stored twice"
                self.stored[key] = record
            if judged.hole:
                boot = Record.from_bytes(batch.records[0]).body
                assert isinstance(boot, Boot)
                self.gaps.append(boot)
        self.epoch, self.next, self.chain = judged.epoch, judged.head.next, judged.head.chain
        return self.receipt()
