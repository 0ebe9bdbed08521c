"""Records to fill an outbox with."""

from __future__ import annotations

from loa_protocol.objects.authority import Level
from loa_protocol.objects.playlist import BulletinKind, Mark
from loa_protocol.record import (
    Body,
    ClockTrust,
    Evidence,
    Happening,
    Heartbeat,
    Outcome,
    PlayEnded,
    PlayStarted,
    Record,
    State,
)

AT_MS = 1_800_000_000_000


def record(body: Body, at_ms: int = AT_MS) -> Record:
    """Return a record of *body*."""
    return Record(at_ms=at_ms, trust=ClockTrust.T3, body=body)


def heartbeat(number: int = 0, *, faults: int = 0) -> Record:
    """Return a heartbeat that differs by *number*; each fault takes 66 bytes."""
    named = tuple(f"{each:064}" for each in range(faults))
    body = Heartbeat(state=State.CONNECTED, uptime_s=number, free_bytes=10**9, faults=named)
    return record(body)


def happening(number: int = 0, *, detail: str = "") -> Record:
    """Return an event that differs by *number*."""
    return record(Happening(name=f"event-{number}", detail=detail))


def started(number: int = 0, at_ms: int = AT_MS) -> Record:
    """Return the start of play *number*, planned for a minute."""
    body = PlayStarted(
        play=play_id(number),
        item=f"item-{number}",
        session="s1",
        playlist=bytes(32),
        scope="vn/ls/st0137/c04",
        planned_ms=at_ms,
        duration_ms=60_000,
        kind=BulletinKind.NORMAL,
        level=Level.COMMUNE,
        language="vi",
        category="thông báo",
        mark=Mark.NONE,
    )
    return record(body, at_ms)


def ended(number: int = 0, at_ms: int = AT_MS + 60_000) -> Record:
    """Return the end of play *number*."""
    body = PlayEnded(
        play=play_id(number),
        outcome=Outcome.COMPLETE,
        started_ms=at_ms - 60_000,
        ended_ms=at_ms,
        segments=(),
        silent_ms=0,
        longest_gap_ms=0,
        evidence=Evidence.OUTPUT,
        evidence_ms=60_000,
        xruns=0,
        offset_ms=0,
        volume=9,
        uncertainty_ms=1,
    )
    return record(body, at_ms)


def play_id(number: int) -> bytes:
    """Return the id of play *number*."""
    return number.to_bytes(16)
