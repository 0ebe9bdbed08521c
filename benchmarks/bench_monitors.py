"""What the monitors cost: processor time for a second of sound, beside what a block costs anyhow.

No process and no real time: a minute of speech-like sound passes in blocks of 100 ms, as the player
writes them, through each part alone. The whole player is measured by ``bench_player``.
"""

from __future__ import annotations

import pathlib
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from loa_endpoint.audio.ear import Ear
from loa_endpoint.audio.item_meter import ItemMeter
from loa_sound.blocks import CHUNK, RATE, Samples
from loa_sound.monitors import WrittenMonitor

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))

SECONDS = 60
ROUNDS = 5
Feed = Callable[[Samples], object]


def run() -> list[dict[str, object]]:
    """Measure meters, monitors and ear in turn, so that a slow moment hits all of them."""
    from support.labelled_sounds import syllables  # noqa: PLC0415 - of the tests

    sound = syllables(float(SECONDS))
    parts: dict[str, Callable[[], Feed]] = {
        "item meter (there before)": _meter,
        "monitors on what is written": _monitors,
        "ear: likeness and squeal": lambda: _ear(sound),
    }
    shares: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(ROUNDS):
        for name, make in parts.items():
            shares[name].append(_share(make(), sound))
    base = next(iter(parts))
    return [
        {
            "figure": name,
            "unit": "% of a core",
            "value": round(statistics.median(values), 3),
            "baseline": None if name == base else base,
            "ratio": None
            if name == base
            else round(statistics.median(values) / statistics.median(shares[base]), 3),
            "samples": [round(value, 3) for value in values],
        }
        for name, values in shares.items()
    ]


def _share(feed: Feed, sound: Samples) -> float:
    """Return the processor time of *sound*, as per cent of how long it plays."""
    began = time.process_time()
    for at in range(0, len(sound), CHUNK):
        feed(sound[at : at + CHUNK])
    return 100 * (time.process_time() - began) / (len(sound) / RATE)


def _meter() -> Feed:
    return ItemMeter("item", (), started_ns=0, xruns=0).feed


def _monitors() -> Feed:
    monitor = WrittenMonitor()
    monitor.expects_sound = True

    def feed(block: Samples) -> None:
        monitor.mix(block)
        monitor.feed(block)

    return feed


class _Echo:
    """A microphone that hears what is written, so that everything is compared."""

    def __init__(self, sound: Samples) -> None:
        self._pcm = np.rint(sound * 32_767).astype("<i2").tobytes()
        self._at = 0

    def take(self) -> bytes:
        at, self._at = self._at, self._at + 2 * CHUNK
        return self._pcm[at : at + 2 * CHUNK]

    def close(self) -> None:
        """It is only memory."""


def _ear(sound: Samples) -> Feed:
    ear = Ear(_Echo(sound))
    return lambda block: ear.wrote(block, 0)
