"""Room in the outbox: what the server has goes when it is wanted, oldest and least first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from loa_endpoint.core import outbox as rules
from loa_endpoint.core.outbox import Value
from loa_endpoint.store.database import MAX_CHANGES, Database
from loa_endpoint.store.ledger import Ledger
from loa_protocol.errors import StoreError

FEWEST_PAGES: Final = 8  # in which a record of 4,096 bytes and the tree above it always fit
BOOT_PAGES: Final = 3  # enough for a boot record: a board starts, says so, and can be drained
_DROPS_AT_ONCE: Final = 4  # an append may be waited for by a play about to start


class Room:
    """Free pages of the database, and the ways to have more."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database, self._ledger = database, ledger
        self._searched = 0  # below this id there is nothing to drop but plays

    @property
    def free_permille(self) -> int:
        """Free room in thousandths of all."""
        return self._database.free_pages * 1000 // self._database.pages

    def make(self, value: Value, *, fewest: int = FEWEST_PAGES) -> None:
        """Drop what the server has, if room is wanted; see that a play fits in any case.

        Raises:
            StoreError: a play would not fit even if everything acknowledged went.
        """
        for _ in range(_DROPS_AT_ONCE):
            if self.free_permille >= rules.PRUNE_BELOW or not self._drop_some(Value.EVENT):
                break
        while value is Value.PLAY and self._database.free_pages < fewest:
            if not self._drop_some(Value.EVENT) and not self._drop_some(Value.PLAY):
                raise StoreError(
                    str(self._database.path),
                    "full of records that the server has not acknowledged; bring the link back, "
                    "or give the outbox more room",
                )

    def retire(self, time_ms: int) -> None:
        """Drop some of what was acknowledged longer before *time_ms* than plays are kept."""
        marked = self._ledger.marked_before(time_ms - rules.RETENTION_MS)
        ids = self._ledger.droppable(Value.PLAY, 0, min(marked, self._end()), MAX_CHANGES)
        if ids:
            self._drop(ids)

    def search_again(self, first: int) -> None:
        """Look for what can be dropped from id *first* on."""
        self._searched = min(self._searched, first)

    def _end(self) -> int:
        """Return the id before which everything was acknowledged and is not being moved."""
        ledger = self._ledger
        last = ledger.cursor - 1  # the last acknowledged record holds the chain
        return min(last, ledger.number("moving")) if ledger.is_moving else last

    def _drop_some(self, most: Value) -> bool:
        """Drop a few acknowledged records worth *most* or less, oldest first."""
        end = self._end()
        first = 0 if most is Value.PLAY else max(self._ledger.whole, self._searched)
        ids = self._ledger.droppable(most, first, end, MAX_CHANGES)
        if not ids:
            self._searched = max(self._searched, end)
            return False
        self._drop(ids)
        return True

    def _drop(self, ids: Sequence[int]) -> None:
        with self._ledger.changing() as connection:
            self._ledger.drop(connection, ids)
            self._ledger.drop_empty_epochs(connection)
