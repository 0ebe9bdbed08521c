"""How long the whole village takes: ``loa-sim village`` as a person runs it, once.

Most of it is the evening's own length: the sounds play in real time.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any


def run() -> list[dict[str, Any]]:
    """Run the village once and read its summary."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "demo")
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "loa_lab", "village", "--out", str(out)],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "LOA_LANG": "en"},
        )
        wall = time.monotonic() - began
        summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    gaps = [each["max_gap_ms"] for each in summary["endpoints"]]
    sirens = [each["at"] for each in summary["orders"]["alert"]["heard"]]
    return [
        _row("wall time of the village", "s", wall, "the limit of 135 s", 135.0),
        _row("longest gap inside an item, worst of the clusters", "ms", max(gaps)),
        _row("attempts refused", "count", len(summary["refused"])),
        _row("siren, how far apart the first and the last board", "ms", max(sirens) - min(sirens)),
        _row("loudest sample while held", "of 32767", summary["orders"]["hold"]["loudest"]),
        _row("load average of the machine (1 min)", "", os.getloadavg()[0]),
    ]


def _row(
    figure: str, unit: str, value: float, baseline: str | None = None, base: float = 1.0
) -> dict[str, Any]:
    row: dict[str, Any] = {"figure": figure, "unit": unit, "value": round(value, 2)}
    if baseline is not None:
        row |= {"baseline": baseline, "ratio": round(value / base, 3)}
    return row
