"""How loud a voice is, whether it is clipped, and for how long it has been silent. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from loa_sound.blocks import BLOCK, RATE, Samples
from loa_sound.meters import FLOOR_DBFS, to_db

CLIPPED: Final = 0.999  # of full scale: a sample that was cut off, or will be
SILENT_DBFS: Final = -60.0  # as `loa_sound.meters.GAP_DBFS`; a room with a microphone is louder
_BLOCK_S: Final = BLOCK / RATE


@dataclass(frozen=True, slots=True)
class Level:
    """What was heard since the last look.

    Attributes:
        rms_dbfs: Its mean.
        peak_dbfs: Its largest sample.
        clipped: Samples at full scale.
        silent_s: How long nothing has been heard by now.
    """

    rms_dbfs: float = FLOOR_DBFS
    peak_dbfs: float = FLOOR_DBFS
    clipped: int = 0
    silent_s: float = 0.0


class LevelMeter:
    """Fed block by block, looked at now and then."""

    def __init__(self) -> None:
        self.silent_s = 0.0
        self._peak = self._power = 0.0
        self._clipped = self._blocks = 0

    def feed(self, block: Samples) -> None:
        """Take 20 ms."""
        loudest = float(np.abs(block).max(initial=0.0))
        self._peak = max(self._peak, loudest)
        self._clipped += int(np.count_nonzero(np.abs(block) >= CLIPPED))
        power = float(np.square(block).mean()) if len(block) else 0.0
        self._power += power
        self._blocks += 1
        is_silent = to_db(power**0.5) < SILENT_DBFS
        self.silent_s = self.silent_s + _BLOCK_S if is_silent else 0.0

    def look(self) -> Level:
        """Return what was heard since the last look."""
        mean = (self._power / self._blocks) ** 0.5 if self._blocks else 0.0
        level = Level(to_db(mean), to_db(self._peak), self._clipped, self.silent_s)
        self._peak = self._power = 0.0
        self._clipped = self._blocks = 0
        return level
