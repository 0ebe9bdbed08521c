"""Schedules as officers write them, and the sound files that stand beside them."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np

from loa_manager.publish.entries import Schedule
from loa_manager.publish.gain import MediaFacts
from loa_manager.publish.schedule import load_schedule

HEADER = {
    "scope": '"vn/ls/st0137"',
    "from": "2027-01-18",  # a Monday
    "to": "2027-01-24",
    "language": '"vi"',
    "category": '"thông báo"',
}
SESSION = {"id": '"sang"', "days": '"daily"', "start": '"05:30"', "length": "30"}
ITEM = {"title": '"Giá lúa"', "file": '"gia-lua.opus"'}
MONDAY = 1_800_205_200  # 2027-01-18 00:00 in Vietnam


def table(values: dict[str, str | None]) -> str:
    return "".join(f"{key} = {value}\n" for key, value in values.items() if value is not None)


def item(**changes: str | None) -> str:
    return "[[session.item]]\n" + table({**ITEM, **changes})


def session(*items: str, **changes: str | None) -> str:
    return "[[session]]\n" + table({**SESSION, **changes}) + "".join(items or (item(),))


def text(*sessions: str, extra: str = "", **header: str | None) -> bytes:
    """Return a whole schedule; keys set to None are left out, ``from`` is written ``from_``."""
    changes = {key.rstrip("_"): value for key, value in header.items()}
    parts = ["[schedule]", table({**HEADER, **changes}), extra, *(sessions or (session(),))]
    return "\n".join(parts).encode()


def schedule(*sessions: str, **header: Any) -> Schedule:
    return load_schedule(text(*sessions, **header), "week.toml")


def facts(number: int = 1, **changes: int) -> MediaFacts:
    numbers = {
        "size": 120_000,
        "duration_ms": 60_000,
        "loudness_clufs": -2000,
        "true_peak_cdbtp": -300,
    }
    return MediaFacts(sha256=bytes([number]) * 32, **{**numbers, **changes})


def write_tone(
    path: Path, seconds: float = 2.0, *, level_db: float = -20.0, rate: int = 48_000
) -> Path:
    """Write a sine of 440 Hz as 16-bit mono WAV; *level_db* is its peak in dBFS."""
    time = np.arange(int(seconds * rate)) / rate
    samples = np.sin(2 * np.pi * 440 * time) * 10 ** (level_db / 20) * 32767
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path
