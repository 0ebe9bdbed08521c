"""Ingest against bare verification: batches verified, committed with SQLite FULL, and receipted."""

from __future__ import annotations

import pathlib
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))

from sqlalchemy import Engine

from loa_manager import database, records
from loa_manager.ingest import LABEL, WORKERS, Ingest, open_batch
from loa_manager.keyring import Identity
from loa_protocol.keys import PublicKey
from support import registry
from support.province import province
from support.telling import AT_MS, Teller

REQUIREMENTS = ("PERF-4",)
ENDPOINTS = 40
ROUNDS = 5
GROUP = 256  # batches a transaction: as many as `loa serve` takes at once
SIZES = {1: 2000, 10: 3000, 60: 1200}  # records a batch -> batches
BASELINE = "records/s of bare verification on all cores"


def run() -> list[dict[str, Any]]:
    """Take batches of 1, 10 and 60 records from 40 endpoints."""
    rows: list[dict[str, Any]] = []
    for size, count in SIZES.items():
        tellers = [Teller() for _ in range(ENDPOINTS)]
        batches = _batches(tellers, size, count)
        bare = [size * len(batches) / _verify(tellers, batches) for _ in range(ROUNDS)]
        samples = [_rates(tellers, batches, size) for _ in range(ROUNDS)]
        base, figure = statistics.median(bare), statistics.median(sample[0] for sample in samples)
        rows.append(
            {
                "figure": f"ingest, verified, committed and receipted, {size} a batch",
                "unit": "records/s",
                "value": figure,
                "baseline": BASELINE,
                "ratio": figure / base,
                "samples": [sample[0] for sample in samples],
            }
        )
        rows.append(
            {
                "figure": f"expanded into rows, {size} a batch",
                "unit": "records/s",
                "value": statistics.median(sample[1] for sample in samples),
                "samples": [sample[1] for sample in samples],
            }
        )
        rows.append(
            {"figure": f"bare verification, {size} a batch", "unit": "records/s", "value": base}
        )
    return rows


def _batches(tellers: list[Teller], size: int, count: int) -> list[bytes]:
    each = count // len(tellers)
    for number, teller in enumerate(tellers):
        teller.boot()
        for at in range(1, each * size):
            if at % 10 == 0:
                teller.beat(AT_MS + at)
            elif at % 2:
                teller.play(number * 10**6 + at, AT_MS + at)
        del teller.epochs[1][each * size :]
    told = [[t.batch(n * size, size) for n in range(each)] for t in tellers]
    return [batch for moment in zip(*told, strict=True) for batch in moment]


def _verify(tellers: list[Teller], batches: list[bytes]) -> float:
    keys = {teller.signer.public.kid: teller.signer.public for teller in tellers}
    parsed = [open_batch(data) for data in batches]

    def check(portion: list[tuple[Any, Any]]) -> bool:
        return all(_is_good(keys[batch.endpoint], seal) for seal, batch in portion)

    share = -(-len(parsed) // WORKERS)
    portions = [parsed[at : at + share] for at in range(0, len(parsed), share)]
    with ThreadPoolExecutor(WORKERS) as pool:
        start = time.perf_counter()
        assert all(pool.map(check, portions))
        return time.perf_counter() - start


def _is_good(key: PublicKey, seal: Any) -> bool:  # noqa: ANN401 - a Seal
    return bool(seal.is_by(key, seal.payload, LABEL))


def _rates(tellers: list[Teller], batches: list[bytes], size: int) -> tuple[float, float]:
    taken, expanded = _ingest(tellers, batches)
    return size * (len(batches) - GROUP) / taken, size * len(batches) / expanded


def _ingest(tellers: list[Teller], batches: list[bytes]) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(dir=pathlib.Path.cwd()) as folder:  # a disk, not a tmpfs
        engine = _database(pathlib.Path(folder), tellers)
        online = province().online
        ingest = Ingest(engine, Identity("ingest", online.signer, online.chain))
        ingest.take_many(batches[:GROUP], AT_MS)  # a server has its statements compiled
        start = time.perf_counter()
        for at in range(GROUP, len(batches), GROUP):
            outcomes = ingest.take_many(batches[at : at + GROUP], AT_MS + at)
            assert all(outcome.stored for outcome in outcomes)
        spent = time.perf_counter() - start
        ingest.close()
        start = time.perf_counter()
        records.project(engine)
        expanding = time.perf_counter() - start
        engine.dispose()
        return spent, expanding


def _database(folder: pathlib.Path, tellers: list[Teller]) -> Engine:
    engine = registry.new_database(folder)
    clusters = [registry.cluster(f"st1/c{n}") for n in range(len(tellers))]
    with database.writing(engine) as connection:
        registry.load(connection, [registry.unit("C1")], [registry.station("st1")], clusters)
        for number, teller in enumerate(tellers):
            teller.register(connection, f"vn/ls/st1/c{number}")
    return engine
