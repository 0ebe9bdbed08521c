"""What became of the village, read back from the programme records and the recordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from loa_lab.village.heard import Recording
from loa_manager import database, tables
from loa_protocol.objects.playlist import BearerKind
from loa_protocol.record import Evidence, Outcome

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
    refused: tuple[dict[str, Any], ...]
    events: tuple[dict[str, Any], ...]
    recording: Recording
    records_made: int
    records_acknowledged: int

    @property
    def max_gap_ms(self) -> int:
        """The longest run below -60 dBFS inside a planned item that was played to its end."""
        gaps = [
            self.recording.longest_gap_ms(play["planned"], play["planned"] + play["duration_ms"])
            for play in self.plays
            if play["outcome"] == Outcome.COMPLETE.name.lower()
        ]
        return max(gaps, default=0)

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
    return Cluster(
        endpoint=endpoint.hex() if isinstance(endpoint, bytes) else str(endpoint),
        cluster=scope.rsplit("/", 1)[-1],
        plays=tuple(_play(row._mapping) for row in plays),
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
