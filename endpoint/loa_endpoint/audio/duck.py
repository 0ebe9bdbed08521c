"""Gains that move: the volume, and what plays lowered under an announcement.

Pure. A gain moves in even dB steps, which the ear takes for an even movement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loa_endpoint.audio.voice import DECLICK
from loa_sound.blocks import CHUNK, Samples

MUTE_DB: Final = -100.0
_STEPS: Final = np.arange(1, CHUNK + 1, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Duck:
    """What an announcement asks of what plays: so many dB (0 or less), within *ramp* samples."""

    db: float
    ramp: int


class Gain:
    """A gain that moves in even dB steps; 0 dB to begin with."""

    def __init__(self) -> None:
        self._db = self._target = self._step = 0.0
        self._left = 0
        self._ratio = 1.0

    @property
    def target_db(self) -> float:
        """Where it is, or is moving to."""
        return self._target

    def move(self, target: float, samples: int) -> None:
        """Move to *target* dB within *samples*, from wherever it is now."""
        self._target, self._left = target, max(samples, DECLICK)
        self._step = (target - self._db) / self._left

    def jump(self, target: float) -> None:
        """Be at *target* dB: only where nobody hears it."""
        self._db = self._target = target
        self._left = 0
        self._ratio = float(_to_ratio(np.array([target]))[0])

    def apply(self, out: Samples) -> None:
        """Multiply *out* by the gain, which goes on moving."""
        if self._left:
            count = min(self._left, len(out))
            ramp = self._db + self._step * _STEPS[:count]
            np.multiply(out[:count], _to_ratio(ramp), out=out[:count], casting="same_kind")
            self.pass_by(count)
            out = out[count:]
        if self._ratio != 1.0 and len(out):
            np.multiply(out, self._ratio, out=out)

    def pass_by(self, samples: int) -> None:
        """Go on moving where there is nothing to apply it to."""
        if not self._left:
            return
        count = min(self._left, samples)
        self._left -= count
        self._db = self._db + self._step * count if self._left else self._target
        self._ratio = float(_to_ratio(np.array([self._db]))[0])


class Ducking:
    """How far what plays is lowered.

    It follows the announcement that is heard, and nothing else: one that has ended, broken, been
    stopped or fallen silent lets the programme come back.
    """

    def __init__(self) -> None:
        self.gain = Gain()
        self._ramp = 0

    def follow(self, duck: Duck | None) -> None:
        """Go where *duck* asks, or back (None) as quickly as it went down."""
        target = 0.0 if duck is None else duck.db
        if duck is not None:
            self._ramp = duck.ramp
        if target != self.gain.target_db:
            self.gain.move(target, self._ramp)


def _to_ratio(db: NDArray[np.float64]) -> NDArray[np.float64]:
    ratio: NDArray[np.float64] = np.power(10.0, db / 20)
    ratio[db <= MUTE_DB] = 0
    return ratio
