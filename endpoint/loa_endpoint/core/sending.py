"""When a batch goes out: one at a time, the next only after the receipt for this one.

The broker's acknowledgement plays no part. A batch without a receipt is repeated a few times, then
the connection is given up: a broker that swallows batches is no better than none.
"""

from __future__ import annotations

import enum
from typing import Final

from loa_endpoint.core.batch import Verdict

PATIENCE_MS: Final = (15_000, 30_000, 60_000)  # after each sending of the same batch
PAUSE_MS: Final = 1000  # after a receipt that sends us elsewhere, doubled each time without
MOST_PAUSE_MS: Final = 64_000  # an end in between: two servers that disagree must not play tennis


class Phase(enum.Enum):
    """Where the conversation stands."""

    OFFLINE = enum.auto()
    IDLE = enum.auto()
    CUTTING = enum.auto()  # the next batch is being taken from the outbox
    RECUTTING = enum.auto()  # and more came meanwhile: nothing found is no answer any more
    WAITING = enum.auto()  # for a receipt
    PAUSED = enum.auto()


class Event(enum.Enum):
    """What happened."""

    CONNECTED = enum.auto()
    DISCONNECTED = enum.auto()
    RECORDS = enum.auto()  # something was appended
    SENT = enum.auto()
    EMPTY = enum.auto()  # there was nothing to send
    ADVANCED = enum.auto()  # a receipt for what we sent
    MOVED = enum.auto()  # a receipt that sends us to another place
    ELAPSED = enum.auto()  # the deadline passed
    EXHAUSTED = enum.auto()  # the last one did


class Effect(enum.Enum):
    """What to do."""

    SEND_NEXT = enum.auto()  # answer with SENT or EMPTY
    SEND_AGAIN = enum.auto()
    HANG_UP = enum.auto()


_Move = tuple[Phase, tuple[Effect, ...]]
_OFF, _IDLE, _WAITING, _PAUSED = Phase.OFFLINE, Phase.IDLE, Phase.WAITING, Phase.PAUSED
_NEXT: Final[_Move] = (Phase.CUTTING, (Effect.SEND_NEXT,))
MOVES: Final[dict[tuple[Phase, Event], _Move]] = {
    **{(_OFF, event): (_OFF, ()) for event in Event},
    **{(phase, Event.CONNECTED): _NEXT for phase in Phase},
    **{(phase, Event.DISCONNECTED): (_OFF, ()) for phase in Phase},
    (_IDLE, Event.RECORDS): _NEXT,
    (_IDLE, Event.SENT): (_IDLE, ()),
    (_IDLE, Event.EMPTY): (_IDLE, ()),
    (_IDLE, Event.ADVANCED): _NEXT,  # a late receipt, of a batch before
    (_IDLE, Event.MOVED): (_PAUSED, ()),
    (_IDLE, Event.ELAPSED): (_IDLE, ()),
    (_IDLE, Event.EXHAUSTED): (_IDLE, ()),
    (Phase.CUTTING, Event.RECORDS): (Phase.RECUTTING, ()),
    (Phase.CUTTING, Event.SENT): (_WAITING, ()),
    (Phase.CUTTING, Event.EMPTY): (_IDLE, ()),
    (Phase.CUTTING, Event.ADVANCED): (Phase.RECUTTING, ()),
    (Phase.CUTTING, Event.MOVED): (Phase.RECUTTING, ()),
    (Phase.CUTTING, Event.ELAPSED): (Phase.CUTTING, ()),
    (Phase.CUTTING, Event.EXHAUSTED): (Phase.CUTTING, ()),
    (Phase.RECUTTING, Event.RECORDS): (Phase.RECUTTING, ()),
    (Phase.RECUTTING, Event.SENT): (_WAITING, ()),
    (Phase.RECUTTING, Event.EMPTY): _NEXT,
    (Phase.RECUTTING, Event.ADVANCED): (Phase.RECUTTING, ()),
    (Phase.RECUTTING, Event.MOVED): (Phase.RECUTTING, ()),
    (Phase.RECUTTING, Event.ELAPSED): (Phase.RECUTTING, ()),
    (Phase.RECUTTING, Event.EXHAUSTED): (Phase.RECUTTING, ()),
    (_WAITING, Event.RECORDS): (_WAITING, ()),  # they go with the next batch
    (_WAITING, Event.SENT): (_WAITING, ()),
    (_WAITING, Event.EMPTY): (_WAITING, ()),
    (_WAITING, Event.ADVANCED): _NEXT,
    (_WAITING, Event.MOVED): (_PAUSED, ()),
    (_WAITING, Event.ELAPSED): (_WAITING, (Effect.SEND_AGAIN,)),
    (_WAITING, Event.EXHAUSTED): (_OFF, (Effect.HANG_UP,)),
    (_PAUSED, Event.RECORDS): (_PAUSED, ()),
    (_PAUSED, Event.SENT): (_PAUSED, ()),
    (_PAUSED, Event.EMPTY): (_PAUSED, ()),
    (_PAUSED, Event.ADVANCED): (_PAUSED, ()),
    (_PAUSED, Event.MOVED): (_PAUSED, ()),
    (_PAUSED, Event.ELAPSED): _NEXT,
    (_PAUSED, Event.EXHAUSTED): _NEXT,
}


class Sender:
    """The conversation about batches; *now_ms* is a monotonic clock."""

    def __init__(self, patience_ms: tuple[int, ...] = PATIENCE_MS) -> None:
        self.phase = Phase.OFFLINE
        self.deadline_ms: int | None = None
        self._patience_ms, self._tries, self._moves = patience_ms, 0, 0

    def handle(self, event: Event, now_ms: int) -> tuple[Effect, ...]:
        """Take *event* and return what to do."""
        before = self.phase
        self.phase, effects = MOVES[before, event]
        if event is Event.SENT and self.phase is Phase.WAITING:
            self._tries = self._tries + 1 if before is Phase.WAITING else 1
            self.deadline_ms = now_ms + self._patience_ms[self._tries - 1]
        elif self.phase is Phase.PAUSED and before is not Phase.PAUSED:
            self.deadline_ms = now_ms + min(PAUSE_MS << min(self._moves, 20), MOST_PAUSE_MS)
            self._moves += 1
        elif self.phase not in (Phase.WAITING, Phase.PAUSED):
            self.deadline_ms = None
        if event is Event.EMPTY:
            self._moves = 0
        return effects

    def on_receipt(self, verdict: Verdict, now_ms: int) -> tuple[Effect, ...]:
        """Take what a receipt meant.

        One that names the place we are at, while a batch is on its way, asks for that batch once
        more: a server does so before it takes a new epoch that shows a hole.
        """
        if verdict is Verdict.SAME and self._tries == 1 and self.deadline_ms is not None:
            self.deadline_ms = min(self.deadline_ms, now_ms + PAUSE_MS)
        if verdict in (Verdict.STALE, Verdict.SAME):
            return ()
        is_advance = verdict is Verdict.ADVANCED
        return self.handle(Event.ADVANCED if is_advance else Event.MOVED, now_ms)

    def on_time(self, now_ms: int) -> tuple[Effect, ...]:
        """Let time pass; nothing happens before the deadline."""
        if self.deadline_ms is None or now_ms < self.deadline_ms:
            return ()
        is_last = self.phase is Phase.WAITING and self._tries >= len(self._patience_ms)
        return self.handle(Event.EXHAUSTED if is_last else Event.ELAPSED, now_ms)
