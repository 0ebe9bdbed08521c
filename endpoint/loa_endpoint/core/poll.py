"""When to look at the content tree, how much of it, and at which of its addresses.

While a message session stands, heads are pushed, and whoever changes something of a place says so
to that place. So most rounds cost nothing but what is new; the whole tree is looked at all the
same, now and then, in case that somebody withholds those messages (trust.md section 3).
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Final

from loa_endpoint.core.retry import Backoff, jittered_ms

NUDGED_MS: Final = 1_200_000  # with a message session, which brings a head every 15 min
PROOFS_MS: Final = 7_200_000  # with one, where the tree changed and nobody said it was for us
ALONE_MS: Final = 30_000  # without one, for an hour
LONG_ALONE_MS: Final = 300_000  # and then
_LONG_MS: Final = 3_600_000
STATE_MS: Final = 3_600_000  # settings and assignment, which no head names
NUDGED_STATE_MS: Final = 6 * STATE_MS  # where nothing that was pushed can have been missed
INCOMPLETE: Final = Backoff(first_ms=2000, most_ms=ALONE_MS)


class Reach(enum.IntEnum):
    """How much of the tree a round looks at; each holds those before it."""

    HEAD = 1  # the head, and the rules and orders that it names
    PLAYLISTS = 2  # the proofs of the playlists of our scopes
    STATE = 3  # settings, assignment and standing programme, which no head names


class Poll:
    """Paces one endpoint; *now_ms* is a monotonic clock."""

    def __init__(self, identity: bytes) -> None:
        self._identity = identity
        self._turn = 0
        self._failures = 0
        self._address = 0
        self._alone_since_ms: int | None = None
        self._asked = Reach.HEAD
        self._done_ms: dict[Reach, int] = {}
        self._has_missed = True

    def next_ms(
        self, now_ms: int, *, is_nudged: bool, is_complete: bool, is_behind: bool = False
    ) -> int:
        """Return how long to wait after a round.

        Args:
            now_ms: The time.
            is_nudged: Whether a message session stands.
            is_complete: Whether the round got everything it wanted.
            is_behind: Whether the newest head names a tree whose proofs were not looked at.
        """
        self._turn += 1
        if is_nudged:
            self._alone_since_ms = None
        elif self._alone_since_ms is None:
            self._alone_since_ms = now_ms
        self._failures = 0 if is_complete else self._failures + 1
        regular = self._regular_ms(now_ms, is_behind=is_behind)
        if is_complete:
            return regular
        return min(regular, INCOMPLETE.delay_ms(self._failures - 1, self._identity))

    def _regular_ms(self, now_ms: int, *, is_behind: bool) -> int:
        if self._alone_since_ms is not None:
            is_long = now_ms - self._alone_since_ms >= _LONG_MS
            return self._jittered_ms(LONG_ALONE_MS if is_long else ALONE_MS)
        dues = [now_ms + self._jittered_ms(NUDGED_MS)]
        if (done_ms := self._done_ms.get(Reach.STATE)) is not None:
            dues.append(done_ms + self._jittered_ms(self._state_ms))
        if is_behind and (done_ms := self._done_ms.get(Reach.PLAYLISTS)) is not None:
            dues.append(done_ms + self._jittered_ms(PROOFS_MS))
        return max(0, min(dues) - now_ms)

    @property
    def alone_ms(self) -> int:
        """How long after the last sign of a message session to look without one."""
        return self._jittered_ms(ALONE_MS)

    def _jittered_ms(self, interval_ms: int) -> int:
        return jittered_ms(interval_ms, self._identity, self._turn)

    def ask(self, reach: Reach) -> None:
        """Let the next round look as far as *reach* at least."""
        self._asked = max(self._asked, reach)

    def reconnected(self) -> None:
        """Say that a message session is new: what was told before it was missed."""
        self._has_missed = True
        self.ask(Reach.PLAYLISTS)

    def begin(self, now_ms: int, *, is_nudged: bool, is_pushed: bool) -> Reach:
        """Return how far the round that begins now looks.

        A head that is pushed comes to everybody at once: nobody looks further for it alone.
        """
        asked, self._asked = self._asked, Reach.HEAD
        self._has_missed |= not is_nudged
        if is_pushed and is_nudged and Reach.STATE in self._done_ms:
            return asked
        is_due = self._is_due(Reach.STATE, self._state_ms, now_ms)
        return Reach.STATE if is_due else max(asked, Reach.PLAYLISTS)

    def end(self, reach: Reach, now_ms: int, *, is_complete: bool, is_nudged: bool) -> None:
        """Say how a round went; what was not had is asked for again."""
        if not is_complete:
            self.ask(reach)
            return
        self._done_ms.update({each: now_ms for each in Reach if each <= reach})
        if reach is Reach.STATE and is_nudged:
            self._has_missed = False

    @property
    def _state_ms(self) -> int:
        return STATE_MS if self._has_missed else NUDGED_STATE_MS

    def _is_due(self, reach: Reach, interval_ms: int, now_ms: int) -> bool:
        done_ms = self._done_ms.get(reach)
        return done_ms is None or now_ms - done_ms >= interval_ms * 9 // 10  # as early as jitter

    def pick(self, addresses: Sequence[str]) -> str:
        """Return the address of this turn."""
        return addresses[self._address % len(addresses)]

    def try_another_address(self) -> None:
        """Say that the present one failed."""
        self._address += 1
