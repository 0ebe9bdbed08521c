"""The rows behind the outbox: records in one line, cut into epochs.

Every record has an id; ids run without a hole over all epochs, and an epoch is the id of its first
record. A record's sequence is its id less that. What is dropped later leaves a hole that
:attr:`Ledger.whole` stands behind: from that id on, every record is held.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

from loa_endpoint.core.batch import Stored
from loa_endpoint.core.outbox import VALUES, Value
from loa_endpoint.store.database import Database
from loa_protocol.record import CHAIN_START, PlayEnded, PlayStarted, Record, chain

SCHEMA: Final = (
    "CREATE TABLE epoch (epoch INTEGER PRIMARY KEY, base INTEGER NOT NULL)",
    "CREATE TABLE record (id INTEGER PRIMARY KEY, value INTEGER NOT NULL,"
    " body BLOB NOT NULL, chain BLOB NOT NULL)",
    "CREATE TABLE mark (id INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL)",
    "CREATE TABLE open_play (play BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE number (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
)

_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Tip:
    """The end of the log: the epoch written in, its first id, the next id, the last chain hash."""

    epoch: int
    base: int
    next: int
    chain: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a record stands: its key at the server, and the chain hash after it."""

    epoch: int
    sequence: int
    chain: bytes


class Ledger:
    """Rows of the open database; the caller holds a lock and opens the transactions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.epochs: dict[int, int] = {}
        self.tip = Tip(0, 0, 0, CHAIN_START)
        self._numbers: dict[str, int] = {}
        self._reload()

    @property
    def cursor(self) -> int:
        """The id from which to send: all before it were acknowledged."""
        return self._numbers.get("cursor", 0)

    @property
    def whole(self) -> int:
        """From this id on nothing was dropped."""
        return self._numbers.get("whole", 0)

    @property
    def is_moving(self) -> bool:
        """Whether records before the cursor are on their way to a new place."""
        return self.number("moving") < self.number("goal")

    def number(self, name: str) -> int:
        """Return a kept number, 0 where none was set."""
        return self._numbers.get(name, 0)

    @contextlib.contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """Run a transaction; what is remembered of the rows is right however it ends.

        Raises:
            StoreError: it could not be kept; nothing is changed.
        """
        try:
            with self._database.transaction() as connection:
                yield connection
        except BaseException:
            self._reload()
            raise

    def set_numbers(self, connection: sqlite3.Connection, **numbers: int) -> None:
        """Keep numbers within a transaction."""
        connection.executemany("INSERT OR REPLACE INTO number VALUES (?, ?)", numbers.items())
        self._numbers.update(numbers)

    def start_epoch(self, connection: sqlite3.Connection, epoch: int) -> None:
        """Begin *epoch* after the last record."""
        connection.execute("INSERT INTO epoch VALUES (?, ?)", (epoch, self.tip.next))
        self.epochs = {**self.epochs, epoch: self.tip.next}
        self.tip = Tip(epoch, self.tip.next, self.tip.next, CHAIN_START)

    def add(self, connection: sqlite3.Connection, record: Record) -> Entry:
        """Write *record* at the end."""
        body, data = record.body, record.to_bytes()
        if isinstance(body, PlayStarted):
            connection.execute("INSERT OR REPLACE INTO open_play VALUES (?, ?)", (body.play, data))
        elif isinstance(body, PlayEnded):
            connection.execute("DELETE FROM open_play WHERE play = ?", (body.play,))
        return self.add_again(connection, data, VALUES[type(body)])

    def add_again(self, connection: sqlite3.Connection, data: bytes, value: Value) -> Entry:
        """Write the bytes of a record at the end; what plays are open does not change."""
        tip = self.tip
        linked = chain(tip.chain, data)
        connection.execute(
            "INSERT INTO record VALUES (?, ?, ?, ?)", (tip.next, value, data, linked)
        )
        self.tip = replace(tip, next=tip.next + 1, chain=linked)
        return Entry(tip.epoch, tip.next - tip.base, linked)

    def epoch_of(self, record_id: int) -> tuple[int, int, int]:
        """Return (epoch, first id, id after its last record) of the epoch that holds *record_id*.

        The id after the last record of all belongs to the epoch that is written in.
        """
        epoch = max((e for e, base in self.epochs.items() if base <= record_id), default=0)
        later = [base for e, base in self.epochs.items() if e > epoch]
        return epoch, self.epochs.get(epoch, 0), min(later, default=self.tip.next)

    def locate(self, epoch: int, sequence: int) -> int | None:
        """Return the id at a place, None where the log never came to it.

        A place in an epoch older than all that are held is at the start of what is held.
        """
        if not self.epochs or epoch < min(self.epochs):
            return min(self.epochs.values(), default=0)
        if epoch not in self.epochs:
            return None
        record_id = self.epochs[epoch] + sequence
        return record_id if record_id <= self.epoch_of(self.epochs[epoch])[2] else None

    def chain_before(self, record_id: int) -> bytes | None:
        """Return the chain hash before *record_id* in its own epoch; None where it is not held."""
        if record_id in self.epochs.values():
            return CHAIN_START
        return self.chain_after(record_id - 1)

    def chain_after(self, record_id: int) -> bytes | None:
        """Return the chain hash after *record_id*, None where that record is not held."""
        rows = self._database.read("SELECT chain FROM record WHERE id = ?", record_id)
        return cast("bytes", rows[0][0]) if rows else None

    def stored(self, first: int, end: int, limit: int) -> list[tuple[int, Stored]]:
        """Return (id, record) of at most *limit* that are held from *first* to before *end*."""
        rows = self._database.read(
            "SELECT id, body, chain FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
            first,
            end,
            limit,
        )
        facts = cast("list[tuple[int, bytes, bytes]]", rows)
        return [(record_id, Stored(body, linked)) for record_id, body, linked in facts]

    def droppable(self, most: Value, first: int, end: int, limit: int) -> list[int]:
        """Return ids of records worth *most* or less, from *first* up to *end*, excluded."""
        rows = self._database.read(
            "SELECT id FROM record WHERE id >= ? AND id < ? AND value <= ? ORDER BY id LIMIT ?",
            first,
            end,
            most,
            limit,
        )
        return [cast("int", row[0]) for row in rows]

    def drop(self, connection: sqlite3.Connection, ids: Sequence[int]) -> None:
        """Drop records; the hole they leave moves :attr:`whole`."""
        connection.executemany("DELETE FROM record WHERE id = ?", [(each,) for each in ids])
        self.set_numbers(connection, whole=max(self.whole, max(ids) + 1))

    def drop_empty_epochs(self, connection: sqlite3.Connection) -> None:
        """Forget the epochs before the oldest record that is held."""
        rows = self._database.read("SELECT min(id) FROM record")
        oldest = cast("int | None", rows[0][0]) or 0
        gone = [e for e in self.epochs if self.epoch_of(self.epochs[e])[2] <= oldest]
        connection.executemany("DELETE FROM epoch WHERE epoch = ?", [(each,) for each in gone])
        self.epochs = {e: base for e, base in self.epochs.items() if e not in gone}

    def set_mark(self, connection: sqlite3.Connection, end: int, time_ms: int) -> None:
        """Keep that all records before *end* were acknowledged by *time_ms*; one row a day."""
        day = time_ms // _DAY_MS
        connection.execute("DELETE FROM mark WHERE id > ? OR time_ms / ? = ?", (end, _DAY_MS, day))
        connection.execute("INSERT OR REPLACE INTO mark VALUES (?, ?)", (end, time_ms))

    def marked_before(self, time_ms: int) -> int:
        """Return the id up to which records were acknowledged before *time_ms*."""
        rows = self._database.read("SELECT max(id) FROM mark WHERE time_ms < ?", time_ms)
        return cast("int | None", rows[0][0]) or 0

    def open_plays(self, limit: int) -> list[Record]:
        """Return the starts of plays without an end."""
        rows = self._database.read("SELECT body FROM open_play LIMIT ?", limit)
        return [Record.from_bytes(cast("bytes", row[0])) for row in rows]

    def last(self) -> Record | None:
        """Return the newest record."""
        rows = self._database.read("SELECT body FROM record ORDER BY id DESC LIMIT 1")
        return Record.from_bytes(cast("bytes", rows[0][0])) if rows else None

    def _reload(self) -> None:
        self.epochs = self._read_epochs()
        self.tip = self._read_tip()
        self._numbers = self._read_numbers()

    def _read_epochs(self) -> dict[int, int]:
        return dict(cast("list[tuple[int, int]]", self._database.read("SELECT * FROM epoch")))

    def _read_tip(self) -> Tip:
        if not self.epochs:
            return Tip(0, 0, 0, CHAIN_START)
        epoch = max(self.epochs)
        rows = self._database.read("SELECT id, chain FROM record ORDER BY id DESC LIMIT 1")
        last, linked = cast("tuple[int, bytes]", rows[0]) if rows else (self.epochs[epoch] - 1, b"")
        return Tip(epoch, self.epochs[epoch], last + 1, linked)

    def _read_numbers(self) -> dict[str, int]:
        return dict(cast("list[tuple[str, int]]", self._database.read("SELECT * FROM number")))
