"""outbox.db: what the endpoint tells, kept until the server has it and plays for 400 days more.

A record is on the disk when :meth:`Outbox.append` returns. The file has all its pages from the
start, so a full disk can neither stop a play from being recorded nor the outbox from draining; what
gets no place when the room in the file itself runs short is decided in ``core/outbox.py``.

Where the server wants records that are no longer held as one chain (it came back from a very old
backup), or holds a chain that we never wrote (we did), the log goes on in a new epoch: its first
record names the true end of the one before, so the server sees the gap, and what is still held of
the missing part is told again there (``retelling.py``).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from loa_endpoint.core import batch as batches
from loa_endpoint.core import outbox as rules
from loa_endpoint.core.batch import MAX_RECORDS, BrokenChainError, Run, Verdict, View
from loa_endpoint.core.outbox import Value
from loa_endpoint.store.database import MAX_CHANGES, Database, moved_aside
from loa_endpoint.store.ledger import SCHEMA, Entry, Ledger
from loa_endpoint.store.retelling import Retelling
from loa_endpoint.store.room import BOOT_PAGES, Room
from loa_protocol.objects.online import Batch, Receipt
from loa_protocol.record import CHAIN_START, Body, Boot, ClockTrust, Happening, Record

CAPACITY_BYTES: Final = 12_000_000  # 400 days of plays take under 10 MB (architecture.md section 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Who writes: the facts that go into a boot record and a batch.

    *next_epoch* is ``State.next_epoch``; *stamp* reads the clock: unix ms and its trust.
    """

    endpoint: bytes
    version: str
    next_epoch: Callable[[int], int]
    stamp: Callable[[], tuple[int, ClockTrust]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How full the outbox is."""

    unsent: int
    free_permille: int


class Outbox:
    """The open outbox; its methods may be called from any thread and may wait for the disk."""

    def __init__(self, database: Database, writer: Writer) -> None:
        """Use :meth:`open`."""
        self._database, self._writer = database, writer
        self._ledger = Ledger(database)
        self._room = Room(database, self._ledger)
        self._retelling = Retelling(self._ledger, self._boot, self._stamped)
        self._lock = threading.RLock()
        self._number = self._ledger.number("batch")
        self._has_begun = False

    @classmethod
    def open(
        cls,
        path: Path,
        writer: Writer,
        *,
        create: bool = False,
        capacity_bytes: int = CAPACITY_BYTES,
    ) -> Self:
        """Open the outbox.

        Args:
            path: The file.
            writer: Who writes.
            create: Make it where there is none: at the first start, or after a DamagedError that
                the caller reports in the new one.
            capacity_bytes: Size of a new file; all of it is taken at once.

        Raises:
            DamagedError: it is damaged and was moved aside.
            StoreError: it is not there, in use, or cannot be read.
        """
        if create:
            Database.create(path, SCHEMA, capacity_bytes=capacity_bytes)
        return cls(Database.open(path), writer)

    def begin(self) -> tuple[Entry, ...]:
        """Begin an epoch: the boot record, and an end for each play that the last run left open.

        A database that was found damaged since is told of too.

        Raises:
            StoreError: they could not be kept.
        """
        with self._lock:
            self._room.make(Value.PLAY, fewest=BOOT_PAGES)
            last = self._ledger.last()
            with self._ledger.changing() as connection:
                entries = [self._boot(connection, 1)]
                for started in self._ledger.open_plays(MAX_CHANGES // 4):
                    last_ms = started.at_ms if last is None else last.at_ms
                    ended = self._stamped(rules.interrupted(started, last_ms))
                    entries.append(self._ledger.add(connection, ended))
                entries += self._tell_damage(connection)
            self._has_begun = True
            return tuple(entries)

    def append(self, record: Record) -> Entry | None:
        """Write *record*; when this returns, it is on the disk.

        Returns:
            Its place; None where the room left is kept for records of more worth. How many were
            left out is told by an event once there is room again.

        Raises:
            StoreError: there is no room even for this, or the disk refuses; nothing was written.
        """
        value = rules.VALUES[type(record.body)]
        with self._lock:
            if not self._has_begun:
                raise RuntimeError("begin() comes before the first record")
            self._room.make(value)
            with self._ledger.changing() as connection:
                if not rules.is_admitted(value, self._room.free_permille):
                    self._withhold(connection, value)
                    return None
                self._tell_withheld(connection, record)
                return self._ledger.add(connection, record)

    def next_batch(self, limit: int = MAX_RECORDS) -> Batch | None:
        """Return the next records to send, from the place of the newest receipt on.

        Raises:
            StoreError: they cannot be read.
        """
        with self._lock:
            self._retelling.finish()
            ledger = self._ledger
            epoch, base, end = ledger.epoch_of(ledger.cursor)
            previous = ledger.chain_before(ledger.cursor)
            if ledger.cursor >= end or previous is None:
                return None
            run = Run(
                endpoint=self._writer.endpoint,
                epoch=epoch,
                number=self._number,
                first=ledger.cursor - base,
                previous=previous,
            )
            try:
                rows = ledger.stored(ledger.cursor, end, limit)
                found = batches.cut(run, [record for _, record in rows])
            except BrokenChainError:
                self._step_over_damage()
                return self.next_batch(limit)
            self._number += 1
            return found

    def mark(self, receipt: Receipt) -> Verdict:
        """Carry out a verified receipt, and return what it meant.

        Raises:
            StoreError: it could not be carried out; the next receipt will say the same.
        """
        with self._lock:
            self._retelling.finish()
            now_ms, trust = self._writer.stamp()
            view, place = self._view(receipt)
            known_ms = now_ms if trust >= ClockTrust.T2 else None
            verdict = batches.judge(receipt, view, now_ms=known_ms)
            if verdict is Verdict.STALE:
                return verdict
            if verdict.needs_new_place:
                start = place if verdict is Verdict.LOST else self._ledger.cursor
                place = self._retelling.tell(start, receipt.epoch)
            self._move_to(place, receipt.time_ms)
            self._room.retire(receipt.time_ms)
            return verdict

    def load(self) -> Load:
        """Return how full it is."""
        with self._lock:
            unsent = self._ledger.tip.next - self._ledger.cursor
            return Load(unsent=unsent, free_permille=self._room.free_permille)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    # -- the end of the log

    def _boot(self, connection: sqlite3.Connection, at_least: int) -> Entry:
        tip = self._ledger.tip
        epoch = self._writer.next_epoch(max(at_least, tip.epoch + 1))
        self._ledger.start_epoch(connection, epoch)
        boot = Boot(
            previous_epoch=tip.epoch,
            previous_next=tip.next - tip.base,
            previous_chain=tip.chain,
            version=self._writer.version,
        )
        return self._ledger.add(connection, self._stamped(boot))

    def _tell_damage(self, connection: sqlite3.Connection) -> list[Entry]:
        names = moved_aside(self._database.path.parent)
        if len(names) <= self._ledger.number("damaged"):
            return []
        self._ledger.set_numbers(connection, damaged=len(names))
        event = Happening(name="database_damaged", detail=", ".join(names)[-300:])
        return [self._ledger.add(connection, self._stamped(event))]

    def _stamped(self, body: Body) -> Record:
        at_ms, trust = self._writer.stamp()
        return Record(at_ms=at_ms, trust=trust, body=body)

    def _withhold(self, connection: sqlite3.Connection, value: Value) -> None:
        name = f"withheld.{int(value)}"
        self._ledger.set_numbers(connection, **{name: self._ledger.number(name) + 1})

    def _tell_withheld(self, connection: sqlite3.Connection, record: Record) -> None:
        counts = {value: self._ledger.number(f"withheld.{int(value)}") for value in Value}
        missing = {value: count for value, count in counts.items() if count}
        if not missing or not rules.is_admitted(max(missing), self._room.free_permille):
            return
        event = Record(at_ms=record.at_ms, trust=record.trust, body=rules.withheld(missing))
        self._ledger.add(connection, event)
        zeros = {f"withheld.{int(value)}": 0 for value in missing}
        self._ledger.set_numbers(connection, **zeros)

    # -- receipts

    def _view(self, receipt: Receipt) -> tuple[View, int]:
        """Return what is known about a receipt's place, and the id it stands for."""
        ledger = self._ledger
        found = ledger.locate(receipt.epoch, receipt.next)
        place = ledger.cursor if found is None else found
        is_inside = receipt.epoch in ledger.epochs and receipt.next > 0
        chain = ledger.chain_after(place - 1) if is_inside else None
        if receipt.epoch in ledger.epochs and receipt.next == 0:
            chain = CHAIN_START
        view = View(
            newest_ms=ledger.number("receipt_ms"),
            epoch=ledger.tip.epoch,
            is_behind=place < ledger.cursor,
            is_here=place == ledger.cursor,
            chain=chain,
            is_written=found is not None,
            is_whole=place - is_inside >= ledger.whole,
        )
        return view, place

    def _move_to(self, place: int, time_ms: int) -> None:
        with self._ledger.changing() as connection:
            self._ledger.set_mark(connection, place, time_ms)
            self._ledger.set_numbers(
                connection, cursor=place, receipt_ms=time_ms, batch=self._number
            )
        self._room.search_again(place)

    def _step_over_damage(self) -> None:
        """Go on after a record that the disk changed: the chain cannot pass over it."""
        damaged = self._ledger.cursor
        epoch, base, _ = self._ledger.epoch_of(damaged)
        self._retelling.tell(damaged, epoch)
        event = Happening(name="record_damaged", detail=f"{epoch}/{damaged - base}")
        with self._ledger.changing() as connection:
            self._ledger.add(connection, self._stamped(event))
