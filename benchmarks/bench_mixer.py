"""What the mixer's parts cost in a block of 20 ms, and how true the limiter is by FFmpeg's meter.

One process, one thread; the figure is the best of many rounds, for the machine's other work is not
the mixer's. A block of 20 ms may take 20,000 us before sound is lost.
"""

from __future__ import annotations

import sys
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from loa_endpoint.audio.duck import Duck
from loa_endpoint.audio.leveller import Leveller
from loa_endpoint.audio.limiter import LOOK_AHEAD, Limiter
from loa_endpoint.audio.mixer import Mixer, Start
from loa_endpoint.audio.profile import Horn
from loa_sound.blocks import BLOCK, RATE, Samples
from loa_sound.meters import LoudnessMeter
from support.sound_files import noise, tone
from support.tape import Tape, start

REQUIREMENTS = ("AUD-2",)
ROUNDS = 15
BLOCKS = 200


def run() -> list[dict[str, Any]]:
    """Time each part, and measure what the limiter lets through."""
    soft, near, loud = tone(1, 400, 0.2), tone(1, 400, 0.85), noise(1, 1.0)
    timed: list[tuple[str, Callable[[Samples], None], Samples]] = [
        ("limiter, nothing near the ceiling", Limiter().process, soft),
        ("limiter, peaks looked for and none found", Limiter().process, near),
        ("limiter, lowering all the time", Limiter().process, loud),
        ("horn profile", Horn().process, soft),
        ("line-in's leveller", _level, soft),
        ("mixer, one item", _mixer(0).render, soft),
        ("mixer, an item ducked and an announcement", _mixer(1).render, soft),
        ("mixer, a crossfade", _crossfade().render, soft),
    ]
    rows = [
        {"figure": f"{name}, per block of 20 ms", "unit": "us", "value": _time(part, sound)}
        for name, part, sound in timed
    ]
    return rows + [_peak(name, sound) for name, sound in _nasty().items()]


_LEVELLER = Leveller()


def _level(block: Samples) -> None:
    _LEVELLER.feed(block, -23.0, is_heard=True)


def _mixer(announcements: int) -> Mixer:
    mixer = Mixer()
    mixer.play(start(Tape(np.tile(tone(1, 440), 600)), 0))
    for _ in range(announcements):
        voice = Tape(np.tile(tone(1, 2000), 600), "voice")
        mixer.play(Start(voice, 0, 0, 0, 0, True, Duck(-15.0, 4_800)))
    return mixer


def _crossfade() -> Mixer:
    mixer = _mixer(0)
    fade = 600 * RATE
    mixer.play(start(Tape(np.tile(tone(1, 660), 600), "other"), 0, fade_in=fade, fade_out=fade))
    return mixer


def _time(part: Callable[[Samples], None], sound: Samples) -> float:
    block = np.zeros(BLOCK, dtype=np.float32)

    def once() -> None:
        block[:] = sound[:BLOCK]
        part(block)

    best = min(timeit.repeat(once, number=BLOCKS, repeat=ROUNDS))
    return round(best / BLOCKS * 1e6, 1)


def _nasty() -> dict[str, Samples]:
    t = np.arange(10 * RATE) / RATE
    music = np.sin(2 * np.pi * 220 * t) + 0.5 * np.sin(2 * np.pi * 1333 * t)
    return {
        "music clipped 12 dB over full scale": np.clip(4 * music, -1, 1).astype(np.float32),
        "a square wave of 441 Hz": np.sign(np.sin(2 * np.pi * 441 * t)).astype(np.float32),
        "a sine with its peaks between the samples": tone(10, 12_000, 1.4),
        "noise 12 dB over full scale": noise(10, 1.0),
    }


def _peak(name: str, sound: Samples) -> dict[str, Any]:
    limiter, meter = Limiter(), LoudnessMeter()
    quiet = np.zeros(LOOK_AHEAD * 50, dtype=np.float32)
    whole = np.concatenate((quiet, sound, quiet))
    for at in range(0, len(whole), BLOCK):
        block = whole[at : at + BLOCK].copy()
        limiter.process(block)
        meter.feed(block)
    peak = round(meter.finish().true_peak_dbtp, 2)
    return {"figure": f"true peak by FFmpeg of {name}", "unit": "dBTP", "value": peak}
