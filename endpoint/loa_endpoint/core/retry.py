"""When to try again: delays as data, spread by who asks.

After a power cut a whole province comes back in one second. The delays of an endpoint follow from
its id and the number of the attempt, so a test can name them and no two endpoints keep step.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Delays that double from *first_ms* to *most_ms*; *spread_permille* of each is chance."""

    first_ms: int
    most_ms: int
    spread_permille: int = 500

    def __post_init__(self) -> None:
        if not 0 < self.first_ms <= self.most_ms or not 0 <= self.spread_permille <= 1000:
            raise ValueError(f"no back-off: {self}")

    def delay_ms(self, attempt: int, identity: bytes) -> int:
        """Return how long to wait after failed *attempt* (from 0), at most the full delay."""
        full = min(self.first_ms << min(attempt, 40), self.most_ms)
        chance = full * self.spread_permille // 1000
        return full - chance + _share(identity, attempt, chance)


RECONNECT: Final = Backoff(first_ms=1000, most_ms=300_000)  # broker and servers
# certificate and time: a board that does not know the time plays nothing and believes no alert, so
# who kept the answers from it for a while must not have made it slow to ask again
IDENTITY: Final = Backoff(first_ms=1000, most_ms=30_000)
REFUSED_OBJECT: Final = Backoff(first_ms=60_000, most_ms=6 * 3_600_000, spread_permille=200)

SETTLED_MS: Final = 60_000  # a connection that stood so long was a good one


class Retries:
    """Counts failed attempts of one endpoint; a good connection starts the count anew."""

    def __init__(self, backoff: Backoff, identity: bytes) -> None:
        self._backoff, self._identity = backoff, identity
        self.failures = 0

    def ended(self, stood_ms: int) -> int:
        """Return how long to wait after a connection that stood for *stood_ms*, 0 for none."""
        if stood_ms >= SETTLED_MS:
            self.failures = 0
        self.failures += 1
        return self._backoff.delay_ms(self.failures - 1, self._identity)


class Setbacks:
    """Things that failed, each with the time before which it is not tried again."""

    def __init__(self, backoff: Backoff, identity: bytes, *, most: int = 64) -> None:
        self._backoff, self._identity, self._most = backoff, identity, most
        self._known: OrderedDict[bytes, tuple[int, int]] = OrderedDict()  # times, not before

    def failed(self, key: bytes, now_ms: int) -> None:
        """Say that *key* failed; of more than *most*, the oldest is forgotten."""
        times, _ = self._known.pop(key, (0, 0))
        self._known[key] = (times + 1, now_ms + self._backoff.delay_ms(times, self._identity))
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def is_shut(self, key: bytes, now_ms: int) -> bool:
        """Tell whether it is too early to try *key* again."""
        return now_ms < self._known.get(key, (0, 0))[1]

    def clear(self) -> None:
        """Forget all: the circumstances changed."""
        self._known.clear()


def first_delay_ms(identity: bytes, window_ms: int) -> int:
    """Return when in a window of *window_ms* an endpoint makes its first attempt after a boot."""
    return _share(identity, -1, window_ms)


def jittered_ms(interval_ms: int, identity: bytes, turn: int) -> int:
    """Return *interval_ms* plus or minus a tenth, so that regular polls drift apart."""
    tenth = interval_ms // 10
    return interval_ms - tenth + _share(identity, turn, 2 * tenth)


def _share(identity: bytes, turn: int, whole: int) -> int:
    """Return a number from 0 up to *whole*, excluded, that only *identity* and *turn* decide."""
    digest = hashlib.sha256(identity + turn.to_bytes(8, signed=True)).digest()
    return int.from_bytes(digest[:8]) * whole >> 64
