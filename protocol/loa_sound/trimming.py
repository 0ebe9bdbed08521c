"""Where to cut the silence off the ends of a recording: never into the sound. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from loa_sound.blocks import RATE
from loa_sound.outline import Outline

KEEP_BEFORE_MS: Final = 10
"""Left before the first sound: the onset of a consonant grows out of less than -60 dBFS."""
KEEP_BEHIND_MS: Final = 50
"""Left behind the last sound, for what rings on below -60 dBFS."""
WORTH_MS: Final = 100
"""An end with less to cut stays as it is: every codec pads by 20-50 ms, and coding anew costs."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What is left of a sound, in samples at 48 kHz, and how much goes."""

    start: int
    end: int
    length: int

    @property
    def before_ms(self) -> int:
        """How much silence goes from the beginning."""
        return self.start * 1000 // RATE

    @property
    def behind_ms(self) -> int:
        """How much silence goes from the end."""
        return (self.length - self.end) * 1000 // RATE

    def __bool__(self) -> bool:
        return self.start > 0 or self.end < self.length


def plan_cut(outline: Outline, *, worth_ms: int = WORTH_MS) -> Cut:
    """Return what to keep of a sound: all of it where it is silent, or tight enough already."""
    length = outline.samples
    if outline.is_silent:
        return Cut(0, length, length)
    worth = worth_ms * RATE // 1000
    start = max(0, outline.first - KEEP_BEFORE_MS * RATE // 1000)
    end = min(length, outline.last + KEEP_BEHIND_MS * RATE // 1000)
    return Cut(start if start >= worth else 0, end if length - end >= worth else length, length)
