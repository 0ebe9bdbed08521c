"""What lies between the loop that renders and the thread of a card that asks.

Neither waits for the other's lock: the one appends to a deque and counts what it gave, the other
pops and counts what it took, and a descriptor wakes the one that gives.
"""

from __future__ import annotations

import os
import select
from collections import deque
from dataclasses import dataclass
from typing import Final

BYTES: Final = 2
"""Of a sample: signed 16-bit, mono."""


@dataclass(frozen=True, slots=True)
class Portion:
    """What a card is given at once.

    Attributes:
        data: As many samples as it asked for; behind the last one there was, silence.
        first: Number of the first sample; None where there was none.
        missing: Samples that should have been there and were not.
    """

    data: bytes
    first: int | None
    missing: int


class CardFeed:
    """Samples on their way to a card, in order. One thread puts, one takes."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._given = self._taken = 0
        self._room = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._room, select.POLLIN)

    @property
    def held(self) -> int:
        """Samples that wait to be taken."""
        return self._given - self._taken

    @property
    def has_begun(self) -> bool:
        """Tell whether any sample was taken."""
        return self._taken > 0

    def put(self, sample: int, pcm: bytes) -> None:
        """Add *pcm*, whose first sample is number *sample*."""
        self._given += len(pcm) // BYTES
        self._waiting.append((sample, pcm))

    def wait(self, ms: int) -> None:
        """Wait until something was taken, at most *ms*."""
        if self._poll.poll(ms):
            os.eventfd_read(self._room)

    def take(self, samples: int) -> Portion:
        """Take the next *samples*; never waits.

        Until there are so many for the first time, it is silence that nobody misses.
        """
        parts, first, left = list[bytes](), None, samples
        if not self.has_begun and self.held < samples:
            os.eventfd_write(self._room, 1)
            return Portion(bytes(samples * BYTES), None, 0)
        while left and self._waiting:
            sample, pcm = self._waiting.popleft()
            first = sample if first is None else first
            part, rest = pcm[: left * BYTES], pcm[left * BYTES :]
            if rest:
                self._waiting.appendleft((sample + left, rest))
            parts.append(part)
            left -= len(part) // BYTES
        self._taken += samples - left
        os.eventfd_write(self._room, 1)
        return Portion(b"".join(parts) + bytes(left * BYTES), first, left)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._room)
