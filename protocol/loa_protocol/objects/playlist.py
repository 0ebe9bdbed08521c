"""The signed schedule (lịch phát đã ký): sessions, items, the bearers they may come by."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from loa_protocol.errors import MessageError
from loa_protocol.objects.authority import SECONDS, Level
from loa_protocol.objects.policy import CENTI_LUFS, LANGUAGE, VOLUME
from loa_protocol.schema import Bytes, Choice, Int, ListOf, Nested, Text, Wire, wire
from loa_protocol.scope import SCOPE
from loa_protocol.stream_url import MAX_URL, stream_host

MILLISECONDS = Int(0, 7 * 86_400_000)
IDENTIFIER = Text(64)
MAX_LIFE_S: Final = 31 * 86_400  # a playlist runs for up to 30 days; one more for time zones


class BulletinKind(enum.IntEnum):
    """Kinds of bulletin (TT39): thông thường, ưu tiên, khẩn cấp."""

    NORMAL = 1
    PRIORITY = 2
    EMERGENCY = 3


class BearerKind(enum.IntEnum):
    """Ways for an item's sound to reach the endpoint (đường truyền)."""

    FM = 1
    STREAM = 2
    MEDIA = 3


class Mark(enum.IntEnum):
    """Plays with a mark other than none count in no figure."""

    NONE = 0
    TEST = 1
    DRILL = 2
    COMMISSIONING = 3


class ProofKind(enum.IntEnum):
    """What can show that an FM carrier is the station's; one of those listed must hold."""

    PI = 1
    FINGERPRINT = 2
    IP_REFERENCE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Media(Wire):
    """One sound file, named by what it is."""

    sha256: bytes = wire(1, Bytes(32, 32))
    size: int = wire(2, Int(1, 2**32))  # bytes
    duration_ms: int = wire(3, MILLISECONDS)
    gain_cdb: int = wire(4, Int(-6000, 3000))  # hundredths of dB that bring it to the target
    loudness_clufs: int = wire(5, CENTI_LUFS)  # as measured, before the gain


@dataclass(frozen=True, slots=True, kw_only=True)
class Session(Wire):
    """A time slot in which the station is on air (buổi phát)."""

    id: str = wire(1, IDENTIFIER)
    start: int = wire(2, SECONDS)
    duration_s: int = wire(3, Int(1, 86_400))
    volume: int = wire(4, VOLUME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer(Wire):
    """One way to hear an item; *reference* counts FM windows or media of the playlist.

    A stream with reference 0 is live sound under a grant: the item is a live slot. With reference n
    it is the n-th of the playlist's streams, which nobody signed.
    """

    kind: BearerKind = wire(1, Choice(BearerKind))
    reference: int = wire(2, Int(0, 4095))
    cost: int = wire(3, Int(0, 255))  # lower is preferred (as in ETSI TS 102 818)

    @property
    def is_unsigned(self) -> bool:
        """Whether it is a stream of the playlist, and no live sound under a grant."""
        return self.kind is BearerKind.STREAM and self.reference > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Span(Wire):
    """A part of an item, in ms from its start."""

    start_ms: int = wire(1, MILLISECONDS)
    end_ms: int = wire(2, MILLISECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item(Wire):
    """One bulletin placed in a session (mục)."""

    id: str = wire(1, IDENTIFIER)
    session: int = wire(2, Int(0, 1023))  # index into the playlist's sessions
    title: str = wire(3, Text(200))
    kind: BulletinKind = wire(4, Choice(BulletinKind))
    level: Level = wire(5, Choice(Level))
    language: str = wire(6, LANGUAGE)
    category: str = wire(7, Text(40))
    offset_ms: int = wire(8, MILLISECONDS)  # from the session's start
    duration_ms: int = wire(9, MILLISECONDS)
    bearers: tuple[Bearer, ...] = wire(10, ListOf(Nested(Bearer, row=True), 8, 1))
    expected_silence: tuple[Span, ...] = wire(11, ListOf(Nested(Span, row=True), 32))
    bulletin: bytes | None = wire(12, Bytes(32, 32), optional=True)  # hash of a higher level's
    duck_cdb: int | None = wire(13, Int(-6000, 0), optional=True)
    volume: int | None = wire(14, VOLUME, optional=True)  # its own level; the policy's cap holds

    @property
    def is_announcement(self) -> bool:
        """Whether it sounds over what plays, which is lowered by `duck_cdb` meanwhile.

        Only a file does; an item that may come by another bearer takes its turn like any.
        """
        kinds = {bearer.kind for bearer in self.bearers}
        return self.duck_cdb is not None and kinds == {BearerKind.MEDIA}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof(Wire):
    """One accepted proof; *value* is the PI for PI proofs, else 0."""

    kind: ProofKind = wire(1, Choice(ProofKind))
    value: int = wire(2, Int(0, 65_535))


@dataclass(frozen=True, slots=True, kw_only=True)
class FmWindow(Wire):
    """When and on which frequency FM may sound at all."""

    frequency_khz: int = wire(1, Int(50_000, 110_000))
    start: int = wire(2, SECONDS)
    end: int = wire(3, SECONDS)
    volume: int = wire(4, VOLUME)  # cap
    proofs: tuple[Proof, ...] = wire(5, ListOf(Nested(Proof, row=True), 8, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream(Wire):
    """Somebody's stream, fetched as it is: what it sounds like, nobody signed."""

    url: str = wire(1, Text(MAX_URL))

    @property
    def host(self) -> str:
        """Return the host, which the policy has to name."""
        return stream_host(self.url)

    def check(self) -> None:
        """Raise MessageError where the address is not https in its one spelling."""
        stream_host(self.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Playlist(Wire):
    """What an endpoint plays from, for up to 30 days."""

    scope: str = wire(1, SCOPE)
    epoch: int = wire(2, Int(0, 2**31))
    serial: int = wire(3, Int())
    not_before: int = wire(4, SECONDS)
    expires: int = wire(5, SECONDS)
    media: tuple[Media, ...] = wire(6, ListOf(Nested(Media, row=True), 4096))
    sessions: tuple[Session, ...] = wire(7, ListOf(Nested(Session, row=True), 1024))
    items: tuple[Item, ...] = wire(8, ListOf(Nested(Item), 4096))
    fm_windows: tuple[FmWindow, ...] = wire(9, ListOf(Nested(FmWindow, row=True), 1024))
    streams: tuple[Stream, ...] | None = wire(
        10, ListOf(Nested(Stream, row=True), 16, 1), optional=True
    )

    def check(self) -> None:
        """Raise MessageError where it would run for over a month, or names a stream it has not."""
        if not 0 < self.expires - self.not_before <= MAX_LIFE_S:
            raise MessageError("Playlist.expires: a playlist runs for up to 31 days")
        for stream in self.streams or ():
            stream.check()  # on the way out nobody else asks
        check_streams("Playlist", self.items, len(self.streams or ()))


def check_streams(what: str, items: Iterable[Item], count: int) -> None:
    """Raise MessageError where one of *items* names a stream beyond the *count* there are."""
    for item in items:
        for bearer in item.bearers:
            if bearer.is_unsigned and bearer.reference > count:
                raise MessageError(
                    f"{what}.items: {item.id!r} names stream {bearer.reference} of {count}"
                )
