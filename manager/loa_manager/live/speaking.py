"""From a source to the line: what `loa live` and `loa relay` do alike, 20 ms at a time.

Time comes in as an argument, so all of this runs in a test without a clock; only :func:`run` waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np

from loa_manager.live.level import Level, LevelMeter
from loa_manager.live.source import Source
from loa_manager.live.timeline import PACKET_MS, Piece, Timeline
from loa_manager.live.voice import Voice
from loa_manager.live.watch import Flow, Watch
from loa_sound.blocks import BLOCK, RATE, Samples

STEP_S: Final = 0.01
QUIET_S: Final = 0.4  # without a sample: what was gathered goes out, the source stands still
FOREVER_S: Final = float("inf")


class Way(Protocol):
    """Where chunks go."""

    def say(self, voice: Voice, piece: Piece) -> None:
        """Send *piece* under the grant of *voice*; never waits."""


@dataclass(slots=True)
class Speech:
    """One run of sound through one timeline, under one grant after the other."""

    source: Source
    way: Way
    timeline: Timeline
    watch: Watch = field(default_factory=lambda: Watch(FOREVER_S))
    voices: list[Voice] = field(default_factory=list)
    meter: LevelMeter = field(default_factory=LevelMeter)
    unheard: int = 0  # chunks for which no grant stands
    _held: Samples = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    _last_s: float | None = None

    def step(self, now_s: float, now_ms: int) -> bool:
        """Send on what has come since the last step; return whether the flow is another now.

        Args:
            now_s: Monotonic seconds.
            now_ms: The common time, unix.

        Raises:
            LoaError: as the source's ``take``.
        """
        came = self.source.take(now_s)
        if not len(came):
            return self._rest(now_s)
        self._last_s = now_s
        held = np.concatenate((self._held, came)) if len(self._held) else came
        whole = len(held) - len(held) % BLOCK
        changed = False
        for at in range(0, whole, BLOCK):
            behind_ms = (len(held) - at - BLOCK) * 1000 // RATE
            changed |= self._hear(held[at : at + BLOCK], now_ms - behind_ms)
        self._held = held[whole:]
        return changed

    def finish(self) -> None:
        """Send what was gathered."""
        self._say(self.timeline.rest())

    def _hear(self, block: Samples, came_ms: int) -> bool:
        self.meter.feed(block)
        changed = self.watch.hear(PACKET_MS / 1000, is_silent=self.meter.silent_s > 0)
        if self.watch.flow is Flow.FLOWING:
            self._say(self.timeline.feed(block, came_ms))
        elif changed:
            self._say(self.timeline.rest())
        return changed

    def _rest(self, now_s: float) -> bool:
        if self._last_s is not None and now_s - self._last_s <= QUIET_S:
            return False
        self._say(self.timeline.rest())
        return self.watch.miss()

    def _say(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            voice = next((each for each in self.voices if each.covers(piece.at_ms)), None)
            if voice is None:
                self.unheard += 1
            else:
                self.way.say(voice, piece)


@dataclass(frozen=True, slots=True)
class Tick:
    """What a speech has to tell every now and then."""

    now_ms: int
    level: Level
    changed: bool  # the flow is another since the last tick


def run(
    speech: Speech,
    clock: Callable[[], int],
    stop: threading.Event,
    on_tick: Callable[[Tick], None],
    *,
    every_s: float,
) -> None:
    """Let *speech* go on until *stop*, or its source is over; what was gathered is sent.

    Raises:
        LoaError: as :meth:`Speech.step`.
    """
    next_s, changed = time.monotonic() + every_s, False
    try:
        while not stop.is_set() and not speech.source.is_over:
            now_s = time.monotonic()
            changed |= speech.step(now_s, clock())
            if changed or now_s >= next_s:
                on_tick(Tick(clock(), speech.meter.look(), changed))
                next_s, changed = now_s + every_s, False
            stop.wait(STEP_S)
    finally:
        speech.finish()
