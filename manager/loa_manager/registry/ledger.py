"""Writing rows of the registry so that every change can be read again: who, when, before, after."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, and_, select, update

from loa_manager import audit
from loa_manager.csv_import import Faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A table somebody brought: its name and bytes, who brought it, when (UTC).

    *is_single* is a table made of one command's options: its rows have no numbers to name, and
    what it adds must be new.
    """

    where: str
    data: bytes
    who: str
    at: datetime
    is_single: bool = False

    def faults(self) -> Faults:
        """Return an empty list of what is wrong with it."""
        return Faults(self.where, is_single=self.is_single)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did; *warnings* need a person's eye and stopped nothing."""

    added: int
    changed: int
    unchanged: int
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class Ledger:
    """One import in one transaction."""

    connection: Connection
    source: Source
    counts: Counter[str] = field(default_factory=Counter)

    def put(self, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> str:
        """Make the row *key* hold *values*; return ``added``, ``changed`` or ``unchanged``."""
        match = and_(*(table.c[name] == value for name, value in key.items()))
        row = self.connection.execute(select(table).where(match)).first()
        if row is None:
            self.connection.execute(table.insert().values(**key, **values))
            return "added"
        before = {name: row._mapping[name] for name in values}
        after = {name: value for name, value in values.items() if before[name] != value}
        if not after:
            return "unchanged"
        self.connection.execute(update(table).where(match).values(after))
        detail = {
            "table": table.name,
            "key": dict(key),
            "before": {name: before[name] for name in after},
            "after": after,
        }
        self._account("record_changed", detail)
        return "changed"

    def count(self, outcomes: list[str]) -> None:
        """Count one record whose rows had *outcomes*; the weightiest names it."""
        ranked = ("added", "changed", "unchanged")
        self.counts[next(each for each in ranked if each in outcomes)] += 1

    def close(self, what: str, warnings: list[str]) -> Imported:
        """Write the account of the whole import and return what it did."""
        detail: dict[str, object] = {
            "file": self.source.where,
            "sha256": hashlib.sha256(self.source.data).hexdigest(),
            **self.counts,
        }
        self._account(what, detail)
        return Imported(
            added=self.counts["added"],
            changed=self.counts["changed"],
            unchanged=self.counts["unchanged"],
            warnings=tuple(warnings),
        )

    def _account(self, what: str, detail: Mapping[str, object]) -> None:
        audit.write(self.connection, self.source.who, what, detail, self.source.at)
