"""Looks at database and files for the checks of :mod:`loa_manager.health`."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, func, select

from loa_manager import audit, database, health, tables
from loa_manager.health import Check, Limits
from loa_manager.home import Home, read_bytes
from loa_manager.key_terms import terms_of
from loa_manager.orders.book import listed
from loa_manager.orders.facts import what
from loa_manager.orders.survey import Told, silencing, survey, untaken
from loa_manager.records import count_unplaced
from loa_manager.status import LOST_AFTER_S, count, derive
from loa_manager.status_facts import load_facts
from loa_protocol.envelope import Bundle
from loa_protocol.objects.online import Head

AUDIT_TAIL: Final = 5000  # rows; `loa audit verify` reads them all


def examine(
    home: Home, now: datetime, *, limits: Limits, lost_after_s: int = LOST_AFTER_S
) -> list[Check]:
    """Return all checks of the province in *home*.

    Raises:
        ConfigError: there is no province.
        StoreError: something cannot be read: then nothing is known.
        FormatError: a file of ours is damaged.
    """
    engine = database.open(home.database_url)
    try:
        with database.reading(engine) as connection:
            checks = _examine_records(connection, now, limits=limits, lost_after_s=lost_after_s)
            checks.append(_examine_orders(home, connection, int(now.timestamp())))
    finally:
        engine.dispose()
    return [
        *checks,
        health.judge_head(_head_age(home, now)),
        health.judge_certificates(terms_of(home, now), now),
        health.judge_disk(shutil.disk_usage(home.path).free),
    ]


def _examine_orders(home: Home, connection: Connection, now_s: int) -> Check:
    told = survey(connection, listed(home))
    silenced, unheard = silencing(told, now_s), untaken(told, now_s)
    return health.judge_orders(
        *([_in_words(each) for each in some] for some in (silenced, unheard))
    )


def _in_words(told: Told) -> str:
    paper = told.entry.paper
    return f"{what(paper.body)} {paper.body.scope} {paper.id.hex()[:8]}"


def _examine_records(
    connection: Connection, now: datetime, *, limits: Limits, lost_after_s: int
) -> list[Check]:
    offset = timedelta(minutes=database.get_province(connection).utc_offset_min)
    facts = load_facts(connection, (now + offset).date())
    now_ms = round(now.timestamp() * 1000)
    counts = count(derive(each, now_ms, lost_after_s=lost_after_s) for each in facts)
    newest = connection.scalar(select(func.max(tables.batch.c.id))) or 0
    done = connection.scalar(select(tables.projection.c.batch)) or 0
    verdict = audit.verify(connection, last=AUDIT_TAIL)
    return [
        health.judge_fleet(counts, limits),
        health.judge_records(newest - done, count_unplaced(connection)),
        health.judge_audit(verdict.broken, verdict.rows),
    ]


def _head_age(home: Home, now: datetime) -> int | None:
    path = home.content.path / "head"
    if not path.exists():
        return None
    head = Head.from_bytes(Bundle.from_bytes(read_bytes(path)).payload)
    return int(now.timestamp()) - head.time
