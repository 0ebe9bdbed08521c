"""Administrative units as data with days of validity: what existed when, and under what (ADM-1).

A code alone names nothing: the state reuses codes and merges communes. Nor is the depth of the tree
known here; since 2025-07-01 communes hang under the province without a district between.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from typing import Final

from sqlalchemy import Connection, select

from loa_manager import tables
from loa_manager.csv_import import (
    CellError,
    Column,
    Faults,
    Line,
    day,
    matching,
    read_lines,
    show_yes_or_no,
    words,
    yes_or_no,
)
from loa_manager.registry.ledger import Imported, Ledger, Source
from loa_protocol.language import translator

_ = translator("loa_manager")

COMMUNE: Final = "commune"  # the kind of unit that a station belongs to
MAX_DEPTH: Final = 8
ZONES: Final = ("I", "II", "III")  # how hard life is; III is the hardest
_CODE: Final = re.compile(r"[0-9A-Za-z.-]{1,16}")
_KIND: Final = re.compile(r"[a-z-]{1,20}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One unit as it was from *first_day* to *last_day*, both included."""

    code: str
    first_day: date
    last_day: date | None
    name: str
    kind: str
    parent: str | None
    decree: str | None
    is_border: bool
    zone: str | None

    def holds(self, on: date) -> bool:
        """Tell whether the unit was this on the day *on*."""
        return self.first_day <= on and (self.last_day is None or on <= self.last_day)

    def meets(self, first: date, last: date | None) -> bool:
        """Tell whether any day from *first* to *last* is one of its days."""
        starts_in_time = last is None or self.first_day <= last
        return starts_in_time and (self.last_day is None or self.last_day >= first)


class UnitTree:
    """All units of all times."""

    def __init__(self, units: Iterable[Unit]) -> None:
        self._by_code: defaultdict[str, list[Unit]] = defaultdict(list)
        for unit in sorted(units, key=lambda each: (each.code, each.first_day)):
            self._by_code[unit.code].append(unit)

    def __iter__(self) -> Iterator[Unit]:
        for units in self._by_code.values():
            yield from units

    def of(self, code: str) -> list[Unit]:
        """Return what *code* has named, oldest first."""
        return self._by_code.get(code, [])

    def at(self, code: str, on: date) -> Unit | None:
        """Return the unit that *code* named on the day *on*."""
        return next((unit for unit in self.of(code) if unit.holds(on)), None)

    def communes(self, on: date) -> list[Unit]:
        """Return the communes of the day *on*, by code."""
        return [unit for unit in self if unit.kind == COMMUNE and unit.holds(on)]

    def path(self, code: str, on: date) -> list[Unit]:
        """Return the unit and everything above it on the day *on*, lowest first."""
        found: list[Unit] = []
        unit = self.at(code, on)
        while unit is not None and unit not in found and len(found) < MAX_DEPTH:
            found.append(unit)
            unit = self.at(unit.parent, on) if unit.parent else None
        return found

    def first_known(self, code: str, since: date) -> date | None:
        """Return the first day from *since* on which *code* names a commune; None if never."""
        fit = [u for u in self.of(code) if u.kind == COMMUNE and u.meets(since, None)]
        return max(since, fit[0].first_day) if fit else None


def _zone(text: str) -> str:
    if text.upper() not in ZONES:
        raise CellError(_("must be one of {words}").format(words=", ".join(ZONES)))
    return text.upper()


UNIT_COLUMNS: Final = (
    Column("code", matching(_CODE, "06124"), required=True),
    Column("name", words(100), required=True),
    Column("kind", matching(_KIND, COMMUNE), required=True),
    Column("parent", matching(_CODE, "20")),
    Column("first_day", day, required=True),
    Column("last_day", day),
    Column("decree", words(100)),
    Column("is_border", yes_or_no, show_yes_or_no),
    Column("zone", _zone),
)


def import_units(connection: Connection, source: Source) -> Imported:
    """Add the units of a table and change those whose code and first day are known.

    Raises:
        ConfigError: anything is wrong with the table; nothing was changed.
    """
    faults = source.faults()
    lines = read_lines(source.data, UNIT_COLUMNS, faults)
    fresh = [(line, _unit(line)) for line in lines]
    known = {(unit.code, unit.first_day): unit for unit in load_units(connection)}
    check_units(known, fresh, faults)
    faults.raise_any()
    ledger = Ledger(connection, source)
    for _line, unit in fresh:
        values = asdict(unit)
        key = {name: values.pop(name) for name in ("code", "first_day")}
        ledger.count([ledger.put(tables.unit, key, values)])
    return ledger.close("unit_import", [])


def load_units(connection: Connection) -> UnitTree:
    """Return all units of the registry."""
    rows = connection.execute(select(tables.unit))
    return UnitTree(Unit(**row._mapping) for row in rows)


def check_units(
    known: dict[tuple[str, date], Unit], fresh: list[tuple[Line, Unit]], faults: Faults
) -> None:
    """Add to *faults* what makes the *known* units and the *fresh* ones contradict each other."""
    seen: set[tuple[str, date]] = set()
    for line, unit in fresh:
        if (unit.code, unit.first_day) in seen:
            faults.add(line.number, _("code {code} stands twice").format(code=unit.code))
        seen.add((unit.code, unit.first_day))
    tree = UnitTree({**known, **{(u.code, u.first_day): u for _line, u in fresh}}.values())
    for line, unit in fresh:
        for text in _contradictions(unit, tree):
            faults.add(line.number, text)


def _contradictions(unit: Unit, tree: UnitTree) -> Iterator[str]:
    if unit.last_day is not None and unit.last_day < unit.first_day:
        yield _("last_day lies before first_day")
        return
    for other in tree.of(unit.code):
        if other.first_day != unit.first_day and other.meets(unit.first_day, unit.last_day):
            text = _("code {code} already names {name} on some of these days")
            yield text.format(code=unit.code, name=other.name)
    if unit.parent is None:
        return
    above = [each for each in tree.of(unit.parent) if each.meets(unit.first_day, unit.last_day)]
    if not above:
        yield _("parent {code} is not known on these days").format(code=unit.parent)
    elif tree.path(unit.code, unit.first_day)[-1].parent is not None:
        yield _("{code} lies below itself, or its parent starts later").format(code=unit.code)


def _unit(line: Line) -> Unit:
    return Unit(**{**line.values, "is_border": bool(line.values["is_border"])})
