"""What is to be told about the clocks: steps of our own time, jumps and lies of the others.

Each is an event once. A source that lies without an end must not fill the outbox: so many of each
an hour, and a lie that goes on is one lie.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from loa_endpoint.core.clock import Disagreement, Reading
from loa_endpoint.core.time_source import Jump
from loa_protocol.record import ClockTrust, Happening

STEP_MS: Final = 1000  # of our own time; less is a correction of drift
MOST_AN_HOUR: Final = 6  # events of one name about one source
_HOUR_MS: Final = 3_600_000


class ClockWatch:
    """Turns what the clock tells into events worth keeping."""

    def __init__(self) -> None:
        self._last: Reading | None = None
        self._lying: set[str] = set()
        self._told: dict[tuple[str, str], deque[int]] = {}

    def on_reading(self, now: Reading) -> Happening | None:
        """Return the step that our own time made since the reading before, if it made one.

        Below T2 there is no time that could step, only a floor that heads raise.
        """
        before, self._last = self._last, now
        if before is None or max(before.trust, now.trust) < ClockTrust.T2:
            return None
        by = now.unix_ms - before.unix_ms - (now.mono_ms - before.mono_ms)
        if abs(by) <= STEP_MS:
            return None
        rungs = f"{before.trust.name} to {now.trust.name}"
        return self.tell("clock_step", "", f"{rungs}, by {by} ms", now.mono_ms)

    def on_heard(
        self, source: str, found: tuple[Jump | Disagreement, ...], mono_ms: int
    ) -> list[Happening]:
        """Return what to tell of what was *found* wrong with the word of *source*."""
        told: list[Happening | None] = []
        for each in found:
            detail = f"{source} by {_by(each)} ms"
            if isinstance(each, Jump):
                told.append(self.tell("clock_jumped", source, detail, mono_ms))
            elif source not in self._lying:
                told.append(self.tell("clock_disagrees", source, detail, mono_ms))
        is_lying = any(isinstance(each, Disagreement) for each in found)
        (self._lying.add if is_lying else self._lying.discard)(source)
        return [each for each in told if each is not None]

    def tell(self, name: str, source: str, detail: str, mono_ms: int) -> Happening | None:
        """Return the event *name* about *source*, None where enough of them were told."""
        times = self._told.setdefault((name, source), deque(maxlen=MOST_AN_HOUR))
        if len(times) == MOST_AN_HOUR and mono_ms - times[0] < _HOUR_MS:
            return None
        times.append(mono_ms)
        return Happening(name=name, detail=detail)


def _by(found: Jump | Disagreement) -> int:
    return found.by_ms if isinstance(found, Jump) else found.off_by_ms
