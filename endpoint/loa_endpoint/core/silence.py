"""How much of the last seconds was silent: what keeps speech, clicks and dead air apart.

A tenth of a second below the threshold is no silence: speech is full of them. Nor is a click now
and then a programme. So silence is judged by its share of a window: less than ``reset`` of the
last ``fail / 2 + reset`` was sound, and that for another ``fail / 2`` (the "smart fail" of the
Glensound SD1, which wants 4 s of sound before it counts anew, for readings ten times a second).
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

LONGEST_READING_MS: Final = 1000  # a gap between readings longer than this was not measured
_SHARE: Final = 5  # the sound asked for is at most this part of the patience


class _Piece(NamedTuple):
    start_ms: int
    end_ms: int
    is_silent: bool


class SilenceGauge:
    """Measure the silence in a sliding window; times are monotonic milliseconds.

    Args:
        fail_ms: How long a programme that sounded may be silent.
        reset_ms: Sound that makes it a programme again.

    Attributes:
        patience_ms: This much silence in the window is suspect; half of *fail_ms*.
    """

    def __init__(self, fail_ms: int, reset_ms: int) -> None:
        self.patience_ms = fail_ms // 2
        self._reset_ms = min(reset_ms, fail_ms // _SHARE)
        self._pieces: deque[_Piece] = deque()
        self._now_ms: int | None = None

    def feed(self, is_silent: bool, now_ms: int) -> None:
        """Take a reading about the time since the one before."""
        start_ms = now_ms if self._now_ms is None else self._now_ms
        start_ms = max(start_ms, now_ms - LONGEST_READING_MS)
        self._now_ms = now_ms
        last = self._pieces[-1] if self._pieces else None
        if last is not None and (last.end_ms, last.is_silent) == (start_ms, is_silent):
            self._pieces[-1] = last._replace(end_ms=now_ms)
        else:
            self._pieces.append(_Piece(start_ms, now_ms, is_silent))
        while self._pieces[0].end_ms < self._begin_ms(now_ms):
            self._pieces.popleft()

    @property
    def is_silent(self) -> bool:
        """Tell whether a programme that sounded has become suspect."""
        return self._sum_ms(silent=True) >= self.patience_ms

    @property
    def is_sounding(self) -> bool:
        """Tell whether there was enough sound to call a dead programme alive again."""
        sound_ms = self._sum_ms(silent=False)
        return sound_ms > 0 and sound_ms >= self._reset_ms

    def clear(self) -> None:
        """Forget everything: silence means nothing just now."""
        self._pieces.clear()
        self._now_ms = None

    def _begin_ms(self, now_ms: int) -> int:
        return now_ms - self.patience_ms - self._reset_ms

    def _sum_ms(self, *, silent: bool) -> int:
        begin_ms = self._begin_ms(self._now_ms or 0)
        found = (piece for piece in self._pieces if piece.is_silent is silent)
        return sum(piece.end_ms - max(piece.start_ms, begin_ms) for piece in found)
