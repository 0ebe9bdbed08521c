"""What was played, as the signed records tell it: the newest plays of a place."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, or_, select

from loa_manager import tables
from loa_protocol.objects.playlist import BearerKind
from loa_protocol.record import Evidence, Outcome


def list_plays(
    connection: Connection, scope: str, *, since_ms: int, most: int
) -> list[dict[str, Any]]:
    """Return the newest *most* plays in *scope* since unix *since_ms*, oldest first.

    Keys and words are stable: they go into JSON as they are. What no end has told yet is None.
    """
    play = tables.play.c
    inside = or_(play.cluster == scope, play.cluster.startswith(f"{scope}/", autoescape=True))
    query = select(tables.play).where(inside, play.began_ms >= since_ms)
    rows = connection.execute(query.order_by(play.began_ms.desc()).limit(most)).all()
    return [_facts(row._mapping) for row in reversed(rows)]


def _facts(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row of the table
    has_end = row["outcome"] is not None
    return {
        **{name: row[name] for name in ("cluster", "endpoint", "play", "item")},
        "planned_ms": row["planned_ms"],
        "started_ms": row["started_ms"],
        "ended_ms": row["ended_ms"],
        "outcome": Outcome(row["outcome"]).name.lower() if has_end else None,
        "bearers": [BearerKind(each[0]).name.lower() for each in row["segments"] or ()],
        "evidence": Evidence(row["evidence"]).name.lower() if has_end else None,
        "volume": row["volume"],
        "offset_ms": row["offset_ms"],
        "drift_ms": row["drift_ms"],
        "unsigned_host": row["unsigned_host"],
        "silent_ms": row["silent_ms"],
        "xruns": row["xruns"],
        "loudness_lufs": _hundredths(row["loudness_clufs"]),
        "true_peak_dbtp": _hundredths(row["true_peak_cdb"]),
        "recorded": [
            {"start_ms": start_ms, "duration_ms": duration_ms, "sha256": sha256}
            for start_ms, duration_ms, sha256 in row["recorded"] or ()
        ],
    }


def _hundredths(value: int | None) -> float | None:
    return None if value is None else value / 100
