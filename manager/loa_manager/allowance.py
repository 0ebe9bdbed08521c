"""How much somebody who is known may use in a day: so much at once, and more as time goes by. Pure.

Whoever holds a good key may still be hostile. What they send is kept; without a measure one key
fills the disk on which everybody's records are.
"""

from __future__ import annotations

from typing import Final

_TIDY_AT: Final = 4096  # names; those with all of theirs left need not be remembered


class Allowance:
    """A measure for each name. Of anything: bytes, rows, requests."""

    def __init__(self, most: float, per_s: float) -> None:
        """Give each name *most* to begin with, and *per_s* a second up to that again."""
        self._most, self._per_s = most, per_s
        self._left: dict[str, tuple[float, float]] = {}  # name -> what was left, when

    def left(self, name: str, now_s: float) -> float:
        """Return what *name* may still use; negative where the last use was larger than the rest.

        Args:
            name: Who.
            now_s: Seconds of any clock; where it goes back, nothing is given and nothing taken.
        """
        left, since_s = self._left.get(name, (self._most, now_s))
        return min(self._most, left + max(0.0, now_s - since_s) * self._per_s)

    def use(self, name: str, amount: float, now_s: float) -> None:
        """Note that *name* used *amount*; whether it may is for the caller to ask before."""
        if len(self._left) >= _TIDY_AT and name not in self._left:
            names = [each for each in self._left if self.left(each, now_s) < self._most]
            self._left = {each: self._left[each] for each in names}
        self._left[name] = self.left(name, now_s) - amount, now_s
