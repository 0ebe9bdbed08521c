"""How a batch fits what is stored of its chain: the decision, without database or keys.

The sender's signature has been checked before; what is judged here is only order and continuity.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from loa_protocol.errors import FormatError
from loa_protocol.objects.online import Batch
from loa_protocol.record import CHAIN_START, Boot, Record, chain


class Fit(enum.StrEnum):
    """What becomes of a batch."""

    STORED = "stored"
    DUPLICATE = "duplicate"  # nothing new in it
    GAP = "gap"  # records before it are missing here: the receipt asks for them
    BROKEN = "broken"  # signed by the device, and contradicts what the device signed before
    NO_BOOT = "no_boot"  # an epoch that does not begin with its boot record


@dataclass(frozen=True, slots=True)
class Head:
    """How far a chain is stored: the sequence wanted next and the hash before it."""

    next: int = 0
    chain: bytes = CHAIN_START


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What becomes of a batch, and how far its endpoint's records are stored afterwards.

    The first *skip* records of a stored batch were here already. *hole* names what a new epoch says
    came before it and is not here.
    """

    fit: Fit
    epoch: int
    head: Head
    skip: int = 0
    hole: str = ""


@dataclass(slots=True)
class Chains:
    """The chains of one endpoint, by epoch.

    Only the newest epoch, those that are wanted, and the one before each need be there. *asked* is
    the place that was asked for last because a new epoch showed that something is missing there.
    """

    heads: dict[int, Head] = field(default_factory=dict)
    asked: tuple[int, int] | None = None
    stored: dict[int, Head] = field(default_factory=dict)  # as the database has them

    def judge(self, batch: Batch) -> Judgement:
        """Say what becomes of *batch*, and move the head when it is stored."""
        judgement = self._begin(batch) if batch.epoch not in self.heads else self._go_on(batch)
        if judgement.fit is Fit.STORED:
            self.heads[judgement.epoch] = judgement.head
        return judgement

    def _go_on(self, batch: Batch) -> Judgement:
        head = self.heads[batch.epoch]
        end = batch.first + len(batch.records)
        if batch.first > head.next:
            return Judgement(fit=Fit.GAP, epoch=batch.epoch, head=head)
        if end <= head.next:
            # told where we are, not where this batch was: a replayed old batch must not make the
            # endpoint send months again
            newest = max(self.heads)
            return Judgement(fit=Fit.DUPLICATE, epoch=newest, head=self.heads[newest])
        skip = head.next - batch.first
        if _run(batch.previous, batch.records[:skip]) != head.chain:
            return Judgement(fit=Fit.BROKEN, epoch=batch.epoch, head=head)
        after = Head(end, _run(head.chain, batch.records[skip:]))
        return Judgement(fit=Fit.STORED, epoch=batch.epoch, head=after, skip=skip)

    def _begin(self, batch: Batch) -> Judgement:
        if batch.first > 0:
            epoch, head = self._newest_before(batch.epoch)
            return Judgement(fit=Fit.GAP, epoch=epoch, head=head)
        if batch.previous != CHAIN_START:
            return Judgement(fit=Fit.BROKEN, epoch=batch.epoch, head=Head())
        boot = _boot(batch.records[0])
        if boot is None:
            return Judgement(fit=Fit.NO_BOOT, epoch=batch.epoch, head=Head())
        hole = self._hole(batch.epoch, boot)
        if hole and (known := self._missing(batch.epoch)) is not None:
            return Judgement(fit=Fit.GAP, epoch=known[0], head=known[1])
        after = Head(len(batch.records), _run(CHAIN_START, batch.records))
        return Judgement(fit=Fit.STORED, epoch=batch.epoch, head=after, hole=hole)

    def _hole(self, epoch: int, boot: Boot) -> str:
        before, head = self._newest_before(epoch)
        named = Head(boot.previous_next, boot.previous_chain)
        if named == head and before in (epoch, boot.previous_epoch):
            return ""
        return f"{epoch} follows {boot.previous_epoch}/{named.next}, here is {before}/{head.next}"

    def _missing(self, epoch: int) -> tuple[int, Head] | None:
        """Return the place to ask for, once, before a hole is taken as it is."""
        place, head = self._newest_before(epoch)
        if place == epoch or self.asked == (place, head.next):
            return None
        self.asked = (place, head.next)
        return place, head

    def _newest_before(self, epoch: int) -> tuple[int, Head]:
        known = [each for each in self.heads if each < epoch]
        return (max(known), self.heads[max(known)]) if known else (epoch, Head())


def _run(start: bytes, records: tuple[bytes, ...]) -> bytes:
    for record in records:
        start = chain(start, record)
    return start


def _boot(data: bytes) -> Boot | None:
    try:
        body = Record.from_bytes(data).body
    except FormatError:
        return None
    return body if isinstance(body, Boot) else None
