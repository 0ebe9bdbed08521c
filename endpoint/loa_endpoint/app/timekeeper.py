"""The timekeeper: the clock ladder, fed with what the shell hears, its floor on the disk."""

from __future__ import annotations

import logging

from loa_endpoint.core.clock import Clock, Reading
from loa_endpoint.host.clocks import monotonic_ms, wall_ms
from loa_endpoint.store.state import State
from loa_protocol.record import ClockTrust, Happening
from loa_protocol.trust import Now

log = logging.getLogger("loa.endpoint")

# The first release's date: no honest time is earlier. A later build may raise it.
BUILT_MS = 1_795_000_000_000
ANSWER_LIFE_MS = 6 * 3_600_000  # ask again so often; drift stays under 3 s


class Timekeeper:
    """Reads the clock for everybody, once a round."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._clock = Clock(floor_ms=state.floor_ms(), build_ms=BUILT_MS, mono_ms=monotonic_ms())
        self._answered_ms: int | None = None
        self._disagreed = False

    def read(self) -> Reading:
        """Return the time by the highest rung that holds."""
        return self._clock.read(monotonic_ms())

    def now(self) -> Now:
        """Return the time as the acceptance rule takes it."""
        reading = self.read()
        return Now(reading.unix_ms // 1000, reading.trust)

    def stamp(self) -> tuple[int, ClockTrust]:
        """Return the time as records take it."""
        reading = self.read()
        return reading.unix_ms, reading.trust

    @property
    def wants_answer(self) -> bool:
        """Whether it is time to ask the server for the time."""
        answered = self._answered_ms
        return answered is None or monotonic_ms() - answered > ANSWER_LIFE_MS

    def allow_unsigned(self, lead_s: int) -> None:
        """Take the policy's word on unsigned sources."""
        self._clock.allow_unsigned(lead_s)

    def on_answer(self, unix_ms: int, *, asked_ms: int, answered_ms: int) -> bool:
        """Take an accepted time answer; tell whether it came quickly enough."""
        before = self.read()
        if not self._clock.on_answer(unix_ms, asked_ms=asked_ms, answered_ms=answered_ms):
            return False
        self._answered_ms = answered_ms
        self.save_floor()
        moved = self.read().unix_ms - before.unix_ms
        log.info("time_known", extra={"trust": self.read().trust.name, "moved_ms": moved})
        return True

    def on_signed_time(self, unix_ms: int) -> None:
        """Raise the floor by a head's time."""
        self._clock.on_signed_time(unix_ms, monotonic_ms())
        self.save_floor()

    def hear_wall_clock(self) -> Happening | None:
        """Hear the board's own clock; return what to tell where it contradicts, once."""
        found = self._clock.on_unsigned("system", wall_ms(), monotonic_ms())
        is_news = found is not None and not self._disagreed
        self._disagreed = found is not None
        if found is None or not is_news:
            return None
        return Happening(name="clock_disagrees", detail=f"{found.source} by {found.off_by_ms} ms")

    def save_floor(self) -> None:
        """Keep the floor; it is on the disk when this returns.

        Raises:
            StoreError: the disk refuses.
        """
        self._state.raise_floor(self._clock.floor_ms(monotonic_ms()))
