"""What it costs to lose nothing: appending, sending and opening an outbox as a pole fills it.

The baseline is a bare append and fdatasync of as many bytes to a file beside it.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from loa_endpoint.core.batch import Verdict
from loa_endpoint.store.outbox import CAPACITY_BYTES, Outbox
from loa_protocol.envelope import Kind, seal
from support.ingest_model import IngestModel
from support.outbox_lab import OutboxLab
from support.province import province
from support.records import ended, heartbeat, started

RECORDS = 3000
OPENINGS = 9
LABEL = Kind.BATCH.label()


def run() -> list[dict[str, Any]]:
    """Fill, drain and reopen an outbox of the default size on the disk of this folder."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:  # a disk, not a tmpfs
        folder = Path(name)
        lab = OutboxLab(folder, CAPACITY_BYTES, endpoint=province().device.public.kid)
        began = time.perf_counter()
        outbox = lab.boot()
        rows = [_row("outbox made, 12 MB on the disk", "ms", (time.perf_counter() - began) * 1000)]
        rows += _append(outbox, folder)
        rows += _drain(outbox)
        outbox.close()
        rows.append(_reopen(lab))
    return rows


def _append(outbox: Outbox, folder: Path) -> list[dict[str, Any]]:
    baseline = _bare(folder / "bare", len(started(0).to_bytes()))
    spent: list[float] = []
    for number in range(RECORDS):
        record = (started, ended, heartbeat)[number % 3](number // 3)
        began = time.perf_counter()
        assert outbox.append(record) is not None
        spent.append((time.perf_counter() - began) * 1000)
    ordered = sorted(spent)
    median, worst = statistics.median(ordered), ordered[-1]
    slow = ordered[len(ordered) * 99 // 100]
    facts = {"baseline": "bare append and fdatasync", "baseline_value": baseline}
    return [
        {**_row("append, median", "ms", median), **facts, "ratio": median / baseline},
        _row("append, 99th percentile", "ms", slow),
        _row("append, worst", "ms", worst),
        _row("appends, one commit each", "records/s", RECORDS / sum(spent) * 1000),
    ]


def _bare(path: Path, size: int) -> float:
    """Return the median ms of appending *size* bytes and syncing them."""
    spent: list[float] = []
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for _ in range(500):
        began = time.perf_counter()
        os.write(file, bytes(size))
        os.fdatasync(file)
        spent.append((time.perf_counter() - began) * 1000)
    os.close(file)
    return statistics.median(spent)


def _drain(outbox: Outbox) -> list[dict[str, Any]]:
    """Cut, seal and mark everything; the server's part is not counted."""
    server, device = IngestModel(province().device.public.kid), province().device
    spent, batches, size = 0.0, 0, 0
    while True:
        began = time.perf_counter()
        batch = outbox.next_batch()
        if batch is None:
            break
        size += len(seal(batch.to_bytes(), LABEL, device, detached=False))
        spent += time.perf_counter() - began
        receipt = server.receive(batch)
        began = time.perf_counter()
        assert outbox.mark(receipt) is Verdict.ADVANCED
        spent += time.perf_counter() - began
        batches += 1
    count = len(server.stored)
    return [
        _row("cut, sealed and marked at 60 a batch", "records/s", count / spent),
        _row("sealed batches on the wire", "bytes/record", size / count),
        _row("one batch of 60, cut to marked", "ms", spent / batches * 1000),
    ]


def _reopen(lab: OutboxLab) -> dict[str, Any]:
    spent: list[float] = []
    for _ in range(OPENINGS):
        began = time.perf_counter()
        outbox = lab.boot()
        spent.append((time.perf_counter() - began) * 1000)
        outbox.close()
    return _row("opened, checked and epoch begun, median", "ms", statistics.median(spent))


def _row(figure: str, unit: str, value: float) -> dict[str, Any]:
    return {"figure": figure, "unit": unit, "value": value}
