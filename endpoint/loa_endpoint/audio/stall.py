"""When a player counts as stalled, and how soon the next one may start. Time is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["starting", "playing", "down"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StallSettings:
    """Limits of patience, in seconds.

    Attributes:
        stall_s: A player whose samples have not grown for this long is killed. It reports five
            times a second.
        start_s: A player that has not reported ready for this long is killed.
        healthy_s: A player whose samples moved for this long clears the count of failures.
        delays_s: Before the first, second, ... restart without a healthy player between; the last
            one repeats.
    """

    stall_s: float = 0.6
    start_s: float = 10.0
    healthy_s: float = 10.0
    delays_s: tuple[float, ...] = (0.0, 0.0, 0.5, 2.0, 10.0, 30.0)


class StallWatch:
    """Judge a player by its moving samples, and by nothing else.

    Instants are seconds of any monotonic clock.

    Attributes:
        moved_at: When the samples were last seen to grow; None before they ever were.
    """

    def __init__(self, settings: StallSettings) -> None:
        self._settings = settings
        self._state: State = "down"
        self._since = 0.0
        self._playing_since = 0.0
        self._samples = 0
        self._failures = 0
        self.moved_at: float | None = None

    def starting(self, now: float) -> None:
        """A player is being started."""
        self._state, self._since, self._samples = "starting", now, 0

    def ready(self, now: float) -> None:
        """The player has said that it is ready; its samples have to move from now on."""
        self._state, self._since = "playing", now
        self._playing_since = now

    def beat(self, samples: int, now: float) -> None:
        """The player has said how many samples it has written."""
        if self._state != "playing" or samples <= self._samples:
            return
        self._samples, self._since, self.moved_at = samples, now, now
        if now - self._playing_since >= self._settings.healthy_s:
            self._failures = 0

    def is_stalled(self, now: float) -> bool:
        """Tell whether the player has to be killed."""
        if self._state == "down":
            return False
        limit = self._settings.stall_s if self._state == "playing" else self._settings.start_s
        return now - self._since > limit

    def ended(self) -> float:
        """The player is gone; return how long to wait before the next one, in seconds."""
        self._state = "down"
        delays = self._settings.delays_s
        delay = delays[min(self._failures, len(delays) - 1)]
        self._failures += 1
        return delay
