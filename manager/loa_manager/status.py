"""What every cluster is doing: the four states of HLT-1, derived from what endpoints told.

Lost comes before fault, fault before playing, playing before connected; a managed cluster is in
exactly one of them. A cluster that nothing measures has none of them, whatever a person wrote down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from loa_protocol.objects.playlist import BearerKind
from loa_protocol.record import Evidence, State

LOST_AFTER_S: Final = 900  # three heartbeats of the default 300 s
_END_SLACK_MS: Final = 60_000  # an end may come late; then the play is over all the same
SILENT: Final = "last_play_silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The newest that an endpoint told; times in unix ms, *received_ms* by the server's clock."""

    received_ms: int
    heartbeat_ms: int | None = None
    state: State | None = None
    faults: tuple[str, ...] = ()
    item: str | None = None
    bearer: BearerKind | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """One play, as far as it is known; *evidence* is None while it sounds."""

    item: str
    began_ms: int
    duration_ms: int
    evidence: Evidence | None = None
    bearer: BearerKind | None = None
    ended_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that is known about one cluster."""

    cluster: str
    is_managed: bool
    technology: str
    manual_status: str | None = None
    endpoint: str | None = None
    heard: Heard | None = None
    newest: Play | None = None  # by its start
    ended: Play | None = None  # the newest that has an end
    open_faults: tuple[str, ...] = ()  # of the repair record


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStatus:
    """One row of ``loa status``; *state* is None where nothing measures the cluster."""

    cluster: str
    state: State | None
    manual_status: str | None
    technology: str
    endpoint: str | None
    item: str | None
    bearer: BearerKind | None
    evidence: Evidence | None  # of the newest play that ended
    heard_ms: int | None
    faults: tuple[str, ...]


def derive(facts: Facts, now_ms: int, *, lost_after_s: int = LOST_AFTER_S) -> ClusterStatus:
    """Return what the cluster is doing at *now_ms*."""
    heard = facts.heard
    is_lost = heard is None or now_ms - heard.received_ms > lost_after_s * 1000
    faults = _faults(facts)
    sounding = None if is_lost else _sounding(facts, now_ms)
    return ClusterStatus(
        cluster=facts.cluster,
        state=_state(facts.is_managed, is_lost=is_lost, faults=faults, sounding=sounding),
        manual_status=None if facts.is_managed else facts.manual_status or "unknown",
        technology=facts.technology,
        endpoint=facts.endpoint,
        item=sounding.item if sounding else None,
        bearer=sounding.bearer if sounding else None,
        evidence=facts.ended.evidence if facts.ended else None,
        heard_ms=heard.received_ms if heard else None,
        faults=faults,
    )


def count(statuses: Iterable[ClusterStatus]) -> dict[str, int]:
    """Return how many are in each state, and how many nothing measures.

    ``lost``, ``fault``, ``playing`` and ``connected`` add up to ``fleet``.
    """
    found = Counter("unmonitored" if s.state is None else s.state.name.lower() for s in statuses)
    states = {state.name.lower(): found[state.name.lower()] for state in reversed(State)}
    return {"fleet": sum(states.values()), **states, "unmonitored": found["unmonitored"]}


def _state(
    is_managed: bool, *, is_lost: bool, faults: tuple[str, ...], sounding: Play | None
) -> State | None:
    if not is_managed:
        return None
    if is_lost:
        return State.LOST
    if faults:
        return State.FAULT
    return State.PLAYING if sounding else State.CONNECTED


def _faults(facts: Facts) -> tuple[str, ...]:
    if not facts.is_managed:
        return facts.open_faults
    told = list(facts.heard.faults) if facts.heard else []
    if facts.heard is not None and facts.heard.state is State.FAULT and not told:
        told.append("fault")
    if facts.ended is not None and facts.ended.evidence is Evidence.SILENT:
        told.append(SILENT)  # sound was written and none came out: never shown as ok
    return tuple(dict.fromkeys([*told, *facts.open_faults]))


def _sounding(facts: Facts, now_ms: int) -> Play | None:
    """Return what sounds now: by the newest of heartbeat and play records."""
    heard, newest = facts.heard, facts.newest
    open_play = newest if newest is not None and newest.ended_ms is None else None
    if open_play and now_ms > open_play.began_ms + open_play.duration_ms + _END_SLACK_MS:
        open_play = None
    beat_ms = heard.heartbeat_ms if heard and heard.heartbeat_ms is not None else -1
    told_since = max(newest.began_ms, newest.ended_ms or 0) if newest else -1
    if heard is None or beat_ms < told_since:
        return open_play
    if heard.state is not State.PLAYING and heard.item is None:
        return None
    item = heard.item or (open_play.item if open_play else "")
    return Play(item=item, began_ms=beat_ms, duration_ms=0, bearer=heard.bearer)
