"""Keeps one saying from filling the log."""

from __future__ import annotations


class Repeats:
    """Lets a saying through once a window for each speaker; counts the rest.

    A scanner at the door must not fill the disk with log lines.
    """

    def __init__(self, window_s: float = 60.0, most: int = 1024) -> None:
        self._window_s, self._most = window_s, most
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def admit(self, what: str, who: str, now: float) -> int | None:
        """Return how many were held back since the last one; None holds this one back too.

        Args:
            what: The saying.
            who: The speaker.
            now: Monotonic seconds.
        """
        key = what, who
        since, held = self._seen.get(key, (now - self._window_s, 0))
        if now - since < self._window_s:
            self._seen[key] = since, held + 1
            return None
        if len(self._seen) >= self._most:
            self._seen.clear()  # more speakers than memory: say each once more
        self._seen[key] = now, 0
        return held
