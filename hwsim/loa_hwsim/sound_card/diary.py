"""What befell a simulated card, and when each sample of its sounded: read from its own log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

RATE: Final = 48_000
SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One line.

    Attributes:
        what: ``opened``, ``clock`` (samples move from here on), ``still``, ``xrun`` or ``stopped``.
        direction: ``PLAYBACK`` or ``CAPTURE``.
        at_ns: CLOCK_MONOTONIC.
        sample: Number in ``played.raw`` of what leaves the card's buffer at that instant.
    """

    what: str
    direction: str
    at_ns: int
    sample: int


@dataclass(frozen=True, slots=True)
class Diary:
    """All entries, oldest first, and the clock that they are kept by."""

    entries: tuple[Entry, ...]
    rate_ppm: float
    latency: int

    def count(self, what: str, direction: str = "PLAYBACK") -> int:
        """Return how often *what* has happened."""
        return sum((entry.what, entry.direction) == (what, direction) for entry in self.entries)

    def sounds_ns(self, sample: int) -> int:
        """Return the instant at which a *sample* of ``played.raw`` sounded, or will.

        Raises:
            LookupError: The card has not moved since that was handed over.
        """
        moves = [
            entry
            for entry in self.entries
            if entry.what == "clock" and entry.direction == "PLAYBACK" and entry.sample <= sample
        ]
        if not moves:
            raise LookupError(f"sample {sample} has not sounded")
        rate = RATE * (1 + self.rate_ppm / 1e6)
        return moves[-1].at_ns + round(
            ((sample - moves[-1].sample) / rate + self.latency / RATE) * SECOND
        )


def read_diary(path: Path, *, rate_ppm: float, latency: int) -> Diary:
    """Read a card's log; empty where the card was never used."""
    lines = path.read_text().splitlines() if path.exists() else []
    entries = []
    for line in lines:
        what, direction, at_ns, sample = line.split()
        entries.append(Entry(what, direction, int(at_ns), int(sample)))
    return Diary(tuple(entries), rate_ppm, latency)
