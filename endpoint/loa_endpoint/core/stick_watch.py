"""Which sticks are there, when each is read again, and what came of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

AGAIN_MS: Final = 60_000  # while it is there: the time, or a certificate, may have become known
AFTER_FAILURE_MS: Final = 10_000


class StickState(enum.StrEnum):
    """How far reading a stick has come."""

    READING = "reading"
    READ = "read"  # everything that is ours was looked at
    INCOMPLETE = "incomplete"  # something could not be read, or was refused


@dataclass(slots=True)
class StickNote:
    """What is told of one stick.

    Attributes:
        path: Where it is.
        state: How far reading has come.
        taken: State objects and orders that were new here.
        known: Orders that were here already.
        refused: What was not trusted.
        read_ms: When the last reading ended; None before.
    """

    path: str
    state: StickState = StickState.READING
    taken: int = 0
    known: int = 0
    refused: int = 0
    read_ms: int | None = None

    def is_due(self, now_ms: int) -> bool:
        """Tell whether to read it (again)."""
        if self.read_ms is None:
            return True
        pause_ms = AGAIN_MS if self.state is StickState.READ else AFTER_FAILURE_MS
        return now_ms - self.read_ms >= pause_ms

    def ended(self, now_ms: int, *, is_complete: bool) -> None:
        """Take note that a reading ended."""
        self.read_ms = now_ms
        self.state = StickState.READ if is_complete else StickState.INCOMPLETE
