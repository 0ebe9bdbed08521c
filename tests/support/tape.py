"""A sound out of memory, with which a test can be late, early, endless or broken."""

from __future__ import annotations

import numpy as np

from loa_endpoint.audio.mixer import Mixer, Start
from loa_endpoint.audio.voice import Happening
from loa_sound.blocks import CHUNK, RATE, Samples

S = RATE


class Tape:
    """A `Sound` whose samples are an array; only what lies before *there* has arrived."""

    live = False

    def __init__(self, samples: Samples, name: str = "tape", *, gain: float = 1.0) -> None:
        self.samples = samples.astype(np.float32)
        self.name, self.gain = name, gain
        self.there = len(samples)
        self.finish: int | None = len(samples)
        self.failure = ""
        self.aimed: list[int] = []

    def is_ready(self, position: int) -> bool:
        return position < self.there

    def aim(self, position: int) -> None:
        self.aimed.append(position)

    def read(self, position: int, out: Samples) -> int:
        part = self.samples[max(0, position) : min(position + len(out), self.there)]
        out[: len(part)] = part
        return len(part)


def start(
    sound: Tape,
    sample: int = 0,
    position: int = 0,
    *,
    fade_in: int = 0,
    fade_out: int = 960,
    anchored: bool = True,
) -> Start:
    return Start(sound, sample, position, fade_in, fade_out, anchored)


def render(mixer: Mixer, samples: int, block: int = CHUNK) -> Samples:
    """Render *samples* in blocks of *block*."""
    parts = []
    while samples:
        part = np.full(min(block, samples), np.nan, dtype=np.float32)
        mixer.render(part)
        parts.append(part)
        samples -= len(part)
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)


def told(happenings: list[Happening]) -> list[tuple[str, str, int]]:
    """Shorten happenings to kind, name and sample."""
    return [(h.kind, h.sound.name, h.sample) for h in happenings]
