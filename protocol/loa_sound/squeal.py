"""Squeal: a steady tone that a microphone hears and nobody wrote.

Whatever sings by itself, a feedback loop or a broken amplifier, sings on one pitch for a while, and
our own tones (a siren, an organ's note) are found in what was written, at any delay up to two
seconds. What counts of a pitch is the power that it keeps nearly all the time, as a share of all
that is heard: speech crosses every pitch and stays on none. So neither gain nor level matters.
Only spectra are kept, no sound.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loa_sound.blocks import CHUNK, RATE, Samples
from loa_sound.meters import Chunker

SIZE: Final = 4096
"""Samples in a spectrum, 85 of every 100 ms: bins of 11.7 Hz."""
BAND_HZ: Final = (300, 6_000)
"""Where a horn squeals; hum and wind lie below, most cicadas above."""
TURN: Final = 5
"""Spectra between two judgements: half a second."""
HEARD_TURNS: Final = 2
"""A tone has to be heard for a second. What was written is looked through in half seconds, of which
every second of a tone holds one whole, wherever it lies."""
MEMORY: Final = 7
"""Turns of what was written that are kept: 2 s of delay, the second that is judged, and one."""
SPAN: Final = 2
"""A tone under a Hann window fills its bin and two on either side."""
NEAR: Final = 0.015
"""A quarter of a tone: so far is a pitch the same."""
SHARE: Final = 0.2
"""Of the power heard, kept by the tone: as loud as a quarter of everything else."""
PROMINENCE: Final = 100.0
"""20 dB over the median of its surroundings: a whistle, not a formant."""
AROUND: Final = 25
"""Bins on either side that count as surroundings: 300 Hz."""
ABSENT: Final = 16.0
"""12 dB: so much louder, against all else, than in what was written. A horn's own resonances and
what it does not pass shift a tone by up to 10 dB."""
QUIET: Final = 1e-5
"""RMS of -100 dBFS: below it there is nothing to judge."""

Power = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Squeal:
    """A squeal began, or is over.

    Attributes:
        hz: Its pitch.
        share: Of the power that is heard, 0 to 1.
    """

    active: bool
    hz: int
    share: float


class SquealWatch:
    """Look for tones that are heard and were not written. Feed it both sounds as they come."""

    def __init__(self) -> None:
        self._written = _Steady(turns=1, memory=MEMORY)
        self._heard = _Steady(turns=HEARD_TURNS, memory=HEARD_TURNS)
        self._reach = _reach(len(self._written.none))
        self._standing: Squeal | None = None
        self._missed = 0

    def wrote(self, sound: Samples) -> None:
        """Take the next samples that were written."""
        self._written.feed(sound)

    def hear(self, sound: Samples) -> list[Squeal]:
        """Take the next samples that were heard; return what begins or ends."""
        changes: list[Squeal] = []
        for _ in range(self._heard.feed(sound)):
            changes += self._judge()
        return changes

    def clear(self) -> list[Squeal]:
        """Forget what was heard; return the end of a squeal that stood."""
        self._heard.clear()
        return self._end()

    def _judge(self) -> list[Squeal]:
        found = self._find()
        if found is None and self._standing is not None:
            self._missed += 1
            return self._end() if self._missed > HEARD_TURNS else []
        self._missed = 0
        if found is None or self._standing is not None:
            return []
        self._standing = found
        return [found]

    def _end(self) -> list[Squeal]:
        was, self._standing, self._missed = self._standing, None, 0
        return [] if was is None else [Squeal(active=False, hz=was.hz, share=0.0)]

    def _find(self) -> Squeal | None:
        """Return the strongest tone of the last second that was not written."""
        if not self._heard.is_full:
            return None
        heard = self._heard.latest()
        alone = np.where(heard >= np.maximum(SHARE, ABSENT * self._most_written()), heard, 0)
        at = int(np.argmax(alone))
        if not alone[at] or not _stands_out(heard, at):
            return None
        top = np.arange(max(0, at - SPAN), min(len(alone), at + 2 * SPAN + 1))
        middle = float(
            top[alone[top] >= 0.9 * alone[at]].mean()
        )  # what SPAN adds up has a flat top
        hz = round((middle + self._heard.low) * RATE / SIZE)
        return Squeal(active=True, hz=hz, share=round(min(1.0, float(alone[at])), 3))

    def _most_written(self) -> Power:
        """Return the most that each pitch, or one near it, kept in any half second."""
        most = self._written.most()
        low, high = self._reach
        near: Power = np.maximum.reduce([most[low], most, most[high]])
        return near


class _Steady:
    """What each pitch of a sound keeps, as a share of all: one row for each half second."""

    def __init__(self, *, turns: int, memory: int) -> None:
        self.low, high = (round(hz * SIZE / RATE) for hz in BAND_HZ)
        self._band = slice(self.low, high)
        self._chunks = Chunker(CHUNK)
        self._window = np.hanning(SIZE + 1)[:SIZE].astype(np.float32)
        self._spectra: deque[Power] = deque(maxlen=TURN * turns)
        self._since_turn = 0
        self._rows: deque[Power] = deque(maxlen=memory)
        self._totals: deque[float] = deque(maxlen=TURN * memory)
        self.none: Power = np.zeros(high - self.low, dtype=np.float32)

    @property
    def is_full(self) -> bool:
        """Whether a whole turn was measured."""
        return len(self._spectra) == self._spectra.maxlen

    def feed(self, sound: Samples) -> int:
        """Take the next samples; return how many turns they complete."""
        chunks = self._chunks.whole(sound)
        turns = 0
        for power in self._powers(chunks.reshape(-1, CHUNK)) if len(chunks) else ():
            self._spectra.append(power)
            self._totals.append(float(power.sum()))
            self._since_turn += 1
            if self._since_turn == TURN:
                self._since_turn = 0
                self._rows.append(self._row())
                turns += 1
        return turns

    def _powers(self, rows: Samples) -> Power:
        spectra = np.fft.rfft(rows[:, :SIZE] * self._window)[:, self._band]
        parts = spectra.view(np.float32)  # real, imaginary
        np.square(parts, out=parts)
        powers: Power = parts[:, ::2] + parts[:, 1::2]
        return powers

    def clear(self) -> None:
        """Forget everything."""
        self._spectra.clear()
        self._rows.clear()
        self._totals.clear()
        self._since_turn = 0

    def latest(self) -> Power:
        """Return the shares of the last turn."""
        return self._shares(self._rows[-1])

    def most(self) -> Power:
        """Return the largest share of each pitch in any turn that is kept."""
        return self._shares(np.maximum.reduce(self._rows)) if self._rows else self.none

    def _row(self) -> Power:
        """Return the power that each tone had in four of five spectra at least."""
        rows = np.array(self._spectra)
        kept = np.partition(rows, len(rows) // TURN, axis=0)[len(rows) // TURN]
        return np.convolve(kept, np.ones(2 * SPAN + 1, dtype=np.float32), mode="same")

    def _shares(self, row: Power) -> Power:
        total = sum(self._totals) / max(1, len(self._totals))
        return self.none if total < (QUIET * SIZE / 2) ** 2 else row / np.float32(total)


def _reach(bins: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return for each bin its neighbours a quarter of a tone away."""
    at = np.arange(bins)
    low = round(BAND_HZ[0] * SIZE / RATE)
    near = np.maximum(1, np.rint((at + low) * NEAR)).astype(np.intp)
    return np.maximum(at - near, 0), np.minimum(at + near, bins - 1)


def _stands_out(shares: Power, at: int) -> bool:
    around = shares[max(0, at - AROUND) : at + AROUND + 1]
    return float(shares[at]) > PROMINENCE * float(np.median(around))
