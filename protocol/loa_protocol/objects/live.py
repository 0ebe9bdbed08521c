"""Live sound: the permission to speak for a while, and the chunks that are spoken under it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from loa_protocol.errors import MessageError
from loa_protocol.keys import Algorithm, PublicKey
from loa_protocol.objects.authority import SECONDS
from loa_protocol.objects.event import EVENT
from loa_protocol.objects.playlist import IDENTIFIER, MAX_LIFE_S, BulletinKind, Mark
from loa_protocol.objects.policy import LANGUAGE, VOLUME
from loa_protocol.schema import Bytes, Choice, Int, ListOf, Text, Wire, wire
from loa_protocol.scope import SCOPE

MAX_GRANT_S: Final = 3600
MAX_PACKET: Final = 1275  # bytes of one Opus frame (RFC 6716 section 3.2.1)


class Codec(enum.IntEnum):
    """How the sound of chunks is coded."""

    OPUS = 1  # bare packets of 20 ms, mono, 48 kHz


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant(Wire):
    """One live session (lệnh cho phép trực tiếp): whose voice, where, from when to when.

    With *slot* and *playlist* it fills a live slot that two people have approved already, and one
    holder is enough.
    """

    id: bytes = wire(1, EVENT)
    scope: str = wire(2, SCOPE)
    title: str = wire(3, Text(200))
    kind: BulletinKind = wire(4, Choice(BulletinKind))
    language: str = wire(5, LANGUAGE)
    category: str = wire(6, Text(40))
    start: int = wire(7, SECONDS)
    end: int = wire(8, SECONDS)
    algorithm: Algorithm = wire(9, Choice(Algorithm))
    raw: bytes = wire(10, Bytes(32, 33))
    codec: Codec = wire(11, Choice(Codec))
    volume: int = wire(12, VOLUME)
    mark: Mark = wire(13, Choice(Mark))
    slot: str | None = wire(14, IDENTIFIER, optional=True)  # the id of the item
    playlist: bytes | None = wire(15, Bytes(32, 32), optional=True)  # the playlist's digest

    @property
    def key(self) -> PublicKey:
        """The session's key: it signs chunks, and nothing else."""
        return PublicKey(self.algorithm, self.raw)

    @property
    def expires(self) -> int:
        """The end: a grant is no longer taken when its session is over."""
        return self.end

    @property
    def taken_from(self) -> int:
        """How early it may be given: for any live slot of a playlist."""
        return self.start - MAX_LIFE_S

    def check(self) -> None:
        """Raise MessageError where the fields contradict each other."""
        if not 0 < self.end - self.start <= MAX_GRANT_S:
            raise MessageError(f"Grant.end: a session lasts up to {MAX_GRANT_S} s")
        if (self.slot is None) != (self.playlist is None):
            raise MessageError("Grant.slot: a slot is named together with its playlist")


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveChunk(Wire):
    """About a second of live sound; a bare seal of the session key around it."""

    grant: bytes = wire(1, EVENT)
    number: int = wire(2, Int(0, 2**31))
    at_ms: int = wire(3, Int(0, 2**50))  # unix: when its first sample is to sound everywhere
    packets: tuple[bytes, ...] = wire(4, ListOf(Bytes(1, MAX_PACKET), 100, 1))
