"""Is the province well? Checks for a monitoring system; each has a level, a text and its evidence.

The judging functions are pure; :mod:`loa_manager.health_facts` looks at database and files.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from loa_manager.key_warnings import Term, judge_terms
from loa_protocol.language import translator

_ = translator("loa_manager")

STALE_HEAD_S: Final = 3600  # trust.md section 2: a head is stale after 60 minutes
_NAMED: Final = 3  # certificates named in the text; the evidence has all
BEHIND_WARNING: Final = 1000  # batches
DISK_WARNING, DISK_CRITICAL = 2 * 10**9, 200 * 10**6  # bytes free


class Level(enum.IntEnum):
    """How bad it is; the numbers are exit codes of monitoring plug-ins."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


_BADNESS: Final = (Level.OK, Level.WARNING, Level.UNKNOWN, Level.CRITICAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    id: str
    level: Level
    text: str
    evidence: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From when on lost clusters are critical, in percent of the monitored ones."""

    lost_percent: int = 20


def worst(checks: Iterable[Check]) -> Level:
    """Return the level of the whole: critical before unknown before warning."""
    return max((check.level for check in checks), key=_BADNESS.index, default=Level.UNKNOWN)


def judge_fleet(counts: Mapping[str, int], limits: Limits) -> Check:
    """Judge the states of HLT-1."""
    lost, fault, fleet = counts["lost"], counts["fault"], counts["fleet"]
    level = Level.OK
    if lost or fault:
        level = Level.WARNING
    if fleet and lost * 100 >= limits.lost_percent * fleet and lost:
        level = Level.CRITICAL
    text = _("{lost} lost and {fault} with faults of {fleet} clusters")
    return Check(id="fleet", level=level, text=text.format(**counts), evidence=dict(counts))


def judge_head(age_s: int | None) -> Check:
    """Judge the age of the newest signed head; None where there is none."""
    evidence = {"age_s": age_s}
    if age_s is None:
        text = _("no head was ever signed; is loa serve running?")
        return Check(id="head", level=Level.WARNING, text=text, evidence=evidence)
    text = _("the newest head is {minutes} minutes old").format(minutes=max(0, age_s) // 60)
    level = Level.OK if age_s <= STALE_HEAD_S else Level.CRITICAL
    return Check(id="head", level=level, text=text, evidence=evidence)


def judge_certificates(terms: Sequence[Term], now: datetime) -> Check:
    """Judge for how long certificates still hold: those of the server, the officers and people."""
    warnings = judge_terms(now, terms)
    evidence = {
        "seconds_left": {
            f"{term.folder}/{term.name}": int((term.ends - now).total_seconds()) for term in terms
        },
        "warnings": [each.facts() for each in warnings],
    }
    if warnings:
        is_ended = any(each.has_ended for each in warnings)
        level = Level.CRITICAL if is_ended else Level.WARNING
        text = "; ".join(each.text for each in warnings[:_NAMED])
        if len(warnings) > _NAMED:
            text += _("; and {n} more").format(n=len(warnings) - _NAMED)
        return Check(id="certificates", level=level, text=text, evidence=evidence)
    days = min((term.ends - now for term in terms), default=timedelta(0)).days
    text = _("every certificate holds for {days} days or more").format(days=days)
    return Check(id="certificates", level=Level.OK, text=text, evidence=evidence)


def judge_records(behind: int, unplaced: Mapping[str, int]) -> Check:
    """Judge whether the rows keep up with the stored batches."""
    level = Level.WARNING if behind > BEHIND_WARNING else Level.OK
    text = _("{behind} batches wait to be expanded, {apart} records are kept apart")
    return Check(
        id="records",
        level=level,
        text=text.format(behind=behind, apart=sum(unplaced.values())),
        evidence={"behind": behind, "unplaced": dict(unplaced)},
    )


def judge_orders(silencing: Sequence[str], untaken: Sequence[str]) -> Check:
    """Judge what stands: places that are silenced, and orders that no board has taken.

    Args:
        silencing: Holds and lockdowns in force, in words.
        untaken: Orders that no board has taken for five minutes, in words.
    """
    evidence = {"silencing": list(silencing), "untaken": list(untaken)}
    if untaken:
        text = _("no board has taken: {orders}").format(orders=", ".join(untaken))
        return Check(id="orders", level=Level.CRITICAL, text=text, evidence=evidence)
    if silencing:
        text = _("silenced: {places}").format(places=", ".join(silencing))
        return Check(id="orders", level=Level.WARNING, text=text, evidence=evidence)
    text = _("no place is silenced, and every order was taken")
    return Check(id="orders", level=Level.OK, text=text, evidence=evidence)


def judge_audit(broken: int | None, rows: int) -> Check:
    """Judge the account of who did what."""
    if broken is not None:
        text = _("row {position} of the account was changed or removed").format(position=broken)
        return Check(id="audit", level=Level.CRITICAL, text=text, evidence={"broken": broken})
    text = _("{rows} rows of the account are whole").format(rows=rows)
    return Check(id="audit", level=Level.OK, text=text, evidence={"rows": rows})


def judge_disk(free_bytes: int) -> Check:
    """Judge the space left where records are kept."""
    level = Level.OK
    if free_bytes < DISK_WARNING:
        level = Level.WARNING
    if free_bytes < DISK_CRITICAL:
        level = Level.CRITICAL
    text = _("{free} MB of disk are free").format(free=free_bytes // 10**6)
    return Check(id="disk", level=level, text=text, evidence={"free_bytes": free_bytes})
