"""What boards told of trouble, counted: refusals, clocks, holes in their chains; and who waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from loa_manager import audit, tables
from loa_manager.devices import ACTIVE
from loa_manager.doctor.finding import Finding, passed_if
from loa_manager.health_facts import AUDIT_TAIL
from loa_manager.ingest import open_batch
from loa_manager.records import count_unplaced
from loa_protocol.errors import FormatError
from loa_protocol.language import translator
from loa_protocol.record import ClockTrust, Record

_ = translator("loa_manager")

HELD: Final = "held_no_time"
CLOCKS: Final = ("clock_jumped", "clock_disagrees", "floor_ahead", "battery_clock_lost")
_CAUSES: Final = ("floor_ahead", "battery_clock_lost", "clock_disagrees", HELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """Counts of what was told; *holes* are (endpoint, epoch) whose chain lacks records."""

    batches: int
    refusals: dict[str, int]  # by reason
    clocks: dict[str, int]  # by event
    holes: list[str]
    unplaced: int
    broken: int | None  # the row at which the account of who did what is broken


@dataclass(frozen=True, slots=True)
class Waiting:
    """A board that holds its schedule because it does not know the time."""

    endpoint: str
    cluster: str
    trust: str  # T0 or T1, as its newest record says
    causes: tuple[tuple[str, str], ...]  # (event, detail) of this run of the agent


def load(connection: Connection) -> Telemetry:
    """Count what the database holds."""
    refusal, event = tables.refusal, tables.event
    reasons = select(refusal.c.reason, func.count()).group_by(refusal.c.reason)
    clocks = select(event.c.name, func.count()).where(event.c.name.in_(CLOCKS))
    return Telemetry(
        batches=connection.scalar(select(func.count()).select_from(tables.batch)) or 0,
        refusals={row[0]: row[1] for row in connection.execute(reasons)},
        clocks={row[0]: row[1] for row in connection.execute(clocks.group_by(event.c.name))},
        holes=_holes(connection),
        unplaced=sum(count_unplaced(connection).values()),
        broken=audit.verify(connection, last=AUDIT_TAIL).broken,
    )


def judge_telemetry(found: Telemetry) -> Finding:
    """Judge whether what boards told holds together; that something was refused is no fault."""
    text = _(
        "{batches} batches; chains with holes: {holes}; objects refused by boards: {refusals};"
        " clock events: {clocks}; records kept apart: {unplaced}; account of who did what broken"
        " at: {broken}"
    )
    return Finding(
        id="telemetry_examined",
        provisions=("5.10-1",),
        result=passed_if(not found.holes and found.broken is None),
        text=text.format(
            batches=found.batches,
            holes=len(found.holes),
            refusals=_counts(found.refusals),
            clocks=_counts(found.clocks),
            unplaced=found.unplaced,
            broken="-" if found.broken is None else found.broken,
        ),
        where="batch, refusal, event, audit",
        evidence={
            "batches": found.batches,
            "refusals": found.refusals,
            "clocks": found.clocks,
            "holes": found.holes,
            "unplaced": found.unplaced,
            "audit_broken": found.broken,
        },
    )


def waiting(connection: Connection) -> list[Waiting]:
    """Return the boards that hold their schedule for want of the time.

    A board counts that said so in its newest run, and whose newest record still names T0 or T1.
    """
    event, board = tables.event, tables.endpoint
    runs = select(tables.batch.c.endpoint, func.max(tables.batch.c.epoch).label("epoch"))
    newest = runs.group_by(tables.batch.c.endpoint).subquery()
    same = (event.c.endpoint == newest.c.endpoint) & (event.c.epoch == newest.c.epoch)
    query = (
        select(event.c.endpoint, board.c.cluster, event.c.epoch, event.c.name, event.c.detail)
        .select_from(event.join(newest, same).join(board, board.c.id == event.c.endpoint))
        .where(board.c.state == ACTIVE, event.c.name.in_(_CAUSES))
        .order_by(board.c.cluster, event.c.sequence)
    )
    told: dict[tuple[str, str, int], dict[str, str]] = {}
    for row in connection.execute(query):
        told.setdefault((row.endpoint, row.cluster, row.epoch), {})[row.name] = row.detail
    found = []
    for (endpoint, cluster, epoch), causes in told.items():
        trust = _newest_trust(connection, endpoint, epoch)
        if HELD in causes and trust is not None and trust < ClockTrust.T2:
            found.append(Waiting(endpoint, cluster, trust.name, tuple(causes.items())))
    return found


def _holes(connection: Connection) -> list[str]:
    batch, head = tables.batch, tables.chain_head
    kept = (
        select(
            batch.c.endpoint,
            batch.c.epoch,
            func.min(batch.c.first).label("first"),
            func.sum(batch.c.count).label("kept"),
        )
        .group_by(batch.c.endpoint, batch.c.epoch)
        .subquery()
    )
    same = (kept.c.endpoint == head.c.endpoint) & (kept.c.epoch == head.c.epoch)
    query = select(kept, head.c.next).select_from(kept.join(head, same))
    return [
        f"{row.endpoint} {row.epoch}"
        for row in connection.execute(query)
        if row.first != 0 or int(row.kept) != row.next
    ]


def _newest_trust(connection: Connection, endpoint: str, epoch: int) -> ClockTrust | None:
    table = tables.batch
    newest = select(table.c.data).where(table.c.endpoint == endpoint, table.c.epoch == epoch)
    data = connection.scalar(newest.order_by(table.c.first.desc()).limit(1))
    if data is None:
        return None
    try:
        return Record.from_bytes(open_batch(data)[1].records[-1]).trust
    except FormatError:  # of a kind that a later version knows
        return None


def _counts(found: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(found.items())) or "-"
