"""A SQLite file that keeps what was committed, and can still work when the disk is full.

Write-ahead log with ``synchronous=FULL``: the one mode that lost no acknowledged commit in
simulated power cuts beyond what a bare fdatasync loses. All pages and the log are allocated when
the file is made, because SQLite needs room even to delete: on a disk that another program filled,
an ordinary database can be neither added to nor drained. This holds on file systems that write in
place (ext4), not on copy-on-write ones.

One process at a time: the exclusive lock also spares the shared-memory file, which could not be
made on a full disk.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Self

from loa_endpoint.store.files import make_folder, remove, storing, sync_folder
from loa_protocol.errors import StoreError

PAGE_BYTES: Final = 4096
MAX_CHANGES: Final = 100  # rows that one transaction may touch, each on a page of its own at worst
_CHECKPOINT_PAGES: Final = 64
_LOG_BYTES: Final = (_CHECKPOINT_PAGES + MAX_CHANGES + 28) * (PAGE_BYTES + 24)
_LOG_HEADER_BYTES: Final = 32
_FILLER_BYTES: Final = PAGE_BYTES - 96  # one row fills one page

_REMEDIES: Final = {
    sqlite3.SQLITE_FULL: "no room left in it; it drains when the server sends receipts again",
    sqlite3.SQLITE_BUSY: "another program has it open; stop that one first",
    sqlite3.SQLITE_READONLY: "not writable; see the kernel log, the card may have failed",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; see that folder and file belong to the agent",
    sqlite3.SQLITE_IOERR: "the card does not answer as it should; replace it",
}
_DAMAGE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

Row = tuple[object, ...]


class DamagedError(StoreError):
    """A database is damaged and was moved aside; nothing was made in its place.

    Only a caller that asks for it gets a fresh one, and the outbox tells of it (`moved_aside`):
    what was in the file is gone from the board.
    """

    def __init__(self, where: str, kept_as: Path) -> None:
        super().__init__(where, f"damaged; kept as {kept_as.name} for the province; start afresh")
        self.kept_as = kept_as


class Database:
    """One open database; its methods may be called from any thread."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        """Use :meth:`open`."""
        self.path = path
        self._connection = connection
        self._lock = threading.RLock()
        self.pages = self._pragma("page_count")
        self._pragma(f"max_page_count = {self.pages}")

    @classmethod
    def create(cls, path: Path, schema: Sequence[str], *, capacity_bytes: int) -> None:
        """Make the database *path* with all its pages, unless it is there.

        Raises:
            StoreError: there is no room for it; nothing is left behind.
        """
        if path.exists():
            return
        make_folder(path.parent, mode=0o700)
        new = path.with_name(path.name + ".new")
        remove(new)
        try:
            with _explained(new):
                _fill(new, schema, capacity_bytes // PAGE_BYTES)
            with storing(path):
                _sync(new)
                new.replace(path)
                sync_folder(path.parent)
        except StoreError:
            remove(new)
            raise

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the database *path* and check it.

        Raises:
            DamagedError: it is no sound database; it was moved aside.
            StoreError: it is not there, another program has it, or the disk refuses.
        """
        if not path.exists():
            raise StoreError(str(path), "not there; provision the board, or put it back")
        with storing(path):
            _reserve_log(path)
        try:
            with _explained(path):
                return cls._checked(path)
        except _DamageFoundError:
            kept_as = _move_aside(path)
        raise DamagedError(str(path), kept_as)

    def read(self, sql: str, *values: object) -> list[Row]:
        """Return the rows of a query; raises StoreError."""
        with self._lock, _explained(self.path, at_run_time=True):
            return self._connection.execute(sql, values).fetchall()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run a block whose changes are on the disk, all of them, when it ends without an error.

        Raises:
            StoreError: they could not be kept; nothing is changed.
        """
        with self._lock, _explained(self.path, at_run_time=True):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @property
    def free_pages(self) -> int:
        """Pages without content, of :attr:`pages` in all."""
        return self._pragma("freelist_count") + self.pages - self._pragma("page_count")

    def close(self) -> None:
        """Close it; its log stays allocated under a second name."""
        with self._lock:
            self._connection.close()

    @classmethod
    def _checked(cls, path: Path) -> Self:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=0,
        )
        try:
            for pragma in (
                "locking_mode = EXCLUSIVE",  # before the first access to the log
                "synchronous = FULL",
                "secure_delete = OFF",
                "temp_store = MEMORY",
                f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
            ):
                connection.execute(f"PRAGMA {pragma}")
            connection.execute("BEGIN IMMEDIATE")  # takes the lock, replays the log
            connection.execute("COMMIT")
            if connection.execute("PRAGMA quick_check").fetchall() != [("ok",)]:
                raise _DamageFoundError
            return cls(path, connection)
        except BaseException:
            connection.close()
            raise

    def _pragma(self, name: str) -> int:
        with self._lock, _explained(self.path, at_run_time=True):
            return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])


def moved_aside(folder: Path) -> list[str]:
    """Return the names of damaged databases in *folder*; raises StoreError."""
    with storing(folder):
        return sorted(each.name for each in folder.glob("*.damaged-*[0-9]"))


class _DamageFoundError(Exception):
    """What is on the disk is no sound database."""


@contextlib.contextmanager
def _explained(path: Path, *, at_run_time: bool = False) -> Iterator[None]:
    """Turn SQLite's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code not in _DAMAGE:
            raise StoreError(str(path), _REMEDIES.get(code, str(error))) from error
        if not at_run_time:
            raise _DamageFoundError from error
        raise StoreError(str(path), f"damaged ({error}); start the agent anew") from error


def _fill(path: Path, schema: Sequence[str], pages: int) -> None:
    """Make the file with *pages* pages, nearly all of them free; without a journal: it is new."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for pragma in (f"page_size = {PAGE_BYTES}", "journal_mode = OFF", "secure_delete = OFF"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        for statement in schema:
            connection.execute(statement)
        connection.execute("CREATE TABLE filler (content BLOB)")
        have = int(connection.execute("PRAGMA page_count").fetchone()[0])
        for _ in range(pages - have):
            connection.execute("INSERT INTO filler VALUES (zeroblob(?))", (_FILLER_BYTES,))
        connection.execute("DROP TABLE filler")
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


def _reserve_log(path: Path) -> None:
    """See that the write-ahead log has its full size, whatever happens to the disk later.

    SQLite removes its log when the last connection closes. A second name for the same file keeps
    the blocks; with its header wiped it is put back as an empty log.
    """
    log, spare = Path(f"{path}-wal"), Path(f"{path}-spare")
    if log.exists() and (not spare.exists() or not spare.samefile(log)):
        spare.unlink(missing_ok=True)
        os.link(log, spare)
    file = os.open(spare, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not log.exists():  # closed in good order: all it held is in the database
            os.pwrite(file, bytes(_LOG_HEADER_BYTES), 0)
        for at in range(os.fstat(file).st_size, _LOG_BYTES, PAGE_BYTES):
            os.pwrite(file, bytes(min(PAGE_BYTES, _LOG_BYTES - at)), at)  # no valid frame
        os.fsync(file)
    finally:
        os.close(file)
    if not log.exists():
        os.link(spare, log)
    sync_folder(path.parent)


def _move_aside(path: Path) -> Path:
    number = 1
    while (kept_as := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    with storing(path):
        path.rename(kept_as)
        log = Path(f"{path}-wal")
        if log.exists():
            log.rename(Path(f"{kept_as}-wal"))
        Path(f"{path}-spare").unlink(missing_ok=True)
        sync_folder(path.parent)
    return kept_as


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
