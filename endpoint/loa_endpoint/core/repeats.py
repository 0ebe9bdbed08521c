"""Tell the same thing once, then by count: refusals must not fill the outbox."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

QUIET_MS: Final = 60_000
_KEYS: Final = 256  # the oldest is forgotten: it would be told again, no worse


class Repeats:
    """Counts things that happen again and again."""

    def __init__(self, quiet_ms: int = QUIET_MS) -> None:
        self._quiet_ms = quiet_ms
        self._known: OrderedDict[tuple[str, ...], tuple[int, int]] = OrderedDict()

    def happened(self, key: tuple[str, ...], now_ms: int) -> int:
        """Return how often *key* happened since it was last told, 0 while it must be kept quiet.

        Args:
            key: What happened.
            now_ms: A monotonic clock.
        """
        told_ms, count = self._known.get(key, (None, 0))
        if told_ms is not None and now_ms - told_ms < self._quiet_ms:
            self._known[key] = (told_ms, count + 1)
            return 0
        self._known[key] = (now_ms, 0)
        self._known.move_to_end(key)
        if len(self._known) > _KEYS:
            self._known.popitem(last=False)
        return count + 1
