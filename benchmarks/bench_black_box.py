"""What the black box costs while the pole speaks: the loop's side, its thread, and the card.

Sound like a voice (noise in syllables with pauses) goes block by block through the box as the
player's loop gives it, faster than real time; the processor time of the whole process is what both
threads used. Files go to the disk of the temporary folder, with every fsync.
"""

from __future__ import annotations

import pathlib
import statistics
import tempfile
import time

import numpy as np

from loa_endpoint.audio.black_box import BlackBox
from loa_endpoint.audio.messages import Clock
from loa_endpoint.audio.sink import NullSink
from loa_endpoint.core.black_box import BoxLimits, parse_name
from loa_sound.blocks import CHUNK, RATE, Samples

MINUTES = 5
ROUNDS = 3
DAY_S = 86_400


def run() -> list[dict[str, object]]:
    """Measure processor time in percent of a core, bit rate, and the loop's longest step."""
    voice, cpu, loop, steps = _voice(), [], [], []
    size = length_ms = 0
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            box_cpu, loop_cpu, longest = _round(pathlib.Path(folder), voice)
            cpu.append(box_cpu)
            loop.append(loop_cpu)
            steps.append(longest)
            rows = [parse_name(e.name, e.stat().st_size) for e in pathlib.Path(folder).iterdir()]
            size = sum(each.size for each in rows if each)
            length_ms = sum(each.duration_ms for each in rows if each)
    rate = size * 8 / length_ms
    return [
        _row("black box, while sound is written", "% of a core", cpu),
        _row("of it in the player's loop", "% of a core", loop),
        _row("longest step of the loop", "ms", steps),
        {"figure": "sound kept", "unit": "kbit/s", "value": rate},
        {
            "figure": "days of sound without a pause in the ring",
            "unit": "days",
            "value": BoxLimits().bytes * 8 / (rate * 1000) / DAY_S,
        },
    ]


def _round(folder: pathlib.Path, voice: Samples) -> tuple[float, float, float]:
    box = BlackBox(folder, NullSink(0), is_virtual=True)
    box.set_clock(Clock(unix_ms=1_764_000_000_000, at_ns=0))
    longest, loop, sample = 0.0, 0.0, 0
    began = time.process_time()
    for _ in range(MINUTES):
        for at in range(0, len(voice), CHUNK):
            step, used = time.perf_counter(), time.thread_time()
            box.feed(sample, voice[at : at + CHUNK])
            loop += time.thread_time() - used
            longest = max(longest, time.perf_counter() - step)
            sample += CHUNK
    box.close()
    seconds = MINUTES * len(voice) / RATE
    used = time.process_time() - began
    return 100 * used / seconds, 100 * loop / seconds, longest * 1000


def _voice() -> Samples:
    """Return a minute of noise below 4 kHz in syllables of a quarter of a second, -23 dBFS."""
    chance = np.random.default_rng(1)
    noise = np.convolve(chance.standard_normal(60 * RATE), np.ones(12) / 12, "same")
    time_s = np.arange(len(noise)) / RATE
    syllables = np.clip(np.sin(2 * np.pi * 4 * time_s), 0, 1) * (np.sin(time_s) > -0.7)
    voice: Samples = (noise * syllables * 0.25).astype(np.float32)
    return voice


def _row(figure: str, unit: str, samples: list[float]) -> dict[str, object]:
    return {
        "figure": figure,
        "unit": unit,
        "value": statistics.median(samples),
        "samples": samples,
    }
