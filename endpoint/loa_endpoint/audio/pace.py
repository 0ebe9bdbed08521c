"""How fast a sound is read so that it stays on its instant: a controller. Pure.

A card's clock is off by tens of millionths, a bad one by hundreds; the time that an endpoint is
told moves by milliseconds. Both are made good by reading a little faster or slower, which nobody
hears: 500 millionths are less than a hundredth of a semitone. Nothing is done about an offset that
nobody hears either, so that sound that is on time is written as it was decoded.
"""

from __future__ import annotations

from typing import Final

from loa_sound.blocks import RATE

MOST_PPM: Final = 500.0
"""Of correction: 0.05 %, 0.9 cent."""
BEGIN_S: Final = 0.0005
"""An offset of this size is corrected..."""
END_S: Final = 0.00005
"""...until it is as small as this."""
SETTLE_S: Final = 3.0
"""What is left falls to a third in this time; a card that is off by 100 ppm stays 0.3 ms off."""
TURN_PPM_S: Final = 250.0
"""Change of the correction in a second: no vibrato, and no knee in the wave."""
SLOW_PPM: Final = 20.0
"""A correction as small as this may be left off at once."""


class Pace:
    """The correction of one sound.

    Attributes:
        ppm: How much faster than nominal it is read now, in millionths.
    """

    def __init__(self) -> None:
        self.ppm = 0.0
        self._is_correcting = False

    def follow(self, late: float, samples: int) -> float:
        """Return the correction, in millionths, for the next *samples*.

        Args:
            late: By how many samples the sound lies behind its instant; below 0 where it is early.
            samples: How long until the next call: the only time there is.
        """
        if not self._is_correcting and abs(late) < BEGIN_S * RATE:
            return 0.0
        self._is_correcting = True
        wanted = late / (SETTLE_S * RATE) * 1e6
        wanted = min(MOST_PPM, max(-MOST_PPM, wanted))
        turn = TURN_PPM_S * samples / RATE
        self.ppm += min(turn, max(-turn, wanted - self.ppm))
        if abs(late) < END_S * RATE and abs(self.ppm) <= SLOW_PPM:
            self.ppm, self._is_correcting = 0.0, False
        return self.ppm
