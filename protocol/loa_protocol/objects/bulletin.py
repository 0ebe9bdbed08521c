"""Content that a higher level offers to communes, which place it in their schedules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from loa_protocol.errors import MessageError
from loa_protocol.objects.authority import SECONDS
from loa_protocol.objects.event import EVENT
from loa_protocol.objects.playlist import BulletinKind, Media
from loa_protocol.objects.policy import LANGUAGE
from loa_protocol.schema import Choice, Nested, Text, Wire, wire
from loa_protocol.scope import SCOPE

MAX_LIFE_S: Final = 366 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulletin(Wire):
    """A bulletin (bản tin) of the province or of the centre; no endpoint sounds it by itself."""

    id: bytes = wire(1, EVENT)
    scope: str = wire(2, SCOPE)
    kind: BulletinKind = wire(3, Choice(BulletinKind))
    title: str = wire(4, Text(200))
    language: str = wire(5, LANGUAGE)
    category: str = wire(6, Text(40))
    not_before: int = wire(7, SECONDS)
    expires: int = wire(8, SECONDS)
    media: Media = wire(9, Nested(Media, row=True))

    def check(self) -> None:
        """Raise MessageError where the fields contradict each other."""
        if self.kind is BulletinKind.EMERGENCY:
            raise MessageError("Bulletin.kind: emergencies come as alerts")
        if self.not_before >= self.expires:
            raise MessageError("Bulletin.expires: not after its not-before")
        if self.expires - self.not_before > MAX_LIFE_S:
            raise MessageError(f"Bulletin.expires: more than {MAX_LIFE_S} s after its not-before")
