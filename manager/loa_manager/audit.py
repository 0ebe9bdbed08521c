"""The account of who did what: rows chained by hash, so that an edit or a hole shows (SEC-11).

The chain shows changes made to the table alone. Whoever may rewrite the whole table and its head
could make a new chain; keep a copy of the newest hash elsewhere (`loa audit verify` prints it).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, select, update

from loa_manager import tables
from loa_protocol import cbor

START: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What reading the whole account found; *broken* is the first position that does not fit."""

    rows: int
    newest: bytes
    broken: int | None


def write(
    connection: Connection,
    who: str,
    what: str,
    detail: Mapping[str, object],
    at: datetime,
    *,
    source: str = "",
    result: str = "ok",
) -> int:
    """Append one row inside the caller's transaction and return its position.

    Args:
        connection: One of ``database.writing``.
        who: The holder, officer or process that acted.
        what: The act, in English words with underscores.
        detail: Facts for a reader; anything JSON can say. Never a secret.
        at: When, UTC.
        source: From where: an address, a serial port.
        result: ``ok``, or the reason why it was refused.
    """
    head = connection.execute(select(tables.audit_head)).first()
    position = 1 if head is None else head.position + 1
    row: dict[str, Any] = {
        "position": position,
        "at_ms": round(at.timestamp() * 1000),
        "who": who,
        "what": what,
        "detail": json.dumps(detail, ensure_ascii=False, sort_keys=True, default=str),
        "source": source,
        "result": result,
    }
    row["hash"] = _hash(START if head is None else head.hash, row)
    connection.execute(tables.audit.insert().values(row))
    newest = {"position": position, "hash": row["hash"]}
    if head is None:
        connection.execute(tables.audit_head.insert().values(id=1, **newest))
    else:
        connection.execute(update(tables.audit_head).values(newest))
    return position


def verify(connection: Connection, *, last: int | None = None) -> Verdict:
    """Read the account and name the first position that was tampered with.

    Args:
        connection: One of ``database.reading``.
        last: Read only so many rows at the end; all by default.
    """
    head = connection.execute(select(tables.audit_head)).first()
    end = (0, START) if head is None else (head.position, head.hash)
    position, previous = 0, START
    if last is not None and end[0] > last:
        position = end[0] - last
        before = select(tables.audit.c.hash).where(tables.audit.c.position == position)
        previous = connection.scalar(before) or START
    read = position
    table = tables.audit
    rows = select(table).where(table.c.position > position).order_by(table.c.position)
    for row in connection.execute(rows):
        if row.position != position + 1 or row.hash != _hash(previous, _facts(row)):
            return Verdict(position - read, previous, position + 1)
        position, previous = row.position, row.hash
    whole = end == (position, previous)
    return Verdict(position - read, previous, None if whole else position + 1)


def _facts(row: Row[Any]) -> Mapping[str, Any]:
    return dict(row._mapping)


def _hash(previous: bytes, row: Mapping[str, Any]) -> bytes:
    texts = [row[name] for name in ("who", "what", "detail", "source", "result")]
    return hashlib.sha256(cbor.encode([previous, row["position"], row["at_ms"], *texts])).digest()
