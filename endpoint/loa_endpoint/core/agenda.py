"""The agenda: everything that is planned, from the programme in force and from live grants."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from loa_endpoint.core.live_item import live_items
from loa_endpoint.core.orders import Kept
from loa_endpoint.core.schedule import (
    AHEAD_MS,
    LEAD_MS,
    Planned,
    announced,
    plan,
    sounding,
    upcoming,
)
from loa_protocol.objects.playlist import Playlist
from loa_protocol.objects.policy import Policy

_STEP_MS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """What the endpoint plays from, under the effective policy.

    *aired* names sessions that were on air already, by the unix second of their start.
    """

    playlist: Playlist
    digest: bytes
    policy: Policy
    aired: frozenset[int] = frozenset()


class Agenda:
    """What is planned, and by what policy it is judged."""

    def __init__(self) -> None:
        self.programme: Programme | None = None
        self.planned: tuple[Planned, ...] = ()
        self.grants: tuple[Kept, ...] = ()
        self._heard: frozenset[bytes] = frozenset()
        self._aired: frozenset[int] = frozenset()
        self._policy: Policy | None = None
        self._edges: list[int] = []

    @property
    def playlist(self) -> Playlist | None:
        """The playlist in force."""
        return None if self.programme is None else self.programme.playlist

    @property
    def digest(self) -> bytes:
        """Its digest; empty where there is none."""
        return b"" if self.programme is None else self.programme.digest

    @property
    def judge(self) -> Policy | None:
        """The policy that judges what is planned; None where there is none."""
        return self._policy

    @property
    def policy(self) -> Policy:
        """The policy that judges what is planned."""
        assert self._policy is not None  # nothing is planned without one
        return self._policy

    def on_programme(self, programme: Programme | None) -> None:
        """Play from *programme* from now on."""
        self.programme = programme
        if programme is not None:
            self._aired |= programme.aired

    def on_grants(self, grants: Iterable[Kept], heard: frozenset[bytes]) -> bool:
        """Know the live grants in force; tell whether they are others than before.

        Of those without a slot only what is *heard* takes anything's place: a voice that has
        ended, or was never raised, must not silence the programme until its grant is over.
        """
        known, before = self.grants, self._heard
        self.grants, self._heard = tuple(grants), heard
        is_same = [each.id for each in known] == [each.id for each in self.grants]
        return not is_same or before != heard

    def on_air(self, planned: Planned) -> bool:
        """Note that a session has begun; tell whether that is news."""
        start = planned.session.start
        if planned.rank or start in self._aired:
            return False
        self._aired |= {start}
        return True

    def plan_anew(self, policy: Policy | None) -> None:
        """Work out what is planned; *policy* judges where there is no programme."""
        programme = self.programme
        self._policy = policy if programme is None else programme.policy
        heard = [each for each in self.grants if each.event in self._heard]
        planned = live_items(heard, self._policy)
        if programme is not None:
            planned += plan(programme.playlist, programme.policy, self._aired, programme.digest)
        self.planned = tuple(sorted(planned, key=lambda each: each.start_ms))
        edges = ((p.start_ms - AHEAD_MS, p.start_ms, p.end_ms) for p in self.planned)
        self._edges = sorted(instant for each in edges for instant in each)

    def coming(self, from_ms: int, *, besides: Planned | None) -> Planned | None:
        """Return the next item that begins from unix *from_ms* on and is to be opened by then."""
        until_ms = from_ms - 1 + AHEAD_MS
        items = (
            each
            for each in upcoming(self.planned, from_ms, until_ms)
            if each.block is None and not each.item.is_announcement and each != besides
        )
        return next(items, None)

    def is_free(self, from_ms: int, until_ms: int) -> bool:
        """Tell whether no item sounds from unix *from_ms* to *until_ms*."""
        near = range(from_ms, until_ms, _STEP_MS)
        planned = self.planned
        return not any(sounding(planned, at_ms) or announced(planned, at_ms) for at_ms in near)

    def is_edge_near(self, unix_ms: int, within_ms: int) -> bool:
        """Tell whether an item is opened, begins or ends around *unix_ms*, blocked ones too.

        A little more than *within_ms* ahead, for what begins is asked for before its instant.
        """
        first = bisect_left(self._edges, unix_ms - within_ms)
        return first < len(self._edges) and self._edges[first] <= unix_ms + within_ms + LEAD_MS
