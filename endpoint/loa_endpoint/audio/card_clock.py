"""Where a card's samples lie in time: its own clock, followed from what it says. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

from loa_sound.blocks import RATE

JUMP_NS: Final = 30_000_000
"""A card is off by more than this only after it stood still: taken as it is, not smoothed."""
SMOOTHING: Final = 32
"""Readings over which the jitter of a card's answers is averaged: 1.6 s of buffers of 50 ms."""
NOTES: Final = 60
"""Seconds over which drift is measured: 0.1 ms of jitter are 2 ppm of them."""
_SECOND: Final = 1_000_000_000


class CardClock:
    """The timeline of a card.

    Attributes:
        epoch_ns: CLOCK_MONOTONIC instant at which sample 0 sounded, or would have, if the card had
            always run at the nominal rate; moves as the card drifts. Right for what sounds now.
        drift_ppm: How much faster than nominal the card plays, in millionths; 0 until measured.
    """

    def __init__(self, epoch_ns: int = 0) -> None:
        self.epoch_ns = epoch_ns
        self.drift_ppm = 0.0
        self._readings = 0
        self._read_ns = 0
        self._second: list[tuple[int, int]] = []
        self._notes: deque[tuple[float, float]] = deque(maxlen=NOTES)

    def restart(self) -> None:
        """Believe the next reading as it is: the card ran dry, and all sounds later."""
        self._readings = 0

    def read(self, sample: int, sounds_ns: int) -> None:
        """Take the card's word that *sample* sounds at *sounds_ns*."""
        epoch_ns = sounds_ns - sample * _SECOND // RATE
        self.epoch_ns -= round((sounds_ns - self._read_ns) * self.drift_ppm * 1e-6)
        if self._readings == 0 or abs(epoch_ns - self.epoch_ns) > JUMP_NS:
            self._readings = 0
            self._second.clear()
            self._notes.clear()
        self._read_ns = sounds_ns
        self._readings = min(self._readings + 1, SMOOTHING)
        self.epoch_ns += (epoch_ns - self.epoch_ns) // self._readings
        self._note(sounds_ns, epoch_ns)

    def _note(self, sounds_ns: int, epoch_ns: int) -> None:
        """Average the readings of a second, and see how far they are from those of a minute ago."""
        self._second.append((sounds_ns, epoch_ns))
        (begin_ns, base_ns), count = self._second[0], len(self._second)
        if sounds_ns - begin_ns < _SECOND:
            return
        at = begin_ns + sum(at - begin_ns for at, _ in self._second) / count
        epoch = base_ns + sum(epoch - base_ns for _, epoch in self._second) / count
        self._second.clear()
        self._notes.append((at, epoch))
        then, was = self._notes[0]
        if at > then:
            self.drift_ppm = (was - epoch) * 1e6 / (at - then)
