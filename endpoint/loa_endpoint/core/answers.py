"""What the time answers say together: which of them counts, and how fast our crystal runs.

An answer is as good as its round trip was short, and grows worse as the crystal drifts. So a slow
one does not take the place of a good one, and two that lie far enough apart tell the drift, which
is then allowed for: neighbours whose horns are to sound together would else be a third of a second
apart by the next answer, six hours on, with crystals of 15 ppm.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from loa_endpoint.core.time_source import DRIFT_PPM

AGAIN_MS: Final = (5000, 30_000, 300_000, 1_800_000, 7_200_000, 21_600_000)
"""When to ask after the first answer, the second, and so on. The first came while the board was
still starting, so the second follows at once: of three boards on a loaded machine one stood 24 ms
off until then. What follows has quieter moments, and a span to tell the drift by."""
SHORTEST_SPAN_MS: Final = 1_500_000  # below it, a round trip of 60 ms is worth 40 ppm
LONGEST_SPAN_MS: Final = 26 * 3_600_000  # a day: its warmth and its cold
WANDER_PPM: Final = 20
"""How far a crystal that was measured may leave its rate: an AT cut from -10 to 60 degrees."""
_KEPT: Final = 8
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """The time *unix_ms* at monotonic *mono_ms*, by at most *error_ms* wrong."""

    unix_ms: int
    mono_ms: int
    error_ms: int


class Answers:
    """The answers of one boot. All *mono_ms* are readings of one monotonic clock, rising."""

    def __init__(self) -> None:
        self._taken: deque[Answer] = deque(maxlen=_KEPT)
        self.forget()

    def forget(self) -> None:
        """Know nothing, as at the start."""
        self._taken.clear()
        self._best: Answer | None = None
        self._rate_ppm, self._doubt_ppm = 0.0, float(DRIFT_PPM)
        self._count = 0

    @property
    def is_known(self) -> bool:
        """Whether there is one."""
        return self._best is not None

    @property
    def rate_ppm(self) -> float:
        """By how many millionths the crystal is known to run slow; 0 while nothing is known."""
        return self._rate_ppm

    @property
    def again_ms(self) -> int:
        """How long after the newest answer to ask again."""
        return AGAIN_MS[min(max(self._count - 1, 0), len(AGAIN_MS) - 1)]

    def take(self, answer: Answer) -> None:
        """Take an answer that was accepted. One that contradicts the others counts alone."""
        best = self._best
        if best is not None:
            off_ms = abs(answer.unix_ms - self.at(answer.mono_ms))
            if off_ms > answer.error_ms + self.error_ms(answer.mono_ms):
                self.forget()
                best = None
        self._count += 1
        self._taken.append(answer)
        if best is None or answer.error_ms <= self.error_ms(answer.mono_ms):
            self._learn(answer)
            self._best = answer

    def at(self, mono_ms: int) -> int:
        """Return the time at *mono_ms*, unix ms; there has to be an answer."""
        assert self._best is not None  # callers have looked
        elapsed = mono_ms - self._best.mono_ms
        return self._best.unix_ms + elapsed + round(elapsed * self._rate_ppm / _MILLION)

    def error_ms(self, mono_ms: int) -> int:
        """Return by how much that may be off."""
        assert self._best is not None  # callers have looked
        elapsed = max(0, mono_ms - self._best.mono_ms)
        return self._best.error_ms + int(elapsed * self._doubt_ppm / _MILLION)

    def _learn(self, newest: Answer) -> None:
        """Tell the crystal's rate by the earlier answer that leaves the least doubt about it."""
        measured = [
            (doubt, rate)
            for each in self._taken
            if SHORTEST_SPAN_MS <= newest.mono_ms - each.mono_ms <= LONGEST_SPAN_MS
            for doubt, rate in (_rate(each, newest),)
            if doubt + WANDER_PPM < DRIFT_PPM and abs(rate) <= DRIFT_PPM
        ]
        if measured:
            doubt, self._rate_ppm = min(measured)
            self._doubt_ppm = doubt + WANDER_PPM


def _rate(early: Answer, late: Answer) -> tuple[float, float]:
    """Return by how many ppm the crystal runs slow between two answers: the doubt, the rate."""
    span_ms = late.mono_ms - early.mono_ms
    gained_ms = late.unix_ms - early.unix_ms - span_ms
    return (
        (early.error_ms + late.error_ms) * _MILLION / span_ms,
        gained_ms * _MILLION / span_ms,
    )
