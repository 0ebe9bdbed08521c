"""The engine where no other can be had: seeds changed at random, kept when they reach new lines.

Plain Python, so that it runs wherever Loa does. One input in so many is traced; the lines of our
own modules that it reaches are what counts as coverage.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FrameType
from typing import Any

MAX_BYTES = 4096
TRACED = 50  # one input in so many: tracing costs ten times the input itself
_NUMBERS = (
    0,
    1,
    0x17,
    0x18,
    0x19,
    0x1A,
    0x1B,
    0x1F,
    0x40,
    0x58,
    0x7F,
    0x80,
    0xA0,
    0xD2,
    0xF6,
    0xFF,
)


@dataclass(frozen=True)
class Result:
    """What a run did."""

    executions: int
    coverage: int
    unit: str  # what *coverage* counts
    crash: bytes | None = None
    error: str = ""


def run(
    target: Callable[[bytes], None], seeds: Iterable[bytes], *, seed: int, until: float
) -> Result:
    """Feed *target* until the monotonic time *until* or until it raises."""
    rng, pool = random.Random(seed), [b"", *seeds]
    reached: set[tuple[str, int]] = set()
    waiting, count = list(pool), 0  # the seeds themselves go first
    while time.monotonic() < until or waiting:
        data = waiting.pop() if waiting else change(rng, pool)
        is_traced = bool(waiting) or count % TRACED == 0
        try:
            lines = _traced(target, data) if is_traced else _untraced(target, data)
        except Exception as error:  # noqa: BLE001 - any exception is the finding
            return Result(count, len(reached), "lines", data, f"{type(error).__name__}: {error}")
        if not lines <= reached:
            reached |= lines
            pool.append(data)
        count += 1
    return Result(count, len(reached), "lines")


def change(rng: random.Random, pool: list[bytes]) -> bytes:
    """Return some bytes of *pool* with one to eight changes."""
    data = bytearray(
        rng.choice(pool) if rng.random() < 0.95 else rng.randbytes(rng.randint(0, 200))
    )
    for _ in range(rng.choice((1, 1, 2, 2, 4, 8))):
        at = rng.randint(0, len(data))
        match rng.randrange(7):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(data):
                data[at] = rng.choice(_NUMBERS)
            case 2:
                del data[at : at + rng.choice((1, 2, 4, 16, 64))]
            case 3:
                data[at:at] = rng.randbytes(rng.choice((1, 2, 4, 8)))
            case 4:
                start = rng.randint(0, len(data))
                data[at:at] = data[start : start + rng.choice((1, 4, 16, 64))]
            case 5:
                other = rng.choice(pool)
                start = rng.randint(0, len(other))
                data[at:] = other[start:]
            case _:
                data[at : at + 1] = bytes([rng.choice(_NUMBERS)])
    return bytes(data[:MAX_BYTES])


def _untraced(target: Callable[[bytes], None], data: bytes) -> set[tuple[str, int]]:
    target(data)
    return set()


def _traced(target: Callable[[bytes], None], data: bytes) -> set[tuple[str, int]]:
    reached: set[tuple[str, int]] = set()

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        name = frame.f_code.co_filename
        if "/loa_" not in name:
            return None
        if event == "line":
            reached.add((name, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        target(data)
    finally:
        sys.settrace(before)
    return reached
