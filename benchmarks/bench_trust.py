"""What a judgement costs, against one bare signature verification of the same machine."""

from __future__ import annotations

import functools
import hashlib
import pathlib
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))

from loa_protocol import chain
from loa_protocol.accept import accept
from loa_protocol.envelope import Kind
from loa_protocol.objects.command import Verb
from support.orders import SIREN, alert, command
from support.province import NOW, playlist, province

REQUIREMENTS = ("PERF-3", "MSG-3", "SEC-8")
ROUNDS = 9
SOUND_BYTES = 30_000  # 15 s of Opus at 16 kbit/s
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
        *_throughput(base),
        *_alerts(),
    ]


def _throughput(base: float) -> list[dict[str, Any]]:
    """Judge small objects with chains seen before, one after the other on one core."""
    p = province()
    trusted, operator = p.trusted(), p.wardens[0]
    hold = p.sign(Kind.COMMAND, command(Verb.HOLD), operator)
    ask = p.sign(Kind.ALERT, alert(), *p.wardens)
    rows = [
        {"figure": "bare verifications on one core", "unit": "1/s", "value": 1e6 / base},
    ]
    for name, data in (("a hold by one holder", hold), ("an alert by two holders", ask)):
        judge = functools.partial(accept, data, trusted, NOW)
        took = [_microseconds(judge, 50) for _ in range(ROUNDS)]
        median = statistics.median(took)
        rows.append(_row(f"acceptance of {name}, chain seen before", took, base))
        rows.append({"figure": f"acceptances of {name}", "unit": "1/s", "value": 1e6 / median})
    return rows


def _alerts() -> list[dict[str, Any]]:
    """Return what must have come before an alert's first sample, by where its sound is."""
    p = province()
    sound = random.Random(7).randbytes(SOUND_BYTES)
    media = replace(SIREN, sha256=hashlib.sha256(sound).digest(), size=len(sound))
    named = p.sign(Kind.ALERT, alert(media=media), *p.wardens)
    inline = p.sign(Kind.ALERT, alert(media=media, sound=sound), *p.wardens)
    fetched = len(named) + len(sound)
    figures = {
        "alert whose media is there already": len(named),
        f"alert with {SOUND_BYTES // 2000} s of sound inside": len(inline),
        "alert whose media has to be fetched, with it": fetched,
    }
    return [{"figure": name, "unit": "B", "value": value} for name, value in figures.items()]


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
