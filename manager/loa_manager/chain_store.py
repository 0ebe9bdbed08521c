"""The chains and batches of endpoints in the database; no decision is taken here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, select, update

from loa_manager import tables
from loa_manager.continuity import Chains, Fit, Head, Judgement
from loa_manager.devices import ACTIVE
from loa_protocol.envelope import Seal
from loa_protocol.keys import Algorithm, PublicKey
from loa_protocol.objects.online import Batch

_IN_ONE_QUERY: Final = 500


@dataclass(frozen=True, slots=True)
class Arrived:
    """A batch whose form is right; *endpoint* is who sent it, in hex."""

    endpoint: str
    data: bytes
    seal: Seal
    batch: Batch


Verdict = Judgement | str  # a text says why it was refused


def load_keys(connection: Connection, endpoints: Iterable[str]) -> dict[str, PublicKey]:
    """Return the device keys of those of *endpoints* that were registered at the bench."""
    table = tables.endpoint
    found: dict[str, PublicKey] = {}
    for ids in _portions(sorted(endpoints)):
        match = table.c.id.in_(ids)
        for row in connection.execute(select(table.c.id, table.c.public_key).where(match)):
            found[row.id] = PublicKey(Algorithm.ES256, row.public_key)
    return found


def load_chains(
    connection: Connection,
    arrived: Sequence[Arrived],
    asked: Mapping[str, tuple[int, int]],
) -> dict[str, Chains]:
    """Return the chains of those senders of *arrived* that are not revoked."""
    active = _active(connection, {each.endpoint for each in arrived})
    chains = {endpoint: Chains({}, asked.get(endpoint)) for endpoint in active}
    _load_newest(connection, chains)
    for endpoint, epoch in {(a.endpoint, a.batch.epoch) for a in arrived if a.endpoint in active}:
        if epoch < max(chains[endpoint].heads, default=0):  # late or replayed
            _load_before(connection, endpoint, epoch, chains[endpoint])
    for chain in chains.values():
        chain.stored.update(chain.heads)
    return chains


def write_batches(
    connection: Connection, judged: Iterable[tuple[Arrived, Verdict]], now_ms: int
) -> None:
    """Keep the bytes of every batch that is to be stored."""
    rows: list[dict[str, Any]] = [
        {
            "endpoint": arrived.endpoint,
            "epoch": arrived.batch.epoch,
            "first": arrived.batch.first + verdict.skip,
            "count": len(arrived.batch.records) - verdict.skip,
            "skip": verdict.skip,
            "number": arrived.batch.number,
            "received_ms": now_ms,
            "data": arrived.data,
        }
        for arrived, verdict in judged
        if isinstance(verdict, Judgement) and verdict.fit is Fit.STORED
    ]
    if rows:
        connection.execute(tables.batch.insert(), rows)


def write_heads(connection: Connection, chains: Mapping[str, Chains]) -> None:
    """Keep how far every chain has come."""
    table = tables.chain_head
    fresh: list[dict[str, Any]] = []
    moved: list[dict[str, Any]] = []
    for endpoint, chain in chains.items():
        for epoch, head in chain.heads.items():
            if epoch not in chain.stored:
                place = {"endpoint": endpoint, "epoch": epoch}
                fresh.append({**place, "next": head.next, "chain": head.chain})
            elif head != chain.stored[epoch]:
                at = {"at_endpoint": endpoint, "at_epoch": epoch}
                moved.append({**at, "next": head.next, "chain": head.chain})
    if fresh:
        connection.execute(table.insert(), fresh)
    if moved:
        match = (table.c.endpoint == bindparam("at_endpoint")) & (
            table.c.epoch == bindparam("at_epoch")
        )
        connection.execute(update(table).where(match), moved)


def _active(connection: Connection, endpoints: set[str]) -> set[str]:
    table = tables.endpoint
    found: set[str] = set()
    for ids in _portions(sorted(endpoints)):
        match = table.c.id.in_(ids) & (table.c.state == ACTIVE)
        found.update(connection.scalars(select(table.c.id).where(match)))
    return found


def _load_newest(connection: Connection, chains: Mapping[str, Chains]) -> None:
    table = tables.chain_head
    for ids in _portions(sorted(chains)):
        newest = (
            select(table.c.endpoint, func.max(table.c.epoch).label("epoch"))
            .where(table.c.endpoint.in_(ids))
            .group_by(table.c.endpoint)
            .subquery()
        )
        same = (table.c.endpoint == newest.c.endpoint) & (table.c.epoch == newest.c.epoch)
        for row in connection.execute(select(table).join(newest, same)):
            chains[row.endpoint].heads[row.epoch] = Head(row.next, row.chain)


def _load_before(connection: Connection, endpoint: str, epoch: int, chain: Chains) -> None:
    table = tables.chain_head
    match = (table.c.endpoint == endpoint) & (table.c.epoch <= epoch)
    row = connection.execute(
        select(table).where(match).order_by(table.c.epoch.desc()).limit(1)
    ).first()
    if row is not None:
        chain.heads[row.epoch] = Head(row.next, row.chain)


def _portions(ids: list[str]) -> Iterable[list[str]]:
    return (ids[at : at + _IN_ONE_QUERY] for at in range(0, len(ids), _IN_ONE_QUERY))
