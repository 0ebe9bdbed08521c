"""What became of the evening's orders: what boards said of them, and what the horns say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from loa_lab.village.alarm import Given
from loa_lab.village.outcome import Cluster
from loa_lab.village.plan import HELD
from loa_sound.decoder import decode

EDGE_MS: Final = 300  # the fade, and how well a loaded machine tells the time


def orders_summary(
    given: Given, clusters: Sequence[Cluster], siren: Path, *, from_ms: int, to_ms: int
) -> dict[str, Any]:
    """Return the orders as they stand in summary.json.

    Args:
        given: What was ordered.
        clusters: The poles, each with its recording.
        siren: The sound of the alert; it is looked for in all that was recorded.
        from_ms: From when on it is looked for, unix ms.
        to_ms: Until when.
    """
    sound = np.concatenate(list(decode(siren)))
    heard = []
    for cluster in clusters:
        at_ms, alike = cluster.recording.find(sound, from_ms, to_ms)
        heard.append({"cluster": cluster.cluster, "at": at_ms, "alike": round(alike, 3)})
    answers = given.status.get("answers", [])
    return {
        "alert": {
            "id": given.alert,
            "boards": given.status.get("boards"),
            "ended": sum(each["state"] == "ended" for each in answers),
            "heard": heard,
        },
        "hold": {"id": given.hold, "cluster": HELD, **_hold(given, clusters)},
    }


def _hold(given: Given, clusters: Sequence[Cluster]) -> dict[str, Any]:
    held = next(each for each in clusters if each.cluster == HELD)
    begun, ended = held.span_of(given.hold)
    facts = {"begun": begun, "killed": given.killed_ms, "back": given.back_ms, "ended": ended}
    if begun is None or ended is None:
        return facts | {"loudest": None}
    part = np.abs(held.recording.part(begun + EDGE_MS, ended - EDGE_MS).astype(np.int32))
    return facts | {"loudest": int(part.max()) if part.size else None}
