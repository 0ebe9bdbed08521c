"""What an officer's schedule says, entry by entry, as values."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from loa_protocol.objects.authority import Level
from loa_protocol.objects.playlist import BulletinKind, ProofKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Transmitter:
    """An FM carrier that may sound, and what must show that it is the station's own."""

    frequency_khz: int
    volume: int
    pi: int | None
    proofs: tuple[ProofKind, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemEntry:
    """One bulletin of a session; *at_s* is a local time of day, *length_s* what it may take."""

    place: str
    id: str
    title: str
    file: str | None
    kind: BulletinKind
    level: Level
    language: str
    category: str
    at_s: int | None
    length_s: int | None
    fm: Transmitter | None
    expected_silence: tuple[tuple[int, int], ...]
    bulletin: bytes | None = None  # digest of the offer of a higher level that it places
    over_cdb: int | None = None  # an announcement: what plays is lowered by so much
    volume: int | None = None  # its own, where it differs from its session's
    stream: str | None = None  # the address of a stream that nobody signed
    is_live: bool = False  # a voice under a grant fills it; a file stands behind it, if any


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEntry:
    """A time slot on some weekdays or one day."""

    place: str
    id: str
    days: frozenset[int]
    date: datetime.date | None
    start_s: int
    length_s: int
    volume: int
    items: tuple[ItemEntry, ...]
    is_decided: bool = False  # the order of its priorities is the commune's own choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Everything the text says; *first* and *last* are local days, both included."""

    scope: str
    first: datetime.date
    last: datetime.date
    sessions: tuple[SessionEntry, ...]

    @property
    def files(self) -> dict[str, str]:
        """The media files by name, each with the place that names it first."""
        found: dict[str, str] = {}
        for session in self.sessions:
            for item in session.items:
                if item.file is not None:
                    found.setdefault(item.file, item.place)
        return found
