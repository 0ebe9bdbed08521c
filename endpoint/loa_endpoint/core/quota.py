"""How many orders of one person are remembered: whoever stole a key must not fill the disk.

What is remembered cannot be dropped to make room, or it could happen again. So each holder has so
many orders at a time, and what several stand behind is refused only when all of them are over: a
stolen key uses up its own, not the others'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

MOST: Final = 256  # of one holder, until their messages are long over
TOO_MANY: Final = "too_many"  # why an order is refused


class Quota:
    """Counts the orders that are remembered, by holder."""

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()

    def remember(self, every: Iterable[tuple[str, ...]]) -> None:
        """Know the holders of each order that is remembered now."""
        self._count = Counter(holder for holders in every for holder in set(holders))

    def took(self, holders: tuple[str, ...]) -> None:
        """Know of one order more."""
        self._count.update(set(holders))

    def is_used_up(self, holders: tuple[str, ...]) -> bool:
        """Tell whether all *holders* have as many as they may."""
        return bool(holders) and all(self._count[holder] >= MOST for holder in holders)
