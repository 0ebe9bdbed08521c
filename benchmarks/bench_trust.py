"""What a judgement costs, against one bare signature verification of the same machine."""

from __future__ import annotations

import pathlib
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))

from loa_protocol import chain
from loa_protocol.accept import accept
from loa_protocol.envelope import Kind
from support.province import NOW, playlist, province

REQUIREMENTS = ("PERF-3",)
ROUNDS = 9
BASELINE = "one bare Ed25519 verification of the same payload"


def run() -> list[dict[str, Any]]:
    """Judge a 40-item playlist with its chain, with and without the chain known."""
    p = province()
    body = playlist(40)
    data = p.sign(Kind.PLAYLIST, body, p.editor, p.approver)
    trusted, payload = p.trusted(), body.to_bytes()
    signature = p.editor.signer.sign(payload)
    key = p.editor.signer.public

    def cold() -> None:
        chain._is_sealed.cache_clear()
        accept(data, trusted, NOW)

    bare: list[float] = []
    first: list[float] = []
    warm: list[float] = []
    for _ in range(ROUNDS):  # in turn, so that a slow moment of the machine hits all three
        bare.append(_microseconds(lambda: key.is_signature(signature, payload), 100))
        first.append(_microseconds(cold, 20))
        warm.append(_microseconds(lambda: accept(data, trusted, NOW), 20))
    base = statistics.median(bare)
    return [
        _row("acceptance of a 40-item playlist, chain never seen", first, base),
        _row("acceptance of a 40-item playlist, chain seen before", warm, base),
        _row("bare verification", bare, base),
        {"figure": "bytes of that bundle", "unit": "B", "value": len(data)},
    ]


def _microseconds(call: Callable[[], object], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times * 1e6


def _row(figure: str, samples: list[float], base: float) -> dict[str, Any]:
    median = statistics.median(samples)
    return {
        "figure": figure,
        "unit": "us",
        "value": median,
        "baseline": BASELINE,
        "ratio": median / base,
        "samples": samples,
    }
