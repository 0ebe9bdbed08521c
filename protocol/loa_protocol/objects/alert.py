"""The emergency bulletin (bản tin khẩn cấp): plays at once, whatever else is planned."""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from typing import Final

from loa_protocol.errors import MessageError
from loa_protocol.objects.authority import SECONDS
from loa_protocol.objects.event import EVENT, REASON, REFERENCES
from loa_protocol.objects.playlist import Mark, Media
from loa_protocol.objects.policy import LANGUAGE, VOLUME
from loa_protocol.schema import Bytes, Choice, Int, Nested, Text, Wire, wire
from loa_protocol.scope import SCOPE

MAX_SOUND: Final = 192 * 1024  # bytes: 96 s of Opus at 16 kbit/s
MAX_GAP_S: Final = 30  # between repeats (practice of ISO 7240-16)
MAX_LIFE_S: Final = 7 * 86_400  # what never expires could be laid in store by a stolen key


class AlertMessage(enum.IntEnum):
    """What an alert does to earlier ones (the message types of CAP 1.2)."""

    ALERT = 1
    UPDATE = 2  # takes the place of those it refers to
    CANCEL = 3  # ends those it refers to, also when they arrive later


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert(Wire):
    """One alert. Two times bound it: until when the message counts, and how long it may sound."""

    id: bytes = wire(1, EVENT)
    scope: str = wire(2, SCOPE)
    message: AlertMessage = wire(3, Choice(AlertMessage))
    title: str = wire(4, Text(200))
    reason: str = wire(5, REASON)
    language: str = wire(6, LANGUAGE)
    start: int = wire(7, SECONDS)
    expires: int = wire(8, SECONDS)  # the message; after it nothing of this alert begins
    duration_s: int = wire(9, Int(1, 86_400))  # all its sound together
    repeats: int = wire(10, Int(1, 100))
    gap_s: int = wire(11, Int(0, MAX_GAP_S))
    speech_ms: int = wire(12, Int(0, 2**50))  # unix: when speech begins everywhere; 0: at once
    volume: int = wire(13, VOLUME)
    mark: Mark = wire(14, Choice(Mark))
    references: tuple[bytes, ...] = wire(15, REFERENCES)
    media: Media | None = wire(16, Nested(Media, row=True), optional=True)
    sound: bytes | None = wire(17, Bytes(1, MAX_SOUND), optional=True)  # the media's own bytes
    cap: str | None = wire(18, Text(256), optional=True)  # the identifier of the CAP message

    @property
    def is_cancel(self) -> bool:
        """Whether it says nothing itself."""
        return self.message is AlertMessage.CANCEL

    @property
    def taken_from(self) -> int:
        """How early it may be given."""
        return self.start - MAX_LIFE_S

    def check(self) -> None:
        """Raise MessageError where the fields contradict each other."""
        if self.is_cancel == (self.media is not None):
            raise MessageError("Alert.media: an alert has sound, a cancel has none")
        if (self.message is AlertMessage.ALERT) == bool(self.references):
            raise MessageError("Alert.references: updates and cancels refer to others")
        if self.start >= self.expires:
            raise MessageError("Alert.expires: not after its start")
        if self.expires - self.start > MAX_LIFE_S:
            raise MessageError(f"Alert.expires: more than {MAX_LIFE_S} s after its start")
        if self.sound is None:
            return
        if self.media is None or hashlib.sha256(self.sound).digest() != self.media.sha256:
            raise MessageError("Alert.sound: not the bytes that its media names")
        if len(self.sound) != self.media.size:
            raise MessageError("Alert.sound: not of the size that its media names")
