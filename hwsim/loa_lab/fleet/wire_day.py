"""What an endpoint's day costs on the wire without audio, from single happenings that are counted.

Each kind of happening is made to happen to a few endpoints and counted at their sockets (TCP
payload, TLS included); the day is those times how often they come. Headers of TCP and IP come on
top: each piece is taken as one segment of 52 bytes of headers, acknowledged by another, which is
the worst that a mobile line does.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ed25519

from loa_endpoint.core.poll import Reach
from loa_endpoint.uplink.session import KEEP_ALIVE_S
from loa_lab.fleet.fleet import Fleet, Member, until
from loa_lab.fleet.province import STATION, FleetProvince, Officer
from loa_manager.authority import Grant
from loa_manager.serve.head import EVERY_S
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.errors import PeerError
from loa_protocol.keys import SoftSigner
from loa_protocol.objects.authority import Level, Role
from loa_protocol.objects.playlist import (
    Bearer,
    BearerKind,
    BulletinKind,
    Item,
    Media,
    Playlist,
    Session,
)

DAY_S: Final = 86_400
HEARTBEAT_S: Final = 300  # what founding writes into the settings
HEADERS: Final = 2 * 52  # IPv4 and TCP with timestamps, of a segment and of its acknowledgement
ITEMS: Final = 40
_SAMPLE: Final = 10
_WITHIN_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Cost:
    """One happening: bytes up and down, and in how many pieces; medians over the sample."""

    up: int
    down: int
    pieces: int

    @property
    def all(self) -> int:
        """Bytes both ways."""
        return self.up + self.down


async def count_day(province: FleetProvince, fleet: Fleet) -> dict[str, Any]:
    """Return bytes and times a day of each happening, and their sum.

    Raises:
        PeerError: something did not happen.
    """
    sample = fleet.members[:_SAMPLE]
    happenings: list[tuple[str, int, Callable[[], Awaitable[None]]]] = [
        ("heartbeat and receipt", DAY_S // HEARTBEAT_S, lambda: _beat(sample)),
        ("head pushed", int(DAY_S // EVERY_S), lambda: _head(province, sample)),
        ("ping", (HEARTBEAT_S // KEEP_ALIVE_S) * DAY_S // HEARTBEAT_S, lambda: _ping(sample)),
        ("look at all of the content tree", 4, lambda: _look(sample, Reach.STATE)),
        ("connection to the broker", 1, lambda: _reconnect(fleet, sample)),
        ("own playlist of 40 items", 1, lambda: _publish(province, sample, STATION)),
    ]
    found = {}
    for name, times, do in happenings:
        cost = await _cost(sample, do)
        found[name] = {**_row(cost), "times": times, "bytes_a_day": times * cost.all}
    elsewhere = await _cost(sample, lambda: _publish(province, sample, "vn/ls/st9999"))
    proofs = await _cost(sample, lambda: _look(sample, Reach.PLAYLISTS))
    return {
        "happenings": found,
        "bytes": sum(each["bytes_a_day"] for each in found.values()),
        "header_bytes": sum(HEADERS * each["pieces"] * each["times"] for each in found.values()),
        "a_playlist_elsewhere": _row(elsewhere),
        "proofs_after_it": _row(proofs),
        "certificates": _certificates(province, sample),
    }


async def _cost(members: Sequence[Member], do: Callable[[], Awaitable[None]]) -> Cost:
    meters = [(m.endpoint.meters.messages, m.endpoint.meters.content) for m in members]
    before = [(a.copy(), b.copy()) for a, b in meters]
    await do()
    await asyncio.sleep(0.2)  # acknowledgements that nobody waits for
    now = [(a.copy(), b.copy()) for a, b in meters]

    def middle(name: str) -> int:
        pairs = zip(before, now, strict=True)
        used = (
            sum(getattr(n, name) - getattr(b, name) for b, n in zip(*p, strict=True)) for p in pairs
        )
        return int(statistics.median(used))

    return Cost(middle("up"), middle("down"), middle("pieces"))


def _row(cost: Cost) -> dict[str, int]:
    return {**dataclasses.asdict(cost), "bytes": cost.all}


async def _soon(what: str, is_so: Callable[[], bool]) -> None:
    if not await until(is_so, _WITHIN_S):
        raise PeerError(f"{what}: not within {_WITHIN_S:g} s")


async def _beat(members: Sequence[Member]) -> None:
    for member in members:
        member.endpoint.beat()
    await _soon("receipts", lambda: all(not m.endpoint.memory.log.unsent for m in members))


async def _ping(members: Sequence[Member]) -> None:
    before = [m.endpoint.meters.messages.down for m in members]
    for member in members:
        member.endpoint.link.ping()

    def is_answered() -> bool:
        return all(
            m.endpoint.meters.messages.down > b for m, b in zip(members, before, strict=True)
        )

    await _soon("answers to pings", is_answered)


async def _head(province: FleetProvince, members: Sequence[Member]) -> None:
    await _round(members, lambda: os.utime(province.home.content.path / "index.json"))


async def _round(members: Sequence[Member], do: Callable[[], object]) -> None:
    """Do what makes the server sign another head, and wait until *members* caught up with it."""
    for member in members:
        member.reader.close()  # the kept connection is long over by then
    before = [m.reader.rounds for m in members]
    # heads tell whole seconds: another one within a second would be the same
    await asyncio.sleep(1.1)
    await asyncio.to_thread(do)

    def is_done() -> bool:
        return all(m.reader.rounds > b for m, b in zip(members, before, strict=True))

    await _soon("the new head", is_done)


async def _look(members: Sequence[Member], reach: Reach) -> None:
    for member in members:
        member.reader.close()
        await member.reader.round(reach=reach)


async def _reconnect(fleet: Fleet, members: Sequence[Member]) -> None:
    for member in members:
        member.endpoint.disconnect()
    await fleet.connect(members, lambda _done: None)


async def _publish(province: FleetProvince, members: Sequence[Member], scope: str) -> None:
    editor, approver = (_officer(province, role) for role in (Role.EDITOR, Role.APPROVER))
    body = _playlist(scope)
    chains = dict.fromkeys((*editor.chain, *approver.chain))
    signers = [editor.signer, approver.signer]
    data = sign_bundle(Kind.PLAYLIST, body.to_bytes(), signers, certificates=chains)
    tree = province.home.content

    def put() -> None:
        tree.set_playlist(scope, body.epoch, body.serial, tree.put_object(data))

    await _round(members, put)


def _officer(province: FleetProvince, role: Role) -> Officer:
    signer = SoftSigner(ed25519.Ed25519PrivateKey.generate())
    grant = Grant(scopes=(STATION,), roles=(role,), level=Level.COMMUNE)
    authority = province.authority
    own = authority.issue(signer.public, f"{role.name.lower()} mẫu", grant, datetime.now(UTC))
    above = [each for officer in authority.officers for each in officer.chain]
    return Officer(signer, (*dict.fromkeys(above), own))


def _playlist(scope: str) -> Playlist:
    """Return a day of 40 items, as a commune publishes it; nobody will hear its media."""
    begin = int(time.time()) // 3600 * 3600 + 7200
    media = tuple(
        Media(
            sha256=os.urandom(32),
            size=240_000 + number,
            duration_ms=60_000,
            gain_cdb=-120,
            loudness_clufs=-2300,
        )
        for number in range(ITEMS)
    )
    items = tuple(
        Item(
            id=f"muc-{number:02}",
            session=0,
            title=f"Thông báo của Ủy ban nhân dân xã số {number}",
            kind=BulletinKind.NORMAL,
            level=Level.COMMUNE,
            language="vi",
            category="thông báo",
            offset_ms=number * 61_000,
            duration_ms=60_000,
            bearers=(Bearer(kind=BearerKind.MEDIA, reference=number, cost=10),),
            expected_silence=(),
        )
        for number in range(ITEMS)
    )
    session = Session(id="sang", start=begin, duration_s=ITEMS * 61, volume=10)
    return Playlist(
        scope=scope,
        epoch=1,
        serial=1,
        not_before=begin - 7200,
        expires=begin + 7 * DAY_S,
        media=media,
        sessions=(session,),
        items=items,
        fm_windows=(),
    )


def _certificates(province: FleetProvince, sample: Sequence[Member]) -> dict[str, int]:
    """Return how much of a head and of a receipt are certificates that the endpoint knows."""
    head = (province.home.content.path / "head").read_bytes()
    receipt = sample[0].endpoint.newest_receipt
    return {
        "head_bytes": len(head),
        "of_them_certificates": _of_certificates(head),
        "receipt_bytes": len(receipt),
        "of_them_certificates_too": _of_certificates(receipt),
    }


def _of_certificates(data: bytes) -> int:
    bare = dataclasses.replace(Bundle.from_bytes(data), certificates=())
    return len(data) - len(bare.to_bytes())
