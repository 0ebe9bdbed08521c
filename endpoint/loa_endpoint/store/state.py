"""state.db: how far each signed object has come, the time floor, what happened already.

Whatever a rollback could use must be on the disk before it is acted on: every change is committed
with ``synchronous=FULL`` when its method returns.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self, cast

from loa_endpoint.store.database import Database
from loa_protocol.envelope import Kind
from loa_protocol.errors import StoreError
from loa_protocol.replay import Seen
from loa_protocol.trust import Position, Subject

CAPACITY_BYTES: Final = 4_000_000  # the orders take half at most; positions and ids fit many times

_SCHEMA: Final = (
    "CREATE TABLE position (kind INTEGER, subject TEXT, epoch INTEGER NOT NULL,"
    " serial INTEGER NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (kind, subject)) WITHOUT ROWID",
    "CREATE TABLE seen (id BLOB PRIMARY KEY, forget_at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE number (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE fact (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
)
# Since the first release; made also where the file is older.
_LATER: Final = (
    "CREATE TABLE IF NOT EXISTS taken (id BLOB PRIMARY KEY, digest BLOB NOT NULL,"
    " kind INTEGER NOT NULL, worth INTEGER NOT NULL, is_over INTEGER NOT NULL,"
    " taken_ms INTEGER NOT NULL, taking BLOB NOT NULL, progress BLOB NOT NULL, bundle BLOB)",
    "CREATE TABLE IF NOT EXISTS certificate (digest BLOB PRIMARY KEY, number INTEGER NOT NULL,"
    " bundle BLOB NOT NULL)",
)
_SET: Final = (
    "INSERT INTO number (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value ="
)
_REPLACE: Final = f"{_SET} excluded.value RETURNING value"
_RAISE: Final = f"{_SET} max(value, excluded.value) RETURNING value"
_ADD: Final = f"{_SET} value + excluded.value RETURNING value"
_NEXT: Final = f"{_SET} max(value + 1, excluded.value) RETURNING value"
_FLOOR: Final = "floor_ms"
_EPOCH: Final = "epoch"
_COUNTER: Final = "counter."


class State:
    """What an endpoint remembers about trust."""

    def __init__(self, database: Database) -> None:
        """Use :meth:`open`."""
        self.database = self._database = database

    @classmethod
    def open(cls, path: Path, *, create: bool = False) -> Self:
        """Open state.db.

        Args:
            path: The file.
            create: Make it where there is none: at provisioning, or after a DamagedError that was
                reported. Positions are then found again in the bundles under trust/.

        Raises:
            DamagedError: it is damaged and was moved aside.
            StoreError: it is not there, in use, or cannot be read.
        """
        if create:
            Database.create(path, _SCHEMA, capacity_bytes=CAPACITY_BYTES)
        database = Database.open(path)
        try:
            with database.transaction() as connection:
                for statement in _LATER:
                    connection.execute(statement)
        except StoreError:
            database.close()
            raise
        return cls(database)

    def positions(self) -> dict[Subject, Position]:
        """Return the position reached by each kind and subject."""
        rows = self._database.read("SELECT kind, subject, epoch, serial, digest FROM position")
        facts = cast("list[tuple[int, str, int, int, bytes]]", rows)
        return {
            (Kind(kind), subject): Position(epoch, serial, digest)
            for kind, subject, epoch, serial, digest in facts
        }

    def raise_position(self, subject: Subject, position: Position) -> None:
        """Keep that *subject* has come to *position*; call it before the object comes into force.

        Raises:
            ValueError: the position would fall, or name other bytes: the acceptance rule refuses
                such objects, so the caller skipped it.
            StoreError: it could not be kept; the object must not come into force.
        """
        kind, scope = subject
        with self._database.transaction() as connection:
            reached = connection.execute(
                "SELECT epoch, serial, digest FROM position WHERE kind = ? AND subject = ?",
                (int(kind), scope),
            ).fetchone()
            if reached == (position.epoch, position.serial, position.digest):
                return
            if reached is not None and position.order <= reached[:2]:
                raise ValueError(f"{kind.name} of {scope}: {position.order} after {reached[:2]}")
            connection.execute(
                "INSERT OR REPLACE INTO position VALUES (?, ?, ?, ?, ?)",
                (int(kind), scope, position.epoch, position.serial, position.digest),
            )

    def floor_ms(self) -> int | None:
        """Return the earliest that the time can be, unix ms; None where no signed time came yet."""
        rows = self._database.read("SELECT value FROM number WHERE name = ?", _FLOOR)
        return cast("int", rows[0][0]) if rows else None

    def raise_floor(self, unix_ms: int) -> None:
        """Keep a later time floor; an earlier one changes nothing.

        Raises:
            StoreError: it could not be kept.
        """
        self._change(_RAISE, _FLOOR, unix_ms)

    def reset_floor(self, unix_ms: int) -> None:
        """Set the floor back: only by a command at province threshold over our own nonce."""
        self._change(_REPLACE, _FLOOR, unix_ms)

    def next_epoch(self, at_least: int = 1) -> int:
        """Return an epoch number never given before, kept already.

        Args:
            at_least: Where the server knows of later epochs than this file does.

        Raises:
            StoreError: it could not be kept.
        """
        return self._change(_NEXT, _EPOCH, at_least)

    def seen(self) -> dict[bytes, int]:
        """Return the ids of events that happened, each with the time until which it is kept."""
        rows = self._database.read("SELECT id, forget_at FROM seen")
        return dict(cast("list[tuple[bytes, int]]", rows))

    def remember(self, event: Seen) -> None:
        """Keep that an event happened; call it before acting on the event.

        Raises:
            StoreError: it could not be kept.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO seen VALUES (?, ?)", (event.id, event.forget_at)
            )

    def forget_events(self, floor_s: int) -> None:
        """Drop events whose time has passed; *floor_s* is the time floor.

        Those of orders are forgotten with their orders (`OrderStore.forget`).
        """
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM seen WHERE forget_at <= ?", (floor_s,))

    def count(self, name: str, by: int = 1) -> int:
        """Add *by* to the counter *name* and return it."""
        return self._change(_ADD, _COUNTER + name, by)

    def counters(self) -> dict[str, int]:
        """Return all counters."""
        rows = self._database.read(
            "SELECT name, value FROM number WHERE name LIKE ?", f"{_COUNTER}%"
        )
        pairs = cast("list[tuple[str, int]]", rows)
        return {name.removeprefix(_COUNTER): value for name, value in pairs}

    def fact(self, name: str) -> bytes | None:
        """Return what was kept under *name*, such as a hold in force."""
        rows = self._database.read("SELECT value FROM fact WHERE name = ?", name)
        return cast("bytes", rows[0][0]) if rows else None

    def set_fact(self, name: str, value: bytes | None) -> None:
        """Keep *value* under *name*; None removes it.

        Raises:
            StoreError: it could not be kept.
        """
        with self._database.transaction() as connection:
            if value is None:
                connection.execute("DELETE FROM fact WHERE name = ?", (name,))
            else:
                connection.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))

    def start_over(self) -> None:
        """Forget positions, floor, events and facts: they rest on a root that is trusted no more.

        The epoch stays, so that no two records of this board ever share a number.

        Raises:
            StoreError: nothing is forgotten.
        """
        with self._database.transaction() as connection:
            for table in ("position", "seen", "fact", "taken", "certificate"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
            connection.execute("DELETE FROM number WHERE name <> ?", (_EPOCH,))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _change(self, statement: str, name: str, value: int) -> int:
        """Carry out a statement on one number and return what it is now."""
        with self._database.transaction() as connection:
            return int(connection.execute(statement, (name, value)).fetchone()[0])
