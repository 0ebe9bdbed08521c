"""The honest people of the hostile days: what they sign, publish and send, day by day.

Three days that repeat: an ordinary one with live sound, alerts and a playlist; one on which a hold
stands from the morning on; and one with its release, a lockdown and a playlist that is denied. The
days between have no playlist now and then: the standing programme plays.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from loa_protocol.envelope import Bundle, Kind
from loa_protocol.live import seal_chunk
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.authority import Level, Role
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.live import Grant, LiveChunk
from loa_protocol.objects.placement import DenyList
from loa_protocol.objects.playlist import (
    Bearer,
    BearerKind,
    Item,
    Media,
    Session,
)
from loa_protocol.objects.standing import WeeklySession
from loa_protocol.schema import Wire
from loa_sound.blocks import BLOCK
from loa_sound.opus import OpusEncoder
from support.content_lab import ContentLab, sha256
from support.hostile_oracle import LIVE_HZ, Oracle
from support.orders import alert, cancel, command, grant, standing_programme
from support.province import (
    NOW,
    SCOPE,
    STATION,
    Person,
    certify,
    person,
    playlist,
    policy,
    province,
)
from support.sound_files import tone, write_wav
from support.virtual_time import VirtualClock

SECONDS: Final = 8  # of each item
LIVE_S: Final = 20
OPEN_S: Final = 420  # of a grant without a slot, most of it unused by who was granted it
HOUR, DAY = 3600, 86_400
FIRST_MIDNIGHT: Final = (NOW.unix_s + 7 * HOUR) // DAY * DAY + DAY - 7 * HOUR
_RATE = 16_000
_PACKETS = 50  # in a chunk of a second


@cache
def spoken(hz: int, seconds: int) -> list[tuple[bytes, ...]]:
    """Return a tone as live sound, a second at a time."""
    encoder, wave = OpusEncoder(), tone(seconds, hz, 0.3)
    blocks = [wave[at : at + BLOCK] for at in range(0, len(wave), BLOCK)]
    packets = [packet for block in blocks for packet in encoder.encode(block)]
    packets += encoder.finish()
    return [tuple(packets[n : n + _PACKETS]) for n in range(0, seconds * _PACKETS, _PACKETS)]


def wave_of(hz: int, folder: Path, *, seconds: int = SECONDS) -> bytes:
    """Return a file of a tone."""
    path = folder / f"{hz}-{seconds}.wav"
    if not path.exists():
        write_wav(path, tone(seconds, hz, 0.3, _RATE), _RATE)
    return path.read_bytes()


def media_of(content: bytes) -> Media:
    """Return how a file of `wave_of` is named in what is signed."""
    return Media(
        sha256=sha256(content),
        size=len(content),
        duration_ms=SECONDS * 1000,
        gain_cdb=0,
        loudness_clufs=-2300,
    )


@dataclass
class World:
    """Everybody who signs, and the tree that they publish."""

    folder: Path
    clock: VirtualClock
    oracle: Oracle
    send: Callable[[bytes, bytes], None]  # a bundle, by its digest: over the broker until taken
    speak: Callable[[bytes, int], None]  # a live chunk, and for which instant
    lab: ContentLab = field(default_factory=ContentLab)
    log: list[str] = field(default_factory=list)
    tapes: list[dict[str, bytes]] = field(default_factory=list)  # the tree as it once was
    signed: list[bytes] = field(default_factory=list)  # every bundle that ever was published
    published: set[bytes] = field(default_factory=set)  # the same
    chunks: list[bytes] = field(default_factory=list)  # every live chunk that was ever sent
    grants: list[Grant] = field(default_factory=list)
    _serial: int = 0
    _denials: list[bytes] = field(default_factory=list)
    _hold: Command | None = None
    _hz: int = 300
    _online: Person | None = None

    # --- signing

    def sign(self, kind: Kind, body: Wire, *people: Person) -> bytes:
        """Return a bundle that the stated number of people signed; the oracle knows of it."""
        data = self.lab.sign(kind, body, *people)
        self.oracle.sign(kind, body, Bundle.from_bytes(data).digest)
        self.signed.append(data)
        self.published.add(data)
        return data

    def order(self, body: Alert | Command | Grant, *people: Person) -> bytes:
        """Sign an order, list it, and have it sent until it is taken."""
        kind = {Alert: Kind.ALERT, Command: Kind.COMMAND, Grant: Kind.GRANT}[type(body)]
        data = self.sign(kind, body, *people)
        digest = self.lab.order(body, data)
        self.send(data, digest)
        self.renew_head()
        self.note(body.verb.name if isinstance(body, Command) else body.title)
        return digest

    def sound(self) -> tuple[Media, int]:
        """Make another file, with a tone of its own, and publish it."""
        hz, self._hz = self._hz, 300 + (self._hz - 250) % 2200
        content = wave_of(hz, self.folder)
        self.lab.put_media(content)
        media = media_of(content)
        self.oracle.tones[media.sha256] = hz
        return media, hz

    def renew_head(self) -> None:
        """Let the server sign what is newest."""
        now_s = self.clock.unix_s
        if self._online is None or (now_s - FIRST_MIDNIGHT) % (10 * DAY) < 15 * 60:
            self._online = certify(
                person("server"),
                province().officers[:1],
                scopes=(SCOPE,),
                roles=(Role.HEAD, Role.TIME, Role.INGEST),
                level=Level.PROVINCE,
                expires=now_s + 14 * DAY,
            )
        alive = [mark for mark in self.lab.orders if mark.until > now_s - DAY]
        self.lab.orders[:] = alive
        self.lab.time = now_s - 10
        self.lab.renew(signer=self._online)

    @property
    def online(self) -> Person:
        """The server's key, which the attacker has."""
        assert self._online is not None  # the first head is there
        return self._online

    def note(self, what: str) -> None:
        self.log.append(f"{self.clock.unix_s}: {what}")

    # --- the days

    async def live(self, days: int, on_begun: Callable[[], None]) -> None:
        """Let people do what they do, for *days* days."""
        self.begin()
        on_begun()
        for day in range(days):
            midnight = FIRST_MIDNIGHT + day * DAY
            await self._until(midnight - 2 * HOUR)
            if day % 4 != 3:
                self._publish(midnight)
            self.tapes.append(dict(self.lab.files))
            await (self._ordinary, self._held, self._denied)[day % 3](midnight)
        await self._until(FIRST_MIDNIGHT + days * DAY)

    def begin(self) -> None:
        """Publish what holds for ever: policy, standing programme."""
        self.lab.root = (1, Bundle.from_bytes(province().root_bundle).digest)
        self.sign(Kind.POLICY, policy(), *province().officers)
        self.lab.publish_policy(policy())
        media, _hz = self.sound()
        body = standing_programme(
            media=(media,),
            sessions=(WeeklySession(id="w", weekdays=127, start_min=390, duration_s=60, volume=9),),
            items=(_item("w0", 0, 0, SECONDS * 1000),),
        )
        data = self.sign(Kind.STANDING_PROGRAMME, body, *self._desk())
        self.lab.files[f"/state/{STATION}/standing"] = data
        self.renew_head()
        self.tapes.append(dict(self.lab.files))

    async def renew_heads(self) -> None:
        """Sign a head every quarter of an hour, for ever."""
        while True:
            await asyncio.sleep(900)
            self.renew_head()

    async def _ordinary(self, midnight: int) -> None:
        await self._until(midnight + 9 * HOUR)
        self._alert("Báo động lũ", *province().wardens)
        await self._until(midnight + 14 * HOUR)
        body = self._alert("Báo nhầm", *province().wardens, start=self.clock.unix_s + 1200)
        await self._until(midnight + 14 * HOUR + 300)
        now = self._times(600)
        self.order(cancel(body.id, **now), *province().wardens)
        await self._free_speech(midnight + 15 * HOUR)
        await self._slot(midnight + 17 * HOUR + 1800)

    async def _held(self, midnight: int) -> None:
        await self._until(midnight + 8 * HOUR)
        self._hold = command(Verb.HOLD, **self._issued(12 * HOUR))
        self.order(self._hold, province().wardens[0])
        await self._until(midnight + 13 * HOUR)
        self._alert("Báo động trong lúc dừng", *province().wardens)
        await self._free_speech(midnight + 15 * HOUR)  # granted, open, and silent by the hold

    async def _denied(self, midnight: int) -> None:
        await self._until(midnight + 10 * HOUR)
        if self._hold is not None:
            references = (self._hold.id,)
            release = command(Verb.RELEASE, references=references, **self._issued(12 * HOUR))
            self.order(release, *province().wardens)
        await self._until(midnight + 12 * HOUR)
        lock = command(Verb.LOCKDOWN, scope=SCOPE, duration_s=HOUR, **self._issued(HOUR))
        self.order(lock, *province().duty[:2])
        await self._until(midnight + 12 * HOUR + 600)
        self._alert("Không ai nghe", *province().wardens, minutes=20)
        await self._free_speech(midnight + 15 * HOUR)
        await self._until(midnight + 16 * HOUR)
        leaf = self.lab.leaves.get(STATION)
        if leaf is not None:
            self._denials.append(leaf.digest)
            digest = self.lab.deny(*self._denials, serial=len(self._denials))
            data = self.lab.files[f"/objects/{digest.hex()}"]
            body = Bundle.from_bytes(data).payload
            self._know_denial(body, digest, data)
            self.renew_head()
            self.note("deny")

    def _know_denial(self, payload: bytes, digest: bytes, data: bytes) -> None:
        self.oracle.sign(Kind.DENY_LIST, DenyList.from_bytes(payload), digest)
        self.signed.append(data)
        self.published.add(data)

    # --- what they make

    def _publish(self, midnight: int) -> None:
        """Two people sign a day: morning, noon, evening with a live slot; and one too early."""
        self._serial += 1
        starts = [6 * HOUR, 11 * HOUR + 1800, 17 * HOUR + 1800, 3 * HOUR]
        sounds = [self.sound()[0] for _ in range(7)]
        sessions = tuple(
            Session(id=f"s{n}", start=midnight + start, duration_s=120, volume=10)
            for n, start in enumerate(starts)
        )
        items = [
            _item(f"i{n}", n // 2, n % 2 * SECONDS * 1000, SECONDS * 1000, n) for n in range(7)
        ]
        slot = Bearer(kind=BearerKind.STREAM, reference=0, cost=0)
        at_ms, length_ms = 2 * SECONDS * 1000, LIVE_S * 1000
        items.append(dataclasses.replace(_item("live", 2, at_ms, length_ms), bearers=(slot,)))
        base = playlist(
            serial=self._serial,
            not_before=midnight - 3 * HOUR,
            expires=midnight + 30 * HOUR,
            media=tuple(sounds),
            sessions=sessions,
        )
        body = dataclasses.replace(base, items=tuple(items))
        self.lab.publish(body, self.sign(Kind.PLAYLIST, body, *self._desk()))
        self.renew_head()
        self.note(f"playlist {self._serial}")

    def _alert(self, title: str, *people: Person, start: int = 0, minutes: int = 30) -> Alert:
        media, _hz = self.sound()
        now_s = self.clock.unix_s
        body = alert(
            title=title,
            media=media,
            start=start or now_s - 5,
            expires=(start or now_s) + minutes * 60,
            repeats=2,
            gap_s=5,
            duration_s=60,
        )
        self.order(body, *people)
        return body

    async def _free_speech(self, start_s: int) -> None:
        """Speak for a while at the beginning of an hour that is granted; the grant stays open."""
        key = person("session")
        body = grant(key.signer, start=start_s, end=start_s + OPEN_S, title="Nói trực tiếp")
        await self._until(start_s - 600)
        self.order(body, *province().wardens)
        self.grants.append(body)
        await self._speak(body, key, start_s + 120)

    async def _slot(self, session_s: int) -> None:
        """Fill the live slot of today's playlist."""
        key, start_s = person("session"), session_s + 2 * SECONDS
        leaf = self.lab.leaves.get(STATION)
        assert leaf is not None
        body = grant(
            key.signer,
            start=start_s,
            end=start_s + LIVE_S,
            slot="live",
            playlist=leaf.digest,
            title="Lấp chỗ trực tiếp",
        )
        await self._until(session_s - 1800)
        self.order(body, province().wardens[0])
        self.grants.append(body)
        await self._speak(body, key, start_s)

    async def _speak(self, body: Grant, key: Person, start_s: int) -> None:
        for number, packets in enumerate(spoken(LIVE_HZ, LIVE_S)):
            at_ms = (start_s + number) * 1000
            await self._until(start_s + number - 2)
            chunk = LiveChunk(grant=body.id, number=number, at_ms=at_ms, packets=packets)
            data = seal_chunk(chunk, key.signer)
            self.chunks.append(data)
            self.oracle.speak(at_ms, len(packets) * 20, LIVE_HZ, body.id)
            self.speak(data, at_ms)

    def _issued(self, life_s: int) -> dict[str, Any]:
        return {"issued": self.clock.unix_s - 5, "expires": self.clock.unix_s + life_s}

    def _times(self, life_s: int) -> dict[str, Any]:
        return {"start": self.clock.unix_s - 5, "expires": self.clock.unix_s + life_s}

    def _desk(self) -> tuple[Person, Person]:
        return province().editor, province().approver

    async def _until(self, unix_s: int) -> None:
        await asyncio.sleep(max(0.0, unix_s - self.clock.unix_ms / 1000))


def _item(id_: str, session: int, at_ms: int, length_ms: int, media: int = 0) -> Item:
    base = playlist().items[0]
    bearers = (Bearer(kind=BearerKind.MEDIA, reference=media, cost=10),)
    return dataclasses.replace(
        base, id=id_, session=session, offset_ms=at_ms, duration_ms=length_ms, bearers=bearers
    )
