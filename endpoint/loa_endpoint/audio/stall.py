"""When a player counts as stalled, and how soon the next one may start. Time is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["starting", "ready", "playing", "down"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StallSettings:
    """Limits of patience, in seconds.

    Attributes:
        stall_s: A player whose samples have not grown for this long is killed. It reports every
            0.4 s.
        start_s: A player that has not reported ready for this long is killed, unless it says that
            it waits for its card.
        first_s: A player that is ready and whose samples never grew is killed after this long: a
            card that stands still may go on by itself, or want to be opened again.
        healthy_s: A player whose samples moved for this long clears the count of failures.
        delays_s: Before the first, second, ... restart without a healthy player between; the last
            one repeats.
        again_s: No longer than this where the player had its sink open, or had to be killed: it is
            the card's fault, and sound is to be back within a second of the card.
    """

    stall_s: float = 0.75
    start_s: float = 10.0
    first_s: float = 3.0
    healthy_s: float = 10.0
    delays_s: tuple[float, ...] = (0.0, 0.0, 0.5, 2.0, 10.0, 30.0)
    again_s: float = 0.3


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
        self._state, self._since = "ready", now

    def beat(self, samples: int, now: float) -> None:
        """The player has said how many samples it has written; none while it waits for a card."""
        if self._state == "starting":
            self._since = now
        if self._state in ("starting", "down") or samples <= self._samples:
            return
        if self._state == "ready":
            self._state, self._playing_since = "playing", now
        self._samples, self._since, self.moved_at = samples, now, now
        if now - self._playing_since >= self._settings.healthy_s:
            self._failures = 0

    def is_stalled(self, now: float) -> bool:
        """Tell whether the player has to be killed."""
        limits = self._settings
        match self._state:
            case "down":
                return False
            case "starting":
                limit = limits.start_s
            case "ready":
                limit = limits.first_s
            case "playing":
                limit = limits.stall_s
        return now - self._since > limit

    def safe_for(self, now: float) -> float:
        """Return for how many seconds it cannot stall, whatever happens.

        One that plays gains time with each beat, and loses none. Before that it may start to play
        at any moment, and is less safe then: 0.
        """
        if self._state != "playing":
            return 0.0
        return max(0.0, self._since + self._settings.stall_s - now)

    def ended(self, *, was_killed: bool = False) -> float:
        """The player is gone; return how long to wait before the next one, in seconds."""
        delays = self._settings.delays_s
        delay = delays[min(self._failures, len(delays) - 1)]
        if was_killed or self._state != "starting":
            delay = min(delay, self._settings.again_s)
        self._state = "down"
        self._failures += 1
        return delay
