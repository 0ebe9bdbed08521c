"""What became of the village, read back from the programme records and the recordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from loa_lab.village.heard import Recording
from loa_manager import database, tables
from loa_protocol.envelope import Kind
from loa_protocol.objects.playlist import BearerKind, BulletinKind
from loa_protocol.record import Evidence, OrderState, Outcome

SWITCHES = frozenset(
    {"suspect", "fail", "switch", "fallback", "return", "hold", "mute", "pi_mismatch",
     "fm_rejected", "programme_failure_alarm"}
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One pole: what it played, what it refused, what happened to it."""

    endpoint: str
    cluster: str
    plays: tuple[dict[str, Any], ...]
    alerts: tuple[dict[str, Any], ...]  # plays, too
    answers: tuple[dict[str, Any], ...]  # to orders
    refused: tuple[dict[str, Any], ...]
    events: tuple[dict[str, Any], ...]
    recording: Recording
    records_made: int
    records_acknowledged: int

    @property
    def max_gap_ms(self) -> int:
        """The longest run below -60 dBFS inside a planned item that was played to its end."""
        gaps, known = [], set()
        for play in self.plays:
            end = play["planned"] + play["duration_ms"]
            # what goes on after an alert or a hold is planned from before that
            begin = play["started"] if play["item"] in known else play["planned"]
            known.add(play["item"])
            if play["outcome"] == Outcome.COMPLETE.name.lower():
                gaps.append(self.recording.longest_gap_ms(begin, end))
        return max(gaps, default=0)

    @property
    def holds(self) -> list[tuple[int, int | None]]:
        """From when to when, unix ms, orders silenced this pole."""
        commands = dict.fromkeys(a["order"] for a in self.answers if a["kind"] == Kind.COMMAND)
        spans = (self.span_of(order) for order in commands)
        return [(begun, ended) for begun, ended in spans if begun and ended != begun]

    def span_of(self, order: str) -> tuple[int | None, int | None]:
        """Return when an order was first obeyed and when that ended, unix ms."""
        first: dict[int, int] = {}
        for each in self.answers:
            if each["order"] == order:
                first.setdefault(each["state"], each["at"])
        return first.get(OrderState.BEGUN), first.get(OrderState.ENDED)

    def summary(self) -> dict[str, Any]:
        """Return this pole as it stands in summary.json."""
        items = [
            {
                key: play[key]
                for key in ("item", "planned", "started", "ended", "segments", "evidence")
            }
            for play in self.plays
        ]
        return {
            "id": self.endpoint,
            "cluster": self.cluster,
            "provisioned": True,
            "items": items,
            "max_gap_ms": self.max_gap_ms,
            "records_made": self.records_made,
            "records_acknowledged": self.records_acknowledged,
        }


def read_clusters(
    url: str, recordings: Mapping[str, tuple[Path, int]], counts: Mapping[str, tuple[int, int]]
) -> list[Cluster]:
    """Read every pole from the programme records.

    Args:
        url: The database.
        recordings: By cluster scope: the WAV file and the unix ms of its first sample.
        counts: By cluster scope: records made and records acknowledged, as the endpoint says.
    """
    engine = database.open(url)
    try:
        with engine.connect() as connection:
            rows = connection.execute(select(tables.endpoint).order_by(tables.endpoint.c.cluster))
            return [
                _read_cluster(
                    connection,
                    row.id,
                    row.cluster,
                    Recording.read(*recordings[row.cluster]),
                    counts[row.cluster],
                )
                for row in rows
            ]
    finally:
        engine.dispose()


def _read_cluster(
    connection: Connection,
    endpoint: Any,  # noqa: ANN401 - the column's own type
    scope: str,
    recording: Recording,
    counts: tuple[int, int],
) -> Cluster:
    play, refusal, event = tables.play, tables.refusal, tables.event
    plays = connection.execute(
        select(play).where(play.c.endpoint == endpoint).order_by(play.c.planned_ms)
    )
    refusals = connection.execute(
        select(refusal).where(refusal.c.endpoint == endpoint).order_by(refusal.c.at_ms)
    )
    events = connection.execute(
        select(event).where(event.c.endpoint == endpoint).order_by(event.c.epoch, event.c.sequence)
    )
    answer = tables.order_answer
    answers = connection.execute(
        select(answer)
        .where(answer.c.endpoint == endpoint)
        .order_by(answer.c.epoch, answer.c.sequence)
    )
    made = [(row.kind == BulletinKind.EMERGENCY, _play(row._mapping)) for row in plays]
    return Cluster(
        endpoint=endpoint.hex() if isinstance(endpoint, bytes) else str(endpoint),
        cluster=scope.rsplit("/", 1)[-1],
        plays=tuple(play for is_alert, play in made if not is_alert),
        alerts=tuple(play for is_alert, play in made if is_alert),
        answers=tuple(
            {"order": row.order_id, "kind": row.kind, "state": row.state, "at": row.at_ms}
            for row in answers
        ),
        refused=tuple(
            {"at": row.at_ms, "what": row.what, "reason": row.reason, "detail": row.detail}
            for row in refusals
        ),
        events=tuple({"at": row.at_ms, "name": row.name, "detail": row.detail} for row in events),
        recording=recording,
        records_made=counts[0],
        records_acknowledged=counts[1],
    )


def _play(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "item": row["item"],
        "planned": row["planned_ms"],
        "duration_ms": row["duration_ms"],
        "started": row["started_ms"],
        "ended": row["ended_ms"],
        "outcome": None if row["outcome"] is None else Outcome(row["outcome"]).name.lower(),
        "segments": [
            {"bearer": BearerKind(bearer).name.lower(), "from": start, "to": end}
            for bearer, start, end in row["segments"] or ()
        ],
        "evidence": None if row["evidence"] is None else Evidence(row["evidence"]).name.lower(),
        "loudness_lufs": None if row["loudness_clufs"] is None else row["loudness_clufs"] / 100,
        "offset_ms": row["offset_ms"],
    }
