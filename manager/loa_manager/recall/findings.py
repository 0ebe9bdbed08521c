"""What a recall has brought so far, and which signed record of a play names each file of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from loa_manager import devices, tables
from loa_manager.orders.answers import load_answers
from loa_manager.recall.room import Room
from loa_protocol.errors import MessageError

_AROUND_MS = 86_400_000  # a play longer than this is no play


@dataclass(frozen=True, slots=True)
class Play:
    """A play whose signed record names a file."""

    play: str
    item: str
    started_ms: int


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a recall."""

    start_ms: int
    duration_ms: int
    size: int
    sha256: bytes
    is_here: bool
    plays: tuple[Play, ...]  # those whose records name it; none: it is in no record


@dataclass(frozen=True, slots=True)
class Findings:
    """How a recall stands.

    Attributes:
        state: The board's last word, or ``given`` while it is silent.
        detail: What it said with it.
        files: What it has offered; None before it has.
        received: Bytes.
        wanted: Bytes.
    """

    state: str
    detail: str
    files: tuple[Found, ...] | None
    received: int
    wanted: int

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        if self.state in ("ended", "refused"):
            return True
        return self.files is not None and all(each.is_here for each in self.files)

    def facts(self) -> dict[str, Any]:
        """Return it for JSON: keys and words are stable."""
        files = None
        if self.files is not None:
            files = [
                {
                    "start_ms": each.start_ms,
                    "duration_ms": each.duration_ms,
                    "size": each.size,
                    "sha256": each.sha256.hex(),
                    "here": each.is_here,
                    "plays": [
                        {"play": one.play, "item": one.item, "started_ms": one.started_ms}
                        for one in each.plays
                    ],
                }
                for each in self.files
            ]
        facts = {"state": self.state, "detail": self.detail, "files": files}
        return {**facts, "received": self.received, "wanted": self.wanted}

    @classmethod
    def from_facts(cls, facts: object) -> Findings:
        """Read what a server has said; raise MessageError where it is none of this."""
        try:
            assert isinstance(facts, dict)
            files = None
            if facts["files"] is not None:
                files = tuple(_found(each) for each in facts["files"])
            numbers = int(facts["received"]), int(facts["wanted"])
            return cls(str(facts["state"]), str(facts["detail"]), files, *numbers)
        except (AssertionError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise MessageError(f"not the state of a recall: {error!r:.200}") from None


def look(connection: Connection, room: Room, order: bytes, endpoint: str) -> Findings:
    """Return how the recall *order* of the board *endpoint* stands.

    Raises:
        StoreError: database or folder cannot be read.
        FormatError: what was offered is damaged.
    """
    held = room.held(order)
    answer = load_answers(connection, [order])[order.hex()].get(endpoint)
    files = None
    if held.offer is not None:
        named = _named(connection, endpoint, held.offer.files)
        files = tuple(
            Found(
                start_ms=each.start_ms,
                duration_ms=each.duration_ms,
                size=each.size,
                sha256=each.sha256,
                is_here=each.sha256 in held.whole,
                plays=tuple(named.get(each.sha256.hex(), ())),
            )
            for each in held.offer.files
        )
    state = "given" if answer is None else answer.state.name.lower()
    detail = "" if answer is None else answer.detail
    return Findings(state, detail, files, held.received, held.wanted)


def board_at(connection: Connection, cluster: str, at_ms: int) -> tuple[str, bool] | None:
    """Return which board hung at *cluster* at unix *at_ms*, and whether it still does.

    None where none is known to.
    """
    table = tables.installation.c
    query = (
        select(table.endpoint)
        .where(table.cluster == cluster, table.since_ms <= at_ms)
        .where((table.until_ms.is_(None)) | (table.until_ms > at_ms))
        .order_by(table.since_ms.desc())
    )
    board = connection.scalar(query)
    if board is None:
        return None
    rows = select(tables.endpoint.c.cluster, tables.endpoint.c.state)
    row = connection.execute(rows.where(tables.endpoint.c.id == board)).one()
    return board, row.cluster == cluster and row.state == devices.ACTIVE


def _named(connection: Connection, endpoint: str, files: Iterable[Any]) -> Mapping[str, list[Play]]:
    """Return, by hash, the plays of *endpoint* whose records name one of *files*."""
    starts = [each.start_ms for each in files]
    if not starts:
        return {}
    table = tables.play.c
    query = (
        select(table.play, table.item, table.started_ms, table.recorded)
        .where(table.endpoint == endpoint, table.recorded.is_not(None))
        .where(table.began_ms >= min(starts) - _AROUND_MS)
        .where(table.began_ms <= max(starts) + _AROUND_MS)
        .order_by(table.began_ms)
    )
    found: dict[str, list[Play]] = {}
    for row in connection.execute(query):
        for _start, _length, sha256 in row.recorded:
            found.setdefault(sha256, []).append(Play(row.play, row.item, row.started_ms))
    return found


def _found(facts: Mapping[str, Any]) -> Found:
    sha256 = bytes.fromhex(facts["sha256"])
    if len(sha256) != 32:
        raise ValueError("a hash of another length")
    plays = tuple(
        Play(str(each["play"]), str(each["item"]), int(each["started_ms"]))
        for each in facts["plays"]
    )
    start_ms, duration_ms = int(facts["start_ms"]), int(facts["duration_ms"])
    return Found(start_ms, duration_ms, int(facts["size"]), sha256, bool(facts["here"]), plays)
