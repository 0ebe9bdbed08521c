"""What an attacker makes who has the server's keys and his own, and no key of a person.

Everything of his sounds of one tone that no signed sound has, so that it is heard wherever it is.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from loa_protocol.envelope import Bundle, Kind
from loa_protocol.live import seal_chunk
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.authority import Level, Role
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.live import Grant, LiveChunk
from loa_protocol.objects.playlist import Bearer, BearerKind, Session
from loa_protocol.schema import Wire
from support.hostile_oracle import MARKER_HZ
from support.hostile_world import HOUR, media_of, spoken, wave_of
from support.orders import alert, cancel, command, grant
from support.province import STATION, Person, Province, certify, person, playlist, province

OTHER = "vn/ls/st0999"
_FAR = 29 * 86_400  # seconds


class Clock(Protocol):
    """The true time."""

    @property
    def unix_s(self) -> int: ...

    @property
    def unix_ms(self) -> int: ...


class Ground(Protocol):
    """What an attacker sees of the honest people's doings."""

    @property
    def folder(self) -> Path: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def signed(self) -> Sequence[bytes]: ...

    @property
    def chunks(self) -> Sequence[bytes]: ...

    @property
    def grants(self) -> Sequence[Grant]: ...

    @property
    def online(self) -> Person: ...


@dataclass
class Forger:
    """The attacker's own workshop."""

    world: Ground
    chance: random.Random
    content: bytes = b""
    own: list[Person] = field(default_factory=list)  # under a root of his own
    strangers: list[Person] = field(default_factory=list)  # honest wardens of another commune
    session: Person = field(default_factory=lambda: person("attacker"))
    files: dict[str, bytes] = field(default_factory=dict)
    playlists: list[bytes] = field(default_factory=list)
    orders: list[bytes] = field(default_factory=list)  # digests, for lists of orders
    people: Province = field(default_factory=province)  # whose single keys are stolen

    def __post_init__(self) -> None:
        self.content = wave_of(MARKER_HZ, self.world.folder)
        self.short = wave_of(MARKER_HZ, self.world.folder, seconds=4)  # to be carried along
        roots = [person("root-1"), person("root-2")]
        roles = tuple(Role)
        self.own = [
            certify(person(f"x{n}"), roots, scopes=("vn/ls",), roles=roles, level=Level.PROVINCE)
            for n in range(2)
        ]
        self.strangers = [
            certify(
                person(f"far-{n}"),
                self.people.officers,
                scopes=(OTHER,),
                roles=(Role.ALERT, Role.LIVE, Role.OPERATE, Role.EDITOR, Role.APPROVER),
            )
            for n in range(2)
        ]
        self.files[f"/media/{media_of(self.content).sha256.hex()}"] = self.content

    def begin(self) -> None:
        """Make what is served for days; the server's first head is there."""
        body = self._playlist()
        for signers in (self.own, [self.people.editor], [self.world.online], self.strangers):
            data = self._file(self._sign(Kind.PLAYLIST, body, *signers))
            self.playlists.append(Bundle.from_bytes(data).digest)
        for data in (self.alert(), self.single(), self.by_server(), self.foreign()):
            self.orders.append(Bundle.from_bytes(self._file(data)).digest)

    def sign(self, kind: Kind, body: Wire) -> bytes:
        """Sign by the attacker's own two keys."""
        return self._sign(kind, body, *self.own)

    def pieces(self) -> list[bytes]:
        """Return bundles and files of the attacker."""
        return list(self.files.values())

    # --- orders

    def forged(self, card: str) -> bytes:
        """Return another bundle of that name; of no name, noise."""
        makers: dict[str, Callable[[], bytes]] = {
            "forged alert": self.alert,
            "alert by the server": self.by_server,
            "alert by one": self.single,
            "alert by one, twice": self.twice,
            "alert of another commune": self.foreign,
            "alert with another sound": self.tampered,
            "flipped bit": self.flipped,
            "another kind": self.wrong_kind,
            "release by too few": self.release,
            "cancel by strangers": self.cancel,
            "grant by too few": self.grant,
            "playlist by too few": self.playlist,
        }
        maker = makers.get(card)
        return maker() if maker else self.chance.randbytes(self.chance.randrange(2000))

    def alert(self) -> bytes:
        """An alert by people under another root."""
        return self.sign(Kind.ALERT, self._alert())

    def by_server(self) -> bytes:
        """An alert, or the end of the hold, by the server's key: no role for it."""
        return self._sign(Kind.ALERT, self._alert(), self.world.online)

    def single(self) -> bytes:
        """Free speech by one stolen key, where two are needed."""
        return self._sign(Kind.ALERT, self._alert(), self.people.wardens[0])

    def twice(self) -> bytes:
        """One stolen key that signs twice."""
        return self._sign(Kind.ALERT, self._alert(), *[self.people.wardens[0]] * 2)

    def foreign(self) -> bytes:
        """Another commune's wardens, for their own place or for ours."""
        scope = self.chance.choice((OTHER, STATION, "vn/ls"))
        return self._sign(Kind.ALERT, self._alert(scope=scope), *self.strangers)

    def tampered(self) -> bytes:
        """A true alert with another sound in it."""
        for data in self.chance.sample(self.world.signed, len(self.world.signed)):
            bundle = Bundle.from_bytes(data)
            if bundle.kind == Kind.ALERT:
                true = Alert.from_bytes(bundle.payload)
                if true.media is not None:
                    other = self._alert(scope=true.scope)
                    lie = dataclasses.replace(true, id=other.id, media=other.media)
                    lie = dataclasses.replace(lie, sound=other.sound, **self._times())
                    return dataclasses.replace(bundle, payload=lie.to_bytes()).to_bytes()
        return self.flipped()

    def flipped(self) -> bytes:
        """A true bundle with one bit flipped."""
        data = bytearray(self.chance.choice(self.world.signed))
        data[self.chance.randrange(len(data))] ^= 1 << self.chance.randrange(8)
        return bytes(data)

    def wrong_kind(self) -> bytes:
        """The seals of one object on another kind."""
        bundle = Bundle.from_bytes(self.chance.choice(self.world.signed))
        kind = self.chance.choice([k for k in (Kind.ALERT, Kind.PLAYLIST) if k != bundle.kind])
        return dataclasses.replace(bundle, kind=kind).to_bytes()

    def release(self) -> bytes:
        """The end of every hold there ever was, by too few, by the wrong, or by nobody."""
        holds = [each for each in self._commands() if each.verb is Verb.HOLD]
        references = tuple(each.id for each in holds[-3:]) or (self.chance.randbytes(16),)
        now_s = self.world.clock.unix_s
        times = {"issued": now_s - 5, "expires": now_s + HOUR}
        body = command(Verb.RELEASE, references=references, **times)
        signers = self.chance.choice(
            (
                self.people.wardens[:1],
                self.people.duty[:1],
                [self.world.online],
                self.own,
                self.strangers,
            )
        )
        return self._sign(Kind.COMMAND, body, *signers)

    def cancel(self) -> bytes:
        """The end of the newest alert, by one of the station or by strangers."""
        alerts = [
            Alert.from_bytes(bundle.payload)
            for bundle in map(Bundle.from_bytes, self.world.signed)
            if bundle.kind == Kind.ALERT
        ]
        references = (alerts[-1].id,) if alerts else (self.chance.randbytes(16),)
        body = cancel(*references, **self._times())
        return self._sign(Kind.ALERT, body, *self.chance.choice((self.own, self.strangers)))

    def grant(self) -> bytes:
        """A permission for the attacker's own voice, by one, by the server, or by himself."""
        now_s = self.world.clock.unix_s
        body = grant(self.session.signer, start=now_s - 60, end=now_s + HOUR // 2)
        signers = self.chance.choice(
            (self.own, self.people.wardens[:1], [self.world.online], self.strangers)
        )
        return self._sign(Kind.GRANT, body, *signers)

    def playlist(self) -> bytes:
        """A day of the attacker's sound."""
        signers = self.chance.choice((self.own, [self.people.editor], [self.world.online]))
        return self._sign(Kind.PLAYLIST, self._playlist(), *signers)

    # --- live sound

    def chunk(self) -> bytes:
        """The attacker's voice under the newest true grant, or under none."""
        grants = [each for each in self.world.grants if each.end > self.world.clock.unix_s]
        order = grants[-1].id if grants else self.chance.randbytes(16)
        at_ms = self.world.clock.unix_ms + self.chance.randrange(-2000, 3000)
        number = self.chance.choice((self.chance.randrange(2**31), self.chance.randrange(40)))
        packets = self.chance.choice(spoken(MARKER_HZ, 3))
        body = LiveChunk(grant=order, number=number, at_ms=at_ms, packets=packets)
        signer = self.chance.choice((self.session, self.world.online, self.people.wardens[0]))
        return seal_chunk(body, signer.signer)

    def altered_chunk(self) -> bytes:
        """A true chunk with a bit flipped."""
        if not self.world.chunks:
            return self.chunk()
        data = bytearray(self.chance.choice(self.world.chunks[-40:]))
        data[self.chance.randrange(len(data))] ^= 1 << self.chance.randrange(8)
        return bytes(data)

    # --- inside

    def _sign(self, kind: Kind, body: Wire, *people: Person) -> bytes:
        return self.people.sign(kind, body, *people)

    def _file(self, data: bytes) -> bytes:
        self.files[f"/objects/{Bundle.from_bytes(data).digest.hex()}"] = data
        return data

    def _times(self) -> dict[str, Any]:
        now_s = self.world.clock.unix_s
        return {"start": now_s - 5, "expires": now_s + HOUR}

    def _alert(self, **changes: Any) -> Alert:
        media = dataclasses.replace(media_of(self.short), duration_ms=4000)
        return alert(media=media, sound=self.short, title="Kẻ lạ", **{**self._times(), **changes})

    def _playlist(self) -> Any:
        now_s = self.world.clock.unix_s
        sessions = tuple(
            Session(id=f"x{n}", start=now_s + n * HOUR, duration_s=600, volume=12)
            for n in range(1, 60)
        )
        base = playlist(
            serial=900,
            not_before=now_s - HOUR,
            expires=now_s + _FAR,
            media=(media_of(self.content),),
            sessions=sessions,
        )
        bearers = (Bearer(kind=BearerKind.MEDIA, reference=0, cost=1),)
        items = tuple(
            dataclasses.replace(
                base.items[0], id=f"x{n}", session=n, offset_ms=0, duration_ms=8000, bearers=bearers
            )
            for n in range(len(sessions))
        )
        return dataclasses.replace(base, items=items)

    def _commands(self) -> list[Command]:
        bundles = map(Bundle.from_bytes, self.world.signed)
        return [Command.from_bytes(b.payload) for b in bundles if b.kind == Kind.COMMAND]
