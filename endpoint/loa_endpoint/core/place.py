"""Where this endpoint stands, as its plays say."""

from __future__ import annotations

from dataclasses import dataclass

from loa_protocol.objects.playlist import Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which cluster this is, how its plays are marked, and which run of the agent this is."""

    scope: str
    mark: Mark
    epoch: int
