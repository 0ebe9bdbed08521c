"""What several players measured of one play, as one: a player that was killed told what it had.

The player says once a second what it has measured so far. When it is replaced, that is kept, and
what the next one measures is added. Times are monotonic milliseconds.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from loa_endpoint.core.play import MOST_RECORDED, Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What one player measured, and when."""

    measured: Measured
    start_ms: int
    end_ms: int


class Measurements:
    """The stretches of the plays that are under way."""

    def __init__(self) -> None:
        self._done: dict[str, list[Stretch]] = {}
        self._now: dict[str, Stretch] = {}

    @property
    def plays(self) -> tuple[str, ...]:
        """The plays of which something is known."""
        return tuple(sorted({*self._done, *self._now}))

    def so_far(self, play: str, stretch: Stretch) -> None:
        """Take what the present player has measured of *play* up to now."""
        self._now[play] = stretch

    def player_lost(self) -> None:
        """Keep what the player had told: it measures no more."""
        for play, stretch in self._now.items():
            self._done.setdefault(play, []).append(stretch)
        self._now.clear()

    def finish(self, play: str, last: Stretch | None) -> Measured | None:
        """Return what was measured of *play* by all players, and forget it; None for nothing.

        Args:
            play: Its name.
            last: What the last player measured; None where it did not live to tell.
        """
        stretches = self._done.pop(play, [])
        current = self._now.pop(play, None)
        if last is not None:
            stretches.append(last)
        elif current is not None:
            stretches.append(current)
        return join(stretches) if stretches else None


def join(stretches: list[Stretch]) -> Measured:
    """Return the measurement of *stretches*, in order of time, as if one player had made it.

    Peaks, silences and xruns are exact, and the time between two players is silence. Loudness is
    the mean power by time: the gate of EBU R128 cannot be asked again, so that a stretch with long
    pauses weighs a little too much.
    """
    parts = [stretch.measured for stretch in stretches]
    seams = [max(0, b.start_ms - a.end_ms) for a, b in itertools.pairwise(stretches)]
    peaks = [part.true_peak_cdb for part in parts if part.true_peak_cdb is not None]
    return Measured(
        loudness_clufs=_mean_loudness(stretches),
        true_peak_cdb=max(peaks, default=None),
        silent_ms=sum(part.silent_ms for part in parts) + sum(seams),
        longest_gap_ms=max([part.longest_gap_ms for part in parts] + seams),
        xruns=sum(part.xruns for part in parts),
        recorded=tuple(file for part in parts for file in part.recorded)[:MOST_RECORDED],
        off_ms=max((p.off_ms for p in parts if p.off_ms is not None), key=abs, default=None),
    )


def _mean_loudness(stretches: list[Stretch]) -> int | None:
    power, weight = 0.0, 0
    for stretch in stretches:
        loudness = stretch.measured.loudness_clufs
        length_ms = max(1, stretch.end_ms - stretch.start_ms)
        if loudness is not None:
            power += length_ms * 10 ** (loudness / 1000)
            weight += length_ms
    return round(1000 * math.log10(power / weight)) if weight else None
