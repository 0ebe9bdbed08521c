"""Judges a stream of somebody else's: does it flow, has it fallen silent, when to ask again. Pure.

What has died or gone silent is not sent on: with nothing to sound, the boards fall back to whatever
else their item may sound from. With silence they would not.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

FIRST_S: Final = 1.0
LONGEST_S: Final = 60.0
SOUND_S: Final = 1.0  # so much sound there has to be again before it is sent on
PAUSE_S: Final = 1.0  # what is shorter lies between two words; what is as long begins anew
STEADY_S: Final = 30.0  # after so long a stream that fails has failed anew


class Flow(enum.Enum):
    """How a stream is."""

    AWAY = "away"  # not connected, or nothing to play yet
    FLOWING = "flowing"
    SILENT = "silent"  # it comes, and there is nothing in it


@dataclass(slots=True)
class Watch:
    """Fed with each 20 ms; says when what is sent on begins and ends."""

    silence_s: float  # so long nothing in it is heard, and it is silent
    flow: Flow = Flow.AWAY
    _quiet_s: float = 0.0
    _sound_s: float = 0.0

    def hear(self, seconds: float, *, is_silent: bool) -> bool:
        """Take *seconds* of sound; return whether the state is another now."""
        before = self.flow
        self._quiet_s = self._quiet_s + seconds if is_silent else 0.0
        if not is_silent:
            self._sound_s += seconds
        elif self._quiet_s >= PAUSE_S:
            self._sound_s = 0.0
        if self.flow is Flow.AWAY:
            self.flow = Flow.FLOWING
        if self._quiet_s >= self.silence_s:
            self.flow = Flow.SILENT
        elif self.flow is Flow.SILENT and self._sound_s >= SOUND_S:
            self.flow = Flow.FLOWING
        return self.flow is not before

    def miss(self) -> bool:
        """Note that nothing is there to play; return whether the state is another now."""
        before, self.flow = self.flow, Flow.AWAY
        self._quiet_s = self._sound_s = 0.0
        return before is not Flow.AWAY


class BackOff:
    """When to ask again: 1 s, doubling to a minute, less up to half."""

    def __init__(self) -> None:
        self._failures = 0

    def failed(self, chance: float, *, lasted_s: float = 0.0) -> float:
        """Return the seconds to wait.

        Args:
            chance: Uniform in [0, 1): many relays must not come back together.
            lasted_s: How long it had flowed before.
        """
        if lasted_s >= STEADY_S:
            self._failures = 0
        self._failures += 1
        longest = min(LONGEST_S, FIRST_S * 2.0 ** min(self._failures - 1, 10))
        return longest * (1 - chance / 2)
