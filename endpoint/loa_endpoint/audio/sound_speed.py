"""How fast this machine does what the player does, each part by itself, in a process of its own.

    python -m loa_endpoint.audio.sound_speed FOLDER

makes `MEDIA` in FOLDER and prints one JSON object: the name of each figure and its value. Decoding
is told as times real time, the other parts as microseconds for a block of 100 ms, of which the
player has ten a second. Best of several rounds: what else the machine does is no part's cost.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from loa_endpoint.audio.ear import Ear
from loa_endpoint.audio.item_meter import ItemMeter
from loa_endpoint.audio.limiter import Limiter
from loa_endpoint.audio.mixer import Mixer, Start
from loa_sound.blocks import BLOCK, CHUNK, RATE, Samples
from loa_sound.decoder import decode
from loa_sound.low_rate import OggOpus
from loa_sound.monitors import WrittenMonitor
from loa_sound.transcode import encode_opus

MEDIA: Final = "sound-speed.opus"
MEDIA_S: Final = 30
ROUNDS: Final = 3
ROUND_S: Final = 0.2
BIT_RATE: Final = 32_000
Feed = Callable[[Samples], object]


class _Tape:
    """A sound out of memory that never ends."""

    live, name, gain = False, "tape", 0.5
    finish: int | None = None
    failure = ""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def is_ready(self, position: int, /) -> bool:
        return position >= 0

    def aim(self, position: int, /) -> None:
        """It is everywhere already."""

    def read(self, position: int, out: Samples, /) -> int:
        at = position % (len(self._samples) - len(out))
        out[:] = self._samples[at : at + len(out)]
        return len(out)


class _Echo:
    """A microphone that hears what is written, so that the ear compares everything."""

    def __init__(self, block: Samples) -> None:
        self._pcm = np.rint(block * 32_767).astype("<i2").tobytes()

    def take(self) -> bytes:
        return self._pcm

    def close(self) -> None:
        """It is only memory."""


def measure(folder: Path) -> dict[str, float]:
    """Return each figure; leaves `MEDIA`, 30 s of sound, in *folder*."""
    sound = _speech_like()
    media = folder / MEDIA
    encode_opus((sound[at : at + BLOCK] for at in range(0, len(sound), BLOCK)), media, BIT_RATE)
    speeds = [MEDIA_S / _seconds_of(lambda: [None for _ in decode(media)]) for _ in range(ROUNDS)]
    block = sound[:CHUNK]
    parts: dict[str, Feed] = {
        "mixer": _mixer(sound),
        "limiter": Limiter().process,
        "meters": ItemMeter("item", (), started_ns=0, xruns=0).feed,
        "monitors": _monitors(),
        "ear": _ear(block),
        "black_box": OggOpus({}).feed,
    }
    return {"decode": max(speeds)} | {name: _block_us(feed, sound) for name, feed in parts.items()}


def _speech_like() -> Samples:
    """Make a noise that comes and goes four times a second, as syllables do."""
    time_s = np.arange(MEDIA_S * RATE) / RATE
    noise = np.random.default_rng(1).standard_normal(len(time_s))
    sound: Samples = (0.05 * noise * (1 + np.sin(2 * np.pi * 4 * time_s))).astype(np.float32)
    return sound


def _seconds_of(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _block_us(feed: Feed, sound: Samples) -> float:
    """Return the microseconds of a block: some parts work at every fifth only, so on average."""
    best = float("inf")
    for _ in range(ROUNDS):
        until, blocks, began = time.monotonic() + ROUND_S, 0, time.process_time()
        while time.monotonic() < until or blocks < 10:
            at = blocks * CHUNK % (len(sound) - CHUNK)
            feed(sound[at : at + CHUNK].copy())
            blocks += 1
        best = min(best, (time.process_time() - began) / blocks)
    return best * 1e6


def _mixer(sound: Samples) -> Feed:
    mixer = Mixer()
    mixer.play(Start(_Tape(sound), 0, 0, 0, 0, True))
    return mixer.render


def _monitors() -> Feed:
    monitor = WrittenMonitor()
    monitor.expects_sound = True

    def feed(block: Samples) -> None:
        monitor.mix(block)
        monitor.feed(block)

    return feed


def _ear(block: Samples) -> Feed:
    ear = Ear(_Echo(block))
    return lambda written: ear.wrote(written, 0)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(Path(sys.argv[1]))))
