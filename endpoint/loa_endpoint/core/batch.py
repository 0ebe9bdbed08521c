"""Batches of records on their way up, and what a receipt says about the way behind them.

Records have a place: (epoch, sequence). A batch is a run of records of one epoch with the chain
hash before it. A receipt names the place that the server wants next and the chain hash it holds
there; nothing but a receipt moves the place from which we send.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from loa_protocol.objects.online import Batch, Receipt
from loa_protocol.record import chain

MAX_RECORDS: Final = 60  # measured: one signature for 60 records lets ingest take 294,000 a second
MAX_BYTES: Final = 64 * 1024
_ENVELOPE_BYTES: Final = 256  # endpoint, numbers, previous hash, seal
_RECORD_BYTES: Final = 3  # the length before each record
MAX_AHEAD_MS: Final = 86_400_000  # a receipt of the day after tomorrow would silence all others
MAX_LEAD: Final = (
    100_000  # epochs: a boot every five minutes for a year; more is no restored backup
)


class Verdict(enum.StrEnum):
    """What a verified receipt means for the log."""

    STALE = "stale"  # older than the newest, or from the future: changes nothing
    SAME = "same"
    ADVANCED = "advanced"
    REWOUND = "rewound"  # the server came back from a backup: send again from there
    LOST = "lost"  # it wants what is no longer held as a chain: tell what is left in a new place
    FORKED = "forked"  # it holds what we never wrote: one of us came back from a backup

    @property
    def needs_new_place(self) -> bool:
        """Whether the chain cannot go on at the place the server wants."""
        return self in (Verdict.LOST, Verdict.FORKED)


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as the log holds it: its bytes and the chain hash after it."""

    body: bytes
    chain: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Where the next batch begins."""

    endpoint: bytes
    epoch: int
    number: int
    first: int
    previous: bytes  # the chain hash before it


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the log knows about the place a receipt names.

    *chain* is None where the hash there is no longer held. *is_written* is false for a place the
    log never came to; *is_whole* says that the chain can be sent from there without a hole.
    """

    newest_ms: int  # of the newest receipt so far
    epoch: int  # that we write in
    is_behind: bool  # before the place that we send from
    is_here: bool
    chain: bytes | None
    is_written: bool
    is_whole: bool


class BrokenChainError(Exception):
    """The next record of the log is not what was written: the disk changed it."""


def cut(run: Run, records: Sequence[Stored]) -> Batch | None:
    """Return the batch of as many of *records* as fit, None when there are none.

    Args:
        run: Where the batch begins.
        records: What the log holds from there on, in order, of the same epoch.

    Raises:
        BrokenChainError: the first record does not fit the chain.
    """
    taken: list[bytes] = []
    room, last = MAX_BYTES - _ENVELOPE_BYTES, run.previous
    for record in records[:MAX_RECORDS]:
        room -= len(record.body) + _RECORD_BYTES
        last = chain(last, record.body)
        if room < 0 or last != record.chain:
            break
        taken.append(record.body)
    if not taken:
        if records:
            raise BrokenChainError
        return None
    return Batch(
        endpoint=run.endpoint,
        epoch=run.epoch,
        number=run.number,
        first=run.first,
        previous=run.previous,
        records=tuple(taken),
    )


def judge(receipt: Receipt, view: View, *, now_ms: int | None) -> Verdict:
    """Say what the verified *receipt* means.

    Args:
        receipt: Accepted before: signed by ingest and addressed to us.
        view: What the log knows about the receipt's place.
        now_ms: The time, None where it is not known (T0, T1).
    """
    if _is_stale(receipt, view, now_ms):
        return Verdict.STALE
    if not view.is_written or view.chain not in (None, receipt.chain):
        return Verdict.FORKED
    if view.is_here:
        return Verdict.SAME
    if not view.is_whole:
        return Verdict.LOST
    return Verdict.REWOUND if view.is_behind else Verdict.ADVANCED


def _is_stale(receipt: Receipt, view: View, now_ms: int | None) -> bool:
    return (
        receipt.time_ms < view.newest_ms
        # two of one millisecond: the further one came later
        or (receipt.time_ms == view.newest_ms and view.is_behind)
        or (now_ms is not None and receipt.time_ms > now_ms + MAX_AHEAD_MS)
        or receipt.epoch > view.epoch + MAX_LEAD
    )
