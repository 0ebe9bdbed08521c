"""How often the agent looks around: ten times a second while something is near, else less.

Waking is what an idle board pays for: each time the processor comes back with cold caches. So a
round is put off while nothing can come of it, and is turned together with whatever wakes the agent
anyway, such as a word of the player. Whether all is calm is the director's to say.

Pure; instants are monotonic ms.
"""

from __future__ import annotations

from typing import Final

BRISK_MS: Final = 100
"""From one round to the next while something is under way or near."""
CALM_MS: Final = 1000
"""Otherwise, at the latest. A player that plays reports twice in that time and a little more:
whatever the phase in which both begin, its reports soon bring every round forward, and one wake
serves both."""
STIRRED_MS: Final = 2000
"""So long after something happened rounds stay brisk: much follows from what was done."""
SOON_MS: Final = 2000
"""What time alone will bring within this is near."""
_WAITING: Final = 8  # a brisk round that came with company waits an eighth longer for the same


class Pace:
    """When the next round is due. Readings must come in rising order."""

    def __init__(self) -> None:
        self._period_ms = BRISK_MS
        self._turned_ms = self._due_ms = 0
        self._brisk_until_ms = 0

    @property
    def due_ms(self) -> int:
        """When the next round is due."""
        return self._due_ms

    def stir(self, now_ms: int) -> None:
        """Hear that something happened: the next round comes as soon as a brisk one would."""
        self._brisk_until_ms = now_ms + STIRRED_MS
        self._due_ms = min(self._due_ms, max(now_ms, self._turned_ms + BRISK_MS))

    def is_worth(self, now_ms: int) -> bool:
        """Tell whether to turn a round before it is due, as the agent is awake anyway."""
        return now_ms - self._turned_ms >= self._period_ms // 2

    def turned(self, now_ms: int, *, is_calm: bool) -> None:
        """Hear that a round was turned, and whether nothing was near by the end of it."""
        is_brisk = now_ms < self._brisk_until_ms or not is_calm
        period_ms = BRISK_MS if is_brisk else CALM_MS
        if is_brisk and now_ms < self._due_ms:
            self._due_ms = now_ms + period_ms + period_ms // _WAITING
        else:
            is_in_step = is_brisk and self._due_ms + period_ms > now_ms
            self._due_ms = (self._due_ms if is_in_step else now_ms) + period_ms
        self._period_ms, self._turned_ms = period_ms, now_ms
