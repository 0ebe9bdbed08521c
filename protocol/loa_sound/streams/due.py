"""How many samples belong to the time that has passed. Pure."""

from __future__ import annotations

from typing import Final

from loa_sound.blocks import RATE

MOST_BEHIND: Final = RATE // 5
"""Samples: what a source that stood still owes by then it does not have to bring at once."""


class Due:
    """Counts for one source, from the first time it is asked."""

    def __init__(self) -> None:
        self._start_s: float | None = None
        self._taken = 0

    def count(self, now_s: float) -> int:
        """Return how many are due at *now_s*, monotonic seconds."""
        if self._start_s is None:
            self._start_s = now_s
        return round((now_s - self._start_s) * RATE) - self._taken

    def took(self, count: int, due: int) -> None:
        """Note that *count* of the *due* were there; what is far behind is forgiven."""
        self._taken += count + max(0, due - count - MOST_BEHIND)
