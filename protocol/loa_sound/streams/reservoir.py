"""What was decoded waits here, and is taken at the clock's pace.

So bursts become sound in time, and a gap shorter than what is held is not heard.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock

import numpy as np

from loa_sound.blocks import RATE, Samples
from loa_sound.streams.due import Due


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much a reservoir holds.

    Attributes:
        before_s: Held before the first sample is given, and again where it ran dry.
        most_s: More than this is too late to be of use: the oldest goes.
    """

    before_s: float
    most_s: float


class Reservoir:
    """Samples between whoever decodes them and whoever takes them at the clock's pace."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._lock = Lock()
        self._pieces: deque[Samples] = deque()
        self._held = 0
        self._due = Due()
        self._is_filling = True
        self.dropped = 0  # samples that were too many
        self.dry = 0  # times that nothing was left

    @property
    def held_s(self) -> float:
        """Seconds that wait."""
        return self._held / RATE

    @property
    def is_full(self) -> bool:
        """Whether whoever fills it may as well wait."""
        return self._held >= self._room.most_s * RATE

    def put(self, samples: Samples) -> None:
        """Add what was decoded; what is too much goes, the oldest first."""
        with self._lock:
            self._pieces.append(samples)
            self._held += len(samples)
            while self._held > self._room.most_s * RATE and len(self._pieces) > 1:
                gone = len(self._pieces.popleft())
                self._held -= gone
                self.dropped += gone

    def take(self, now_s: float) -> Samples:
        """Return what is due at *now_s*, monotonic seconds; nothing while it fills."""
        with self._lock:
            if self._is_filling:
                if self._held < self._room.before_s * RATE or not self._held:
                    return np.zeros(0, dtype=np.float32)
                self._is_filling, self._due = False, Due()
            due = self._due.count(now_s)
            taken = self._cut(due)
            self._due.took(len(taken), due)
            if len(taken) < due:
                self.dry += 1
                self._is_filling = True
            return taken

    def clear(self) -> None:
        """Forget what is held, and fill anew."""
        with self._lock:
            self._pieces.clear()
            self._held, self._is_filling = 0, True

    def _cut(self, count: int) -> Samples:
        parts: list[Samples] = []
        while count > 0 and self._pieces:
            piece = self._pieces.popleft()
            if len(piece) > count:
                self._pieces.appendleft(piece[count:])
                piece = piece[:count]
            parts.append(piece)
            count -= len(piece)
            self._held -= len(piece)
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)
