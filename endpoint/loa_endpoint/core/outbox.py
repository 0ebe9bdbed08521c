"""Which records must fit, which may wait, and what a lost run of the agent leaves behind.

No record that has a sequence may vanish from the chain before the server has it. So what is worth
little is not given a sequence when space is short, and a counted event tells how many there were:
heartbeats stop when half the room is left, events at a quarter; plays have that quarter to
themselves. Of what the server acknowledged, heartbeats and events go when space is wanted, oldest
first; plays stay 400 days, so that a server restored from an old backup can ask for them again.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

from loa_protocol.record import (
    Body,
    Boot,
    Evidence,
    Happening,
    Heartbeat,
    OrderTaken,
    Outcome,
    PlayEnded,
    PlayStarted,
    Record,
    Refused,
)

RETENTION_MS: Final = 400 * 86_400_000  # architecture.md section 4


class Value(enum.IntEnum):
    """What a record is worth when space is short."""

    HEARTBEAT = 0
    EVENT = 1
    PLAY = 2


VALUES: Final[Mapping[type[Body], Value]] = {
    Heartbeat: Value.HEARTBEAT,
    Refused: Value.EVENT,
    Happening: Value.EVENT,
    PlayStarted: Value.PLAY,
    PlayEnded: Value.PLAY,
    Boot: Value.PLAY,
    OrderTaken: Value.PLAY,  # an order is sent again until this arrives
}
FREE_NEEDED: Final[Mapping[Value, int]] = {  # thousandths of all room
    Value.HEARTBEAT: 500,
    Value.EVENT: 250,
    Value.PLAY: 0,
}
PRUNE_BELOW: Final = max(FREE_NEEDED.values())


def is_admitted(value: Value, free_permille: int) -> bool:
    """Tell whether a record of *value* gets a sequence while so much room is free."""
    return free_permille >= FREE_NEEDED[value]


def withheld(counts: Mapping[Value, int]) -> Happening:
    """Return the event that tells how many records of each value were not written."""
    told = ", ".join(f"{value.name.lower()} {count}" for value, count in sorted(counts.items()))
    return Happening(name="records_withheld", detail=told)


def retold(epoch: int, sequence: int, count: int) -> Happening:
    """Return the event that tells why records stand in another place than they were written."""
    return Happening(name="records_retold", detail=f"from {epoch}/{sequence}: {count}")


def interrupted(started: Record, last_ms: int) -> PlayEnded:
    """Return the end of a play that a lost process or power cut short.

    Args:
        started: The record of its start.
        last_ms: The last instant at which the agent is known to have run, unix ms by its clock.
            The true end lies between that and the planned end; the uncertainty says so.
    """
    body = started.body
    assert isinstance(body, PlayStarted)
    ended_ms = max(started.at_ms, last_ms)
    return PlayEnded(
        play=body.play,
        outcome=Outcome.INTERRUPTED,
        started_ms=started.at_ms,
        ended_ms=ended_ms,
        segments=(),
        silent_ms=0,
        longest_gap_ms=0,
        evidence=Evidence.UNVERIFIED,
        evidence_ms=0,
        xruns=0,
        offset_ms=0,
        volume=0,
        uncertainty_ms=max(0, started.at_ms + body.duration_ms - ended_ms),
    )
