"""The honest people of the hostile wire: what they sign for one real pole, and put into the tree.

Their sounds are pure tones, each of its own, so that whatever a recording holds can be named.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from loa_manager.authority import Grant as Rights
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.keys import SoftSigner
from loa_protocol.live import seal_chunk
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.authority import Level, Role
from loa_protocol.objects.command import Command
from loa_protocol.objects.live import Grant, LiveChunk
from loa_protocol.objects.online import OrderMark
from loa_protocol.objects.playlist import Bearer, BearerKind, Item, Media, Session
from support.hamlet import PROVINCE, STATION, Hamlet, Pole
from support.hostile_oracle import LIVE_HZ
from support.hostile_world import spoken, wave_of
from support.orders import alert, grant
from support.province import Person, Province, person, playlist
from support.sound_files import tone, write

LONG, LIVE = "dai", "truc-tiep"  # items
SWAPPED, DRIPPED = "trao", "nho-giot"  # items whose files the attacker never gives as they are
LONG_HZ, ALERT_HZ, OLD_HZ, UNHEARD_HZ = 600, 1500, 1800, 2100
LIVE_S: Final = 10
LONG_S: Final = 240
_SHORT_S: Final = 4
_RATE: Final = 16_000
_LIFE_S: Final = 3600


class WallClock:
    """The time of this machine, which is the board's too."""

    @property
    def unix_s(self) -> int:
        return self.unix_ms // 1000

    @property
    def unix_ms(self) -> int:
        return time.time_ns() // 1_000_000


@dataclass
class Commune:
    """Everybody who signs; and, for who reads along, what they have signed."""

    here: Hamlet
    pole: Pole
    online: Person  # the server's key of heads, which is not theirs alone any more
    clock: WallClock = field(default_factory=WallClock)
    signed: list[bytes] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    people: Province = field(init=False)
    session: Person = field(default_factory=lambda: person("session"))
    spoken: list[int] = field(default_factory=list)  # unix ms of the chunks that were given away
    start_s: int = 0  # of the session: first the live slot, then the long item
    _orders: int = 0

    def __post_init__(self) -> None:
        duties = (Role.ALERT, Role.LIVE, Role.OPERATE)
        officers = [_person(each.name, each.signer, each.chain) for each in self._officers]
        self.people = Province(
            roots=[],
            officers=officers,
            editor=self.here.people[0],
            approver=self.here.people[1],
            wardens=[self.certified(f"warden-{n}", STATION, duties) for n in (1, 2)],
            duty=[self.certified("duty", PROVINCE, duties, Level.PROVINCE)],
            online=self.online,
            root=self.here.authority.trusted.root,
            root_bundle=b"",
        )
        self.strangers = [self.certified(f"far-{n}", f"{PROVINCE}/st0999", duties) for n in (1, 2)]

    @property
    def folder(self) -> Path:
        return self.here.folder

    @property
    def _officers(self) -> Any:
        return self.here.authority.officers

    def certified(
        self,
        holder: str,
        scope: str,
        roles: tuple[Role, ...],
        level: Level = Level.COMMUNE,
    ) -> Person:
        """Return somebody whom both officers have certified."""
        who = person(holder)
        rights = Rights(scopes=(scope,), roles=roles, level=level)
        own = self.here.authority.issue(who.signer.public, holder, rights, datetime.now(UTC))
        above = [each for officer in self._officers for each in officer.chain]
        who.chain = (*dict.fromkeys(above), own)
        return who

    # --- the schedule

    def publish(self, start_s: int) -> None:
        """Let two people sign an hour: a live slot, a long item, two items of much later."""
        self.start_s = start_s
        files = [self._file(name, hz, s) for name, hz, s in _FILES]
        later = LIVE_S + LONG_S + 10
        body = dataclasses.replace(
            playlist(),
            scope=self.pole.scope,
            not_before=start_s - _LIFE_S,
            expires=start_s + 86_400,
            media=tuple(media for _, media in files),
            sessions=(Session(id="s1", start=start_s, duration_s=_LIFE_S // 2, volume=15),),
            items=(
                _item(LIVE, 0, LIVE_S, BearerKind.STREAM),
                _item(LONG, LIVE_S, LONG_S, BearerKind.MEDIA, 0),
                _item(SWAPPED, later, _SHORT_S, BearerKind.MEDIA, 1),
                _item(DRIPPED, later + 10, _SHORT_S, BearerKind.MEDIA, 2),
            ),
        )
        data = self.people.sign(Kind.PLAYLIST, body, self.people.editor, self.people.approver)
        self.signed.append(data)
        tree = self.here.home.content
        digest = tree.put_object(data)
        tree.put_media(files[0][0])
        tree.set_playlist(body.scope, body.epoch, body.serial, digest)
        self._grant(digest)

    def withheld(self, which: str) -> tuple[str, bytes]:
        """Return path and content of a file that is signed and in no tree: the attacker has it."""
        file, media = self._file(*next(each for each in _FILES if each[0] == which))
        return f"/media/{media.sha256.hex()}", file.read_bytes()

    def _grant(self, playlist_digest: bytes) -> None:
        """Let one warden open the slot, early and for longer than it is used."""
        body = grant(
            self.session.signer,
            start=self.start_s,
            end=self.start_s + LIVE_S,
            slot=LIVE,
            playlist=playlist_digest,
        )
        self.grants.append(body)
        self.order(body, self.people.wardens[0])

    def _file(self, name: str, hz: int, seconds: int) -> tuple[Path, Media]:
        path = self.folder / f"{name}.flac"
        if not path.exists():
            write(path, tone(seconds, hz, 0.3, _RATE), _RATE)
        content = path.read_bytes()
        return path, _media(content, seconds)

    # --- orders and live sound

    def sign(self, body: Alert | Command | Grant, *people: Person) -> bytes:
        """Return an order as it is sent; who reads along has it."""
        kind = {Alert: Kind.ALERT, Command: Kind.COMMAND, Grant: Kind.GRANT}[type(body)]
        data = self.people.sign(kind, body, *people)
        self.signed.append(data)
        return data

    def order(self, body: Alert | Command | Grant, *people: Person) -> bytes:
        """Sign an order and list it in the tree; return it."""
        data = self.sign(body, *people)
        tree, bundle = self.here.home.content, Bundle.from_bytes(data)
        mark = OrderMark(
            scope=body.scope,
            kind=bundle.kind,
            digest=tree.put_object(data),
            until=max(body.expires, self.clock.unix_s + 60),
        )
        tree.change_orders(lambda orders: orders.with_order(mark, self.clock.unix_s))
        return data

    def times(self, life_s: int = _LIFE_S) -> dict[str, int]:
        """Return from when to when a command that is given now is taken."""
        now_s = self.clock.unix_s
        return {"issued": now_s - 1, "expires": now_s + life_s, "number": self._number()}

    def _number(self) -> int:
        self._orders += 1
        return self.clock.unix_s * 100 + self._orders

    def alert(self, hz: int = ALERT_HZ, *, expires_s: int = 0) -> Alert:
        """Return a warning with its own tone inside."""
        sound = wave_of(hz, self.folder, seconds=_SHORT_S)
        now_s = self.clock.unix_s
        end_s = expires_s or now_s + 300
        return alert(
            media=_media(sound, _SHORT_S),
            sound=sound,
            start=end_s - 305,
            expires=end_s,
            repeats=1,
            gap_s=0,
            duration_s=30,
        )

    def chunk(self, number: int) -> bytes:
        """Return the second *number* of what the officer says, sealed on his own machine."""
        at_ms = (self.start_s + number) * 1000
        packets = spoken(LIVE_HZ, LIVE_S)[number]
        body = LiveChunk(grant=self.grants[0].id, number=number, at_ms=at_ms, packets=packets)
        data = seal_chunk(body, self.session.signer)
        self.chunks.append(data)
        self.spoken.append(at_ms)
        return data


_FILES: Final = (
    (LONG, LONG_HZ, LONG_S),
    (SWAPPED, UNHEARD_HZ, _SHORT_S),
    (DRIPPED, UNHEARD_HZ + 50, _SHORT_S),
)


def _media(content: bytes, seconds: int) -> Media:
    base = playlist().media[0]
    return dataclasses.replace(
        base,
        sha256=hashlib.sha256(content).digest(),
        size=len(content),
        duration_ms=seconds * 1000,
        gain_cdb=0,
        loudness_clufs=-2300,
    )


def _item(id_: str, at_s: int, length_s: int, kind: BearerKind, media: int = 0) -> Item:
    bearers = (Bearer(kind=kind, reference=media, cost=0 if kind is BearerKind.STREAM else 10),)
    return dataclasses.replace(
        playlist().items[0],
        id=id_,
        title=id_,
        session=0,
        offset_ms=at_s * 1000,
        duration_ms=length_s * 1000,
        bearers=bearers,
    )


def _person(name: str, signer: Any, chain: tuple[bytes, ...]) -> Person:
    assert isinstance(signer, SoftSigner)  # the hamlet has no token
    return Person(name, signer, chain)
