"""Orders on the disk (in state.db): what was accepted, how far it has come, and that it happened.

An order and the memory of its id are one transaction, committed before anything acts. When an order
is over its bundle goes and its row stays for as long as its id is remembered: the same bytes again
are then acknowledged again, and never obeyed again.

The room is bounded. Where it runs short the oldest of what is over goes first, then grants, other
commands and alerts, the oldest first; their ids stay. A hold or lockdown in force never goes: an
order that finds no room beside those is refused with a named error.
"""

from __future__ import annotations

import sqlite3
from typing import Final, cast

from loa_endpoint.core.orders import Happened, Kept, Progress, Taking
from loa_endpoint.store.database import PAGE_BYTES
from loa_endpoint.store.state import State
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import FormatError, StoreError
from loa_protocol.objects.command import Command, Verb
from loa_protocol.replay import Seen

MOST_BYTES: Final = 2_000_000  # of bundles; in an older, smaller file half of it
MOST_ORDERS: Final = 256  # with their bundles
NEWEST: Final = 200  # orders whose ids stay, whatever the floor says
MOST_CERTIFICATES: Final = 128
MOST_CERTIFICATE_BYTES: Final = 256 * 1024
_LASTING: Final = frozenset({Verb.HOLD, Verb.LOCKDOWN})
_GRANT, _COMMAND, _ALERT, _FOREVER = range(4)  # what goes first when room runs short
_CURB: Final = "the orders in force fill it; release those that are not needed"


class OrderStore:
    """The orders; its methods may be called from any thread and wait for the disk."""

    def __init__(self, state: State) -> None:
        self._database = state.database
        self._most_bytes = min(MOST_BYTES, self._database.pages * PAGE_BYTES // 2)

    def take(self, kept: Kept, bundle: bytes, seen: Seen) -> None:
        """Keep a new order and that it happened; when this returns, both are on the disk.

        Raises:
            StoreError: neither is kept.
        """
        row = (
            kept.id,
            kept.digest,
            int(kept.kind),
            _worth(kept),
            int(kept.progress.is_over),
            kept.taken_ms,
            kept.taking.to_bytes(),
            kept.progress.to_bytes(),
            bundle,
        )
        with self._database.transaction() as connection:
            self._make_room(connection, len(bundle))
            connection.execute(
                "INSERT OR REPLACE INTO seen VALUES (?, ?)", (seen.id, seen.forget_at)
            )
            connection.execute("INSERT INTO taken VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def kept(self, order: bytes) -> Kept | None:
        """Return the order of that id as it was kept; None once its bundle is gone, or damaged.

        Raises:
            StoreError: it cannot be read.
        """
        rows = self._database.read(
            "SELECT bundle, taking, progress FROM taken WHERE id = ? AND bundle IS NOT NULL", order
        )
        try:
            return Kept.restored(*cast("tuple[bytes, bytes, bytes]", rows[0])) if rows else None
        except FormatError:
            return None

    def put_again(self, kept: Kept, bundle: bytes) -> None:
        """Keep an order anew that was taken before; its id stays remembered as it was.

        Raises:
            StoreError: it stays as it was.
        """
        with self._database.transaction() as connection:
            self._make_room(connection, len(bundle))
            connection.execute(
                "UPDATE taken SET worth = ?, is_over = ?, taking = ?, progress = ?, bundle = ?"
                " WHERE id = ?",
                (
                    _worth(kept),
                    int(kept.progress.is_over),
                    kept.taking.to_bytes(),
                    kept.progress.to_bytes(),
                    bundle,
                    kept.id,
                ),
            )

    def keep_progress(self, order: bytes, progress: Progress) -> None:
        """Keep how far *order* has come; it is on the disk when this returns.

        Raises:
            StoreError: the disk refuses.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE taken SET progress = ?, is_over = ? WHERE id = ?",
                (progress.to_bytes(), int(progress.is_over), order),
            )

    def drop(self, order: bytes) -> None:
        """Forget the bundle of *order*; its id stays among those seen for as long as they do.

        Raises:
            StoreError: the disk refuses.
        """
        with self._database.transaction() as connection:
            connection.execute("UPDATE taken SET bundle = NULL, is_over = 1 WHERE id = ?", (order,))

    def load(self) -> tuple[list[Kept], list[bytes]]:
        """Return the orders with their bundles, oldest first, and the ids of damaged ones.

        Raises:
            StoreError: they cannot be read.
        """
        rows = self._database.read(
            "SELECT id, bundle, taking, progress FROM taken WHERE bundle IS NOT NULL ORDER BY rowid"
        )
        kept: list[Kept] = []
        damaged: list[bytes] = []
        for order, *parts in cast("list[tuple[bytes, bytes, bytes, bytes]]", rows):
            try:
                kept.append(Kept.restored(*parts))
            except FormatError:
                damaged.append(order)
        return kept, damaged

    def happened(self) -> dict[bytes, Happened]:
        """Return what was taken and is still remembered, by the digest of its payload."""
        rows = self._database.read("SELECT digest, id, kind, taking FROM taken")
        found: dict[bytes, Happened] = {}
        for digest, order, kind, data in cast("list[tuple[bytes, bytes, int, bytes]]", rows):
            taking = Taking.from_bytes(data)
            found[digest] = Happened(
                taking.event or order, Kind(kind), taking.level, taking.holders
            )
        return found

    def bundle(self, digest: bytes) -> bytes | None:
        """Return the bundle of an order as it came, to be handed on; None once it is over."""
        rows = self._database.read("SELECT bundle FROM taken WHERE digest = ?", digest)
        return cast("bytes | None", rows[0][0]) if rows else None

    def forget(self, floor_s: int) -> None:
        """Forget ids whose time has passed, and the rows of orders that are over with them.

        No other time than the floor will do: what expired before it is refused for ever after, so
        its id is not needed. A clock that somebody set ahead must not make us forget; for the day
        on which a wrong floor is set back, the newest ids are kept all the same.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM seen WHERE forget_at <= ?"
                " AND id NOT IN (SELECT id FROM taken ORDER BY rowid DESC LIMIT ?)",
                (floor_s, NEWEST),
            )
            connection.execute(
                "DELETE FROM taken WHERE (is_over OR bundle IS NULL)"
                " AND id NOT IN (SELECT id FROM seen)"
            )

    # -- certificates, which short forms of orders have no room for

    def keep_certificate(self, data: bytes) -> None:
        """Keep the certificate *data*, as a bundle; the oldest go where there are too many.

        Raises:
            FormatError: it is no bundle.
            StoreError: it could not be kept.
        """
        digest = Bundle.from_bytes(data).digest
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT digest, number, length(bundle) FROM certificate ORDER BY number DESC"
            ).fetchall()
            number, room = (rows[0][1] + 1 if rows else 1), MOST_CERTIFICATE_BYTES - len(data)
            for count, (old, _, size) in enumerate(rows, 1):
                room -= size
                if room < 0 or count >= MOST_CERTIFICATES:
                    connection.execute("DELETE FROM certificate WHERE digest = ?", (old,))
            connection.execute(
                "INSERT OR REPLACE INTO certificate VALUES (?, ?, ?)", (digest, number, data)
            )

    def certificates(self) -> dict[bytes, bytes]:
        """Return the certificates that are kept, as bundles by the digests of their payloads."""
        rows = self._database.read("SELECT digest, bundle FROM certificate ORDER BY number")
        return dict(cast("list[tuple[bytes, bytes]]", rows))

    def _make_room(self, connection: sqlite3.Connection, size: int) -> None:
        rows = connection.execute(
            "SELECT id, length(bundle), worth, is_over FROM taken WHERE bundle IS NOT NULL"
            " ORDER BY is_over DESC, worth, rowid"
        ).fetchall()
        room, count = self._most_bytes - size - sum(row[1] for row in rows), len(rows)
        for order, length, worth, is_over in rows:
            if room >= 0 and count < MOST_ORDERS:
                return
            if worth == _FOREVER and not is_over:
                break
            connection.execute("UPDATE taken SET bundle = NULL WHERE id = ?", (order,))
            room, count = room + length, count - 1
        if room < 0 or count >= MOST_ORDERS:
            raise StoreError(str(self._database.path), _CURB)


def _worth(kept: Kept) -> int:
    """Return how late *kept* goes when room runs short."""
    if isinstance(kept.body, Command):
        return _FOREVER if kept.body.verb in _LASTING else _COMMAND
    return _ALERT if kept.kind is Kind.ALERT else _GRANT
