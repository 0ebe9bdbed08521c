"""Reads what a report is computed from out of the records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from loa_manager import tables
from loa_manager.database import Province
from loa_manager.registry.money import Purpose
from loa_manager.registry.placements import Placement, load_placements
from loa_manager.registry.stations import id_of
from loa_manager.registry.units import load_units
from loa_manager.reports.facts import (
    REACHABLE_DAYS,
    SOUNDING_DAYS,
    Facts,
    Item,
    PlayFact,
    day_ms,
)
from loa_manager.reports.period import Period
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator
from loa_protocol.objects.authority import Level
from loa_protocol.objects.playlist import Mark
from loa_protocol.record import Evidence

_ = translator("loa_manager")


def gather(connection: Connection, province: Province, period: Period, *, today: date) -> Facts:
    """Return the facts of *period* as they are known on the local day *today*.

    Raises:
        ConfigError: the period has not begun.
    """
    if period.first > today:
        raise ConfigError(f"--period {period.text}", [_("has not begun yet")])
    as_of = min(period.last, today)
    places = load_placements(connection)
    money = {row.scope: row for row in connection.execute(select(tables.funding))}
    return Facts(
        period=period,
        as_of=as_of,
        is_test=province.is_test,
        utc_offset_min=province.utc_offset_min,
        units=load_units(connection),
        stations=tuple(
            _item(row, (row.opened_on, row.closed_on), places, money, province.scope)
            for row in connection.execute(select(tables.station))
        ),
        clusters=tuple(
            _item(row, (row.installed_on, row.retired_on), places, money, province.scope)
            for row in connection.execute(select(tables.cluster))
        ),
        reachable=_reachable(connection, province, as_of),
        plays=_plays(connection, province, period, as_of),
    )


def _item(
    row: Row[Any],
    days: tuple[date, date | None],
    places: dict[str, list[Placement]],
    money: dict[str, Row[Any]],
    province: str,
) -> Item:
    paid = money.get(row.scope)
    return Item(
        id=id_of(row.scope, province),
        first_day=days[0],
        last_day=days[1],
        places=tuple(places.get(row.scope, ())),
        technology=row._mapping.get("technology", ""),
        is_managed=row._mapping.get("is_managed", False),
        purpose=None if paid is None else Purpose(paid.purpose),
        central_vnd=0 if paid is None else paid.central_vnd,
        local_vnd=0 if paid is None else paid.local_vnd,
    )


def _reachable(connection: Connection, province: Province, as_of: date) -> frozenset[str]:
    """Return the clusters with an accepted batch in the last days up to the end of *as_of*."""
    since_ms = day_ms(as_of - timedelta(days=REACHABLE_DAYS - 1), province.utc_offset_min)
    until_ms = day_ms(as_of + timedelta(days=1), province.utc_offset_min)
    batch, hung = tables.batch.c, tables.installation.c
    was_there = (batch.received_ms >= hung.since_ms) & or_(
        hung.until_ms.is_(None), batch.received_ms < hung.until_ms
    )
    query = (
        select(hung.cluster)
        .distinct()
        .join(tables.batch, (batch.endpoint == hung.endpoint) & was_there)
        .where(batch.received_ms >= since_ms, batch.received_ms < until_ms)
    )
    return frozenset(id_of(scope, province.scope) for scope in connection.scalars(query))


def _plays(
    connection: Connection, province: Province, period: Period, as_of: date
) -> Iterator[PlayFact]:
    sounding_since = as_of - timedelta(days=SOUNDING_DAYS - 1)
    since_ms = day_ms(min(period.first, sounding_since), province.utc_offset_min)
    until_ms = day_ms(as_of + timedelta(days=1), province.utc_offset_min)
    play = tables.play.c
    ended = play.outcome.is_not(None)
    query = select(tables.play).where(ended, play.began_ms >= since_ms, play.began_ms < until_ms)
    for row in connection.execution_options(yield_per=5000).execute(query):
        segments = sum(end - start for _bearer, start, end in row.segments)
        yield PlayFact(
            id=f"{row.endpoint}/{row.play}",
            cluster=id_of(row.cluster, province.scope),
            began_ms=row.began_ms,
            on_air_ms=max(0, segments - row.silent_ms),
            evidence=Evidence(row.evidence),
            evidence_ms=row.evidence_ms,
            language=row.language,
            level=Level(row.level),
            # of a play with unsigned sound in it nobody knows that it was the bulletin
            has_bulletin=row.bulletin is not None and row.unsigned_host is None,
            mark=Mark(row.mark),
            unsigned_host=row.unsigned_host,
        )
