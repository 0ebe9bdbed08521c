"""Where stations and clusters stood, by day: communes are merged under poles that stay."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection, select

from loa_manager import audit, tables
from loa_manager.registry.ledger import Ledger, Source
from loa_manager.registry.units import COMMUNE, load_units
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator

_ = translator("loa_manager")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where *scope* stood from *first_day* to *last_day*, both included."""

    scope: str
    first_day: date
    last_day: date | None
    commune: str
    village: str | None

    def holds(self, on: date) -> bool:
        """Tell whether the day *on* is one of its days."""
        return self.first_day <= on and (self.last_day is None or on <= self.last_day)


def load_placements(connection: Connection) -> dict[str, list[Placement]]:
    """Return the places of every station and cluster, oldest first, by scope."""
    place, village = tables.placement, tables.village
    rows = connection.execute(
        select(place, village.c.name.label("village_name"))
        .join(village, village.c.id == place.c.village, isouter=True)
        .order_by(place.c.scope, place.c.first_day)
    )
    found: dict[str, list[Placement]] = {}
    for row in rows:
        found.setdefault(row.scope, []).append(
            Placement(
                scope=row.scope,
                first_day=row.first_day,
                last_day=row.last_day,
                commune=row.commune,
                village=row.village_name,
            )
        )
    return found


def place(
    ledger: Ledger, wanted: Placement, present: Placement | None, *, moved_on: date | None
) -> str:
    """Make *wanted* the present place.

    With *moved_on* another commune or village is a move on that day, and the place before stays in
    the records; without it, it corrects the present place.
    """
    village = _village(ledger, wanted.commune, wanted.village)
    values = {"commune": wanted.commune, "village": village}
    key = {"scope": wanted.scope, "first_day": wanted.first_day}
    if present is None:
        return ledger.put(tables.placement, key, {**values, "last_day": None})
    if (present.commune, present.village) == (wanted.commune, wanted.village):
        return "unchanged"
    if moved_on is None or moved_on <= present.first_day:
        return ledger.put(tables.placement, {**key, "first_day": present.first_day}, values)
    end = {"last_day": moved_on - timedelta(days=1)}
    ledger.put(tables.placement, {**key, "first_day": present.first_day}, end)
    ledger.put(tables.placement, {**key, "first_day": moved_on}, {**values, "last_day": None})
    return "changed"


def merge_commune(connection: Connection, old: str, new: str, *, on: date, source: Source) -> int:
    """Move everything that stands in the commune *old* to *new* on the day *on*.

    What came later and was still entered under *old* is put right from its first day.

    Returns:
        How many stations and clusters moved.

    Raises:
        ConfigError: *new* is no commune on that day, or nothing stands in *old* then.
    """
    unit = load_units(connection).at(new, on)
    if unit is None or unit.kind != COMMUNE:
        fault = _("{code} is no commune on {day}").format(code=new, day=on.isoformat())
        raise ConfigError("unit", [fault])
    ledger = Ledger(connection, source)
    moving = [
        each
        for places in load_placements(connection).values()
        for each in places
        if each.commune == old and each.last_day is None
    ]
    if not moving:
        raise ConfigError("unit", [_("nothing stands in {code} on that day").format(code=old)])
    for each in moving:
        wanted = Placement(
            scope=each.scope, first_day=on, last_day=None, commune=new, village=each.village
        )
        place(ledger, wanted, each, moved_on=on)
    detail = {"from": old, "to": new, "on": on.isoformat(), "moved": len(moving)}
    audit.write(connection, source.who, "commune_merged", detail, source.at)
    return len(moving)


def _village(ledger: Ledger, commune: str, name: str | None) -> int | None:
    if name is None:
        return None
    table = tables.village
    match = (table.c.commune == commune) & (table.c.name == name)
    found: int | None = ledger.connection.scalar(select(table.c.id).where(match))
    if found is None:
        ledger.connection.execute(table.insert().values(commune=commune, name=name))
        found = ledger.connection.scalar(select(table.c.id).where(match))
    return found
