"""Content evidence: for how much of a play did the ear hear what was written?

The player compares the two and says once a second whether the last four seconds match. A match
vouches for the sound that it compares; what leaves the reach of all comparisons unmatched was not
heard, unless something else was so loud that our horn could not have been made out. Times are
monotonic milliseconds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

WINDOW_MS: Final = 4000  # what one comparison covers; see loa_sound.likeness
REACH_MS: Final = WINDOW_MS + 2000  # and the longest delay
ALARM_MS: Final = 5000  # a horn that is cut off still matches for some 3 s: together under 10
ALARM_SOUND_MS: Final = 3000  # and so much sound was written meanwhile
FRESH_MS: Final = 3000  # a match is news for so long; younger sound may still be on its way
MASK_CDB: Final = 600  # from 6 dB below our horn on, another sound may cover it
_LEARN: Final = 8  # comparisons over which the level of our horn is averaged


@dataclass(frozen=True, slots=True)
class Heard:
    """One comparison of what was heard up to *at_ms* with what was written *lag_ms* before.

    Attributes:
        matches: None where what was written has no shape to be known by.
        level_cdbfs: Of what was heard.
    """

    at_ms: int
    matches: bool | None
    lag_ms: int
    level_cdbfs: int


class EarWatch:
    """Sum up, over one play, the sound that was heard.

    Attributes:
        confirmed_ms: Sound that was heard.
        missing_ms: Sound that should have been heard, and was not.
        unread_ms: Sound of which nothing can be said.
    """

    def __init__(self) -> None:
        self._pieces: deque[tuple[int, int]] = deque()  # end, length: not judged yet
        self._horn_cdbfs: int | None = None
        self._last: Heard | None = None
        self._matched_ms: int | None = None
        self._last_sound_ms = 0
        self._sound_since_match_ms = 0
        self._sound_from_ms: int | None = None  # first sound since the last match
        self.confirmed_ms = self.missing_ms = self.unread_ms = 0

    @property
    def written_ms(self) -> int:
        """All sound that was judged, or given up."""
        return self.confirmed_ms + self.missing_ms + self.unread_ms

    def begin(self) -> None:
        """Sum up a new play."""
        self._pieces.clear()
        self.confirmed_ms = self.missing_ms = self.unread_ms = 0

    def end(self, now_ms: int) -> None:
        """Judge what is left of the play that ends; what is fresh does not count."""
        left = sum(length for end, length in self._pieces if end <= now_ms - FRESH_MS)
        self._give_up(left)
        self._pieces.clear()

    def wrote(self, length_ms: int, now_ms: int) -> None:
        """Take note of a piece of sound that was just written."""
        if now_ms - self._last_sound_ms > REACH_MS:  # another play: what was before is no news
            self._sound_since_match_ms, self._sound_from_ms = 0, None
        self._last_sound_ms = now_ms
        self._pieces.append((now_ms, length_ms))
        self._sound_since_match_ms += length_ms
        if self._sound_from_ms is None:
            self._sound_from_ms = now_ms - length_ms
        self._drop_before(now_ms - 2 * REACH_MS)

    def heard(self, heard: Heard) -> None:
        """Take a comparison."""
        self._last = heard
        if heard.matches:
            self._match(heard)
        self._drop_before(heard.at_ms - REACH_MS)

    def lose(self) -> None:
        """Take note that the ear is gone: nothing more is known."""
        self._last = self._matched_ms = None
        self._sound_since_match_ms, self._sound_from_ms = 0, None

    def has_just_matched(self, now_ms: int) -> bool:
        """Tell whether our sound is being heard."""
        return self._matched_ms is not None and now_ms - self._matched_ms <= FRESH_MS

    def misses_sound(self, now_ms: int) -> bool:
        """Tell whether sound was written for long enough, and none of it heard."""
        begun_ms, last = self._sound_from_ms, self._last
        if begun_ms is None or last is None or not self._is_silent(last):
            return False
        is_fresh = now_ms - last.at_ms <= FRESH_MS
        is_long = now_ms - begun_ms >= ALARM_MS and self._sound_since_match_ms >= ALARM_SOUND_MS
        return is_fresh and is_long

    def _match(self, heard: Heard) -> None:
        known = self._horn_cdbfs
        step = 0 if known is None else (heard.level_cdbfs - known) // _LEARN
        self._horn_cdbfs = heard.level_cdbfs if known is None else known + step
        self._matched_ms = heard.at_ms
        self._sound_since_match_ms, self._sound_from_ms = 0, None
        until_ms = heard.at_ms - heard.lag_ms
        covered = range(until_ms - WINDOW_MS, until_ms + 1)
        self.confirmed_ms += sum(length for end, length in self._pieces if end in covered)
        self._pieces = deque(piece for piece in self._pieces if piece[0] not in covered)

    def _is_silent(self, heard: Heard) -> bool:
        """Tell whether our horn would have been made out, had it sounded."""
        if heard.matches is not False:
            return False
        return self._horn_cdbfs is None or heard.level_cdbfs < self._horn_cdbfs - MASK_CDB

    def _drop_before(self, limit_ms: int) -> None:
        gone = 0
        while self._pieces and self._pieces[0][0] <= limit_ms:
            gone += self._pieces.popleft()[1]
        self._give_up(gone)

    def _give_up(self, length_ms: int) -> None:
        if self._last is not None and self._is_silent(self._last):
            self.missing_ms += length_ms
        else:
            self.unread_ms += length_ms
