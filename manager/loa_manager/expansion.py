"""What one record becomes as rows: pure, without database.

Records of kinds that a later version knows are kept as they are; a second record of the same play
is kept apart, so that a play which an endpoint had to tell twice counts once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from loa_protocol.errors import FormatError
from loa_protocol.record import (
    Boot,
    ClockTrust,
    Happening,
    Heartbeat,
    OrderTaken,
    PlayEnded,
    PlayStarted,
    Record,
    Refused,
)

Rows = list[dict[str, Any]]
Plays = dict[tuple[str, str], tuple["Told", dict[str, Any]]]  # by endpoint and play


@dataclass(frozen=True, slots=True)
class Told:
    """One stored record and where it stands."""

    endpoint: str
    epoch: int
    sequence: int
    received_ms: int
    data: bytes


@dataclass(slots=True)
class Sheet:
    """Rows to write for one group of batches."""

    starts: Plays = field(default_factory=dict)
    ends: Plays = field(default_factory=dict)
    refusals: Rows = field(default_factory=list)
    events: Rows = field(default_factory=list)
    answers: Rows = field(default_factory=list)
    unplaced: Rows = field(default_factory=list)
    received: dict[str, int] = field(default_factory=dict)  # by endpoint: the newest arrival
    boots: dict[str, dict[str, Any]] = field(default_factory=dict)
    beats: dict[str, dict[str, Any]] = field(default_factory=dict)

    def put_apart(self, each: Told, reason: str) -> None:
        """Keep a record that fits no row."""
        place = {"endpoint": each.endpoint, "epoch": each.epoch, "sequence": each.sequence}
        self.unplaced.append({**place, "reason": reason, "data": each.data})


Places = Mapping[str, list[tuple[int, str]]]  # endpoint -> (since ms, cluster), oldest first


def expand(records: Iterable[Told], places: Places) -> Sheet:
    """Return the rows that *records* make; pure."""
    sheet = Sheet()
    for each in records:
        newest = sheet.received.get(each.endpoint, 0)
        sheet.received[each.endpoint] = max(each.received_ms, newest)
        try:
            record = Record.from_bytes(each.data)
        except FormatError:
            sheet.put_apart(each, "unknown")
            continue
        _place(sheet, each, record, places)
    return sheet


def cluster_at(places: list[tuple[int, str]], at_ms: int) -> str:
    """Return the pole a board hung on at *at_ms*; before its first one, the first."""
    found = places[0][1]
    for since, cluster in places:
        if since > at_ms:
            break
        found = cluster
    return found


def newer(before: Mapping[str, Any] | None, news: dict[str, Any], *order: str) -> dict[str, Any]:
    """Return the later of two rows in *order*: what fills a hole late is no news."""
    if before is None or any(before[name] is None for name in order):
        return news
    is_older = [news[name] for name in order] < [before[name] for name in order]
    return {name: before[name] for name in news} if is_older else news


def _place(sheet: Sheet, each: Told, record: Record, places: Places) -> None:
    match record.body:
        case PlayEnded() as body:
            _once(sheet, sheet.ends, each, _end(body), body.play.hex())
        case PlayStarted() as body:
            row = _start(body)
            row.update(_where(each, record, places), trust=int(record.trust))
            row["began_ms"] = record.at_ms
            _once(sheet, sheet.starts, each, row, row["play"])
        case Heartbeat() as body:
            beat = _beat(body)
            beat.update(epoch=each.epoch, sequence=each.sequence, heartbeat_ms=record.at_ms)
            before = sheet.beats.get(each.endpoint)
            sheet.beats[each.endpoint] = newer(before, beat, "epoch", "sequence")
        case Refused() as body:
            row = {"what": body.what, "reason": body.reason, "detail": body.detail}
            row.update(_where(each, record, places), digest=_hex(body.digest))
            sheet.refusals.append({**row, "at_ms": record.at_ms})
        case Happening() as body:
            row = {"at_ms": record.at_ms, "name": body.name, "detail": body.detail}
            sheet.events.append({**row, **_where(each, record, places)})
        case OrderTaken() as body:
            row = {"order_id": body.id.hex(), "kind": body.kind, "digest": body.digest.hex()}
            row.update(_where(each, record, places), state=int(body.state), detail=body.detail)
            sheet.answers.append({**row, "at_ms": record.at_ms})
        case Boot(version=version):
            boot = {"booted_ms": record.at_ms, "version": version, "boot_epoch": each.epoch}
            sheet.boots[each.endpoint] = newer(sheet.boots.get(each.endpoint), boot, "boot_epoch")


def _where(each: Told, record: Record, places: Places) -> dict[str, Any]:
    # a clock below T2 is only a floor: then the time of arrival says better which pole it was
    at_ms = record.at_ms if record.trust >= ClockTrust.T2 else each.received_ms
    cluster = cluster_at(places[each.endpoint], at_ms)
    return {
        "endpoint": each.endpoint,
        "epoch": each.epoch,
        "sequence": each.sequence,
        "cluster": cluster,
    }


def _once(sheet: Sheet, rows: Plays, each: Told, row: dict[str, Any], play: str) -> None:
    if rows.setdefault((each.endpoint, play), (each, row))[0] is not each:
        sheet.put_apart(each, "repeated")


def _start(body: PlayStarted) -> dict[str, Any]:
    return {
        "play": body.play.hex(),
        "item": body.item,
        "session": body.session,
        "playlist": body.playlist.hex(),
        "scope": body.scope,
        "planned_ms": body.planned_ms,
        "duration_ms": body.duration_ms,
        "kind": int(body.kind),
        "level": int(body.level),
        "language": body.language,
        "category": body.category,
        "mark": int(body.mark),
        "bulletin": _hex(body.bulletin),
    }


def _end(body: PlayEnded) -> dict[str, Any]:
    return {
        "outcome": int(body.outcome),
        "started_ms": body.started_ms,
        "ended_ms": body.ended_ms,
        "segments": [[int(s.bearer), s.start_ms, s.end_ms] for s in body.segments],
        "silent_ms": body.silent_ms,
        "longest_gap_ms": body.longest_gap_ms,
        "evidence": int(body.evidence),
        "evidence_ms": body.evidence_ms,
        "xruns": body.xruns,
        "offset_ms": body.offset_ms,
        "volume": body.volume,
        "uncertainty_ms": body.uncertainty_ms,
        "loudness_clufs": body.loudness_clufs,
        "true_peak_cdb": body.true_peak_cdb,
        "recorded": body.recorded
        and [[each.start_ms, each.duration_ms, each.sha256.hex()] for each in body.recorded],
        "drift_ms": body.drift_ms,
        "unsigned_host": body.unsigned_host,
    }


def _beat(body: Heartbeat) -> dict[str, Any]:
    return {
        "state": int(body.state),
        "faults": list(body.faults),
        "item": body.item,
        "bearer": None if body.bearer is None else int(body.bearer),
        "evidence": None if body.evidence is None else int(body.evidence),
        "playlist": _hex(body.playlist),
        "free_bytes": body.free_bytes,
    }


def _hex(digest: bytes | None) -> str | None:
    return None if digest is None else digest.hex()
