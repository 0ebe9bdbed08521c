"""Records that the chain cannot carry any more are told again in a new place.

A chain that was sent to its end and pruned cannot be sent again, and one that was forked by a
restored backup cannot go on. What is still held of it moves to the end of the log: each record is
written anew in the transaction that drops its old place, so it is never told twice; the place from
which we send is past all of them before the first moves. What the power interrupts is finished
before anything is sent or marked again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

from loa_endpoint.core import outbox as rules
from loa_endpoint.core.batch import Stored
from loa_endpoint.store.ledger import Ledger
from loa_protocol.errors import FormatError
from loa_protocol.record import Body, Boot, Record, chain

_MOVED_AT_ONCE: Final = 10  # fits into the fewest pages that are ever left


class Retelling:
    """Moves records to the end of the log."""

    def __init__(
        self,
        ledger: Ledger,
        boot: Callable[[sqlite3.Connection, int], object],
        stamped: Callable[[Body], Record],
    ) -> None:
        """Take the outbox's ways to begin an epoch of at least a number, and to make a record."""
        self._ledger, self._boot, self._stamped = ledger, boot, stamped

    def tell(self, start: int, epoch: int) -> int:
        """Tell again what is held from id *start* on, after *epoch*; return the id to send from.

        That is the first epoch after *epoch* that is held whole; one is begun where there is none.
        """
        ledger = self._ledger
        later = (base for e, base in ledger.epochs.items() if e > epoch and base >= ledger.whole)
        goal = min(later, default=None)
        with ledger.changing() as connection:
            if goal is None:
                self._boot(connection, epoch + 1)
                goal = ledger.tip.base
            whole = max(ledger.whole, goal)
            ledger.set_numbers(connection, moving=start, goal=goal, cursor=goal, whole=whole)
        self.finish()
        return goal

    def finish(self) -> None:
        """Finish a move, also one that the power interrupted."""
        ledger = self._ledger
        if not ledger.is_moving:
            return
        start, goal = ledger.number("moving"), ledger.number("goal")
        epoch, base, _ = ledger.epoch_of(start)
        moved = 0
        while rows := ledger.stored(start, goal, _MOVED_AT_ONCE):
            moved += self._move(rows)
        with ledger.changing() as connection:
            ledger.set_numbers(connection, moving=goal)
            if moved:
                event = rules.retold(epoch, start - base, moved)
                ledger.add(connection, self._stamped(event))

    def _move(self, rows: list[tuple[int, Stored]]) -> int:
        moved = 0
        with self._ledger.changing() as connection:
            sound = [record for row in rows if (record := self._sound_record(*row)) is not None]
            self._ledger.drop(connection, [record_id for record_id, _ in rows])
            for record in sound:
                if not isinstance(record.body, Boot):  # the new epoch's own tells of the gap
                    value = rules.VALUES[type(record.body)]
                    self._ledger.add_again(connection, record.to_bytes(), value)
                    moved += 1
        return moved

    def _sound_record(self, record_id: int, stored: Stored) -> Record | None:
        """Return the record unless the disk changed it."""
        before = self._ledger.chain_before(record_id)
        if before is not None and chain(before, stored.body) != stored.chain:
            return None
        try:
            return Record.from_bytes(stored.body)
        except FormatError:
            return None
