"""Recalled files at the server: who may bring which, in pieces, and what is made of them."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_manager.cli.local_time import parse_local
from loa_manager.home import Home
from loa_manager.recall.findings import Findings, Found, Play
from loa_manager.recall.joining import join
from loa_manager.recall.room import KEEP_S, MOST_ALL, PieceError, Room
from loa_manager.serve.recall_route import RecallRoutes
from loa_manager.serve.signed_request import Doorkeeper
from loa_protocol.envelope import Kind, sign_bundle
from loa_protocol.errors import MessageError
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.online import OrderMark
from loa_protocol.recall import MOST_PIECE, Lack, Offer, Offered
from support import province
from support.device_ca_lab import Client, new_key
from support.listening import place_of, read_sound
from support.server_lab import CLUSTERS, ServerLab
from support.sound_files import RATE, chirp, write

ORDER = bytes(range(16))
UNIX_MS = 1_764_000_000_000
SIGNER = province.province().online.signer  # the route judges no seal: the book has


def offered(data: bytes, start_ms: int = UNIX_MS) -> Offered:
    digest = hashlib.sha256(data).digest()
    return Offered(start_ms=start_ms, duration_ms=60_000, sha256=digest, size=len(data))


def offer(*files: bytes) -> Offer:
    return Offer(files=tuple(offered(data, UNIX_MS + n) for n, data in enumerate(files)))


# --- the room -------------------------------------------------------------------------------


@given(size=st.integers(1, 3000), pieces=st.lists(st.integers(0, 3000), max_size=12))
def test_a_file_comes_in_pieces_of_any_size_in_any_order_and_is_whole_or_not_there(
    tmp_path_factory: pytest.TempPathFactory, size: int, pieces: list[int]
) -> None:
    room, data = Room(Home(tmp_path_factory.mktemp("home"))), os.urandom(size)
    lack = room.offered(ORDER, offer(data), 0)
    for offset in [*pieces, 0]:
        lacking = lack.files[0].offset if lack.files else size
        part = data[offset : offset + 700]
        lack = room.take(ORDER, offered(data).sha256, offset, part)
        now = lack.files[0].offset if lack.files else size
        assert now == (lacking + len(part) if lacking == offset < size else lacking)
    while lack.files:
        at = lack.files[0].offset
        lack = room.take(ORDER, offered(data).sha256, at, data[at : at + 700])
    assert room.path(ORDER, offered(data).sha256).read_bytes() == data
    assert room.held(ORDER).is_complete


@pytest.mark.requirement("AUD-7")
def test_bytes_of_another_hash_are_refused_and_forgotten(tmp_path: Path) -> None:
    room, data = Room(Home(tmp_path)), b"what was said"
    room.offered(ORDER, offer(data), 0)
    with pytest.raises(PieceError) as refused:
        room.take(ORDER, offered(data).sha256, 0, b"what was sAid")
    assert refused.value.code == "hash"
    held = room.held(ORDER)
    assert (held.whole, held.received) == (frozenset(), 0)
    assert not room.take(ORDER, offered(data).sha256, 0, data).files


def test_what_was_not_offered_is_not_taken_and_the_bounds_hold(tmp_path: Path) -> None:
    room, data = Room(Home(tmp_path)), b"x" * (MOST_PIECE + 1)
    for digest in (offered(b"other").sha256, offered(data).sha256):
        with pytest.raises(PieceError, match="not_offered"):
            room.take(ORDER, digest, 0, b"x")
    room.offered(ORDER, offer(data), 0)
    for piece in (data, data + b"x"):
        with pytest.raises(PieceError, match="too_long"):
            room.take(ORDER, offered(data).sha256, 0, piece)
    heavy = [
        Offered(start_ms=n, duration_ms=1, sha256=hashlib.sha256(bytes([n])).digest(), size=4 << 20)
        for n in range(MOST_ALL // (4 << 20) + 1)
    ]
    with pytest.raises(PieceError, match="too_long"):
        room.offered(ORDER, Offer(files=tuple(heavy)), 0)


def test_what_came_before_stays_though_the_board_has_dropped_it_since(tmp_path: Path) -> None:
    room = Room(Home(tmp_path))
    room.offered(ORDER, offer(b"one", b"two"), 0)
    room.take(ORDER, offered(b"one").sha256, 0, b"one")
    lack = room.offered(ORDER, offer(b"three"), 0)
    assert [each.sha256 for each in lack.files] == [offered(b"three").sha256]
    held = room.held(ORDER)
    assert held.offer is not None
    names = {each.sha256 for each in held.offer.files}
    assert names == {offered(b"one").sha256, offered(b"three").sha256}


def test_recalls_of_a_month_ago_are_forgotten(tmp_path: Path) -> None:
    room = Room(Home(tmp_path))
    room.offered(ORDER, offer(b"old"), 0)
    room.offered(bytes(16), offer(b"new"), time.time() + KEEP_S + 60)
    assert room.held(ORDER).offer is None
    assert room.held(bytes(16)).offer is not None


# --- the route ------------------------------------------------------------------------------


class RouteLab:
    """A server that asks one board for what it has said."""

    def __init__(self, folder: Path) -> None:
        self.server = ServerLab(folder)
        home = Home(folder)
        door = Doorkeeper(home, self.server.x509.authorities.server, self.server.now)
        self.server.boards = RecallRoutes(home, self.server.engine, door).for_boards
        self.room = Room(home)
        self.board = self.server.register(self.server.x509.board())
        self.other = self.server.register(self.server.x509.board(), CLUSTERS[1])

    def ask(self, order: bytes, verb: Verb = Verb.RECALL, *, expires_s: int = 3600) -> None:
        now_s = int(self.server.now().timestamp())
        body = Command(
            id=order, scope=CLUSTERS[0], number=1, verb=verb, reason="Dân hỏi", issued=now_s - 10,
            expires=now_s + expires_s, duration_s=60 if verb is Verb.RECALL else 0, value=0,
            references=(), endpoint=bytes.fromhex(self.board.id),
            since=UNIX_MS // 1000 if verb is Verb.RECALL else None,
        )  # fmt: skip
        digest = self.server.tree.put_object(sign_bundle(Kind.COMMAND, body.to_bytes(), [SIGNER]))
        mark = OrderMark(scope=body.scope, kind=Kind.COMMAND, digest=digest, until=body.expires)
        self.server.tree.change_orders(lambda orders: orders.with_order(mark, now_s))

    async def offer(
        self, client: Client | None, what: Offer, order: bytes = ORDER
    ) -> tuple[int, str]:
        async with self.server.http(client) as http:
            return verdict(await http.post(f"/recall/{order.hex()}/offer", content=what.to_bytes()))

    async def send(
        self, client: Client, data: bytes, *, name: bytes, at: int = 0
    ) -> tuple[int, str]:
        async with self.server.http(client) as http:
            path = f"/recall/{ORDER.hex()}/{name.hex()}/{at}"
            return verdict(await http.put(path, content=data))


def verdict(answer: httpx.Response) -> tuple[int, str]:
    if answer.status_code != 200:
        return answer.status_code, answer.json()["reason"]
    return 200, str(len(Lack.from_bytes(answer.content).files))


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[RouteLab]:
    made = RouteLab(tmp_path)
    made.ask(ORDER)
    async with made.server.running():
        yield made


@pytest.mark.requirement("AUD-7", "SEC-7")
async def test_the_board_that_was_asked_brings_what_it_offered_and_nobody_else_does(
    lab: RouteLab,
) -> None:
    data = b"a minute of sound"
    name = offered(data).sha256
    assert await lab.offer(lab.other, offer(data)) == (404, "not_here")
    assert await lab.offer(None, offer(data)) == (401, "no_certificate")
    assert await lab.send(lab.board, data, name=name) == (409, "not_offered")
    assert await lab.offer(lab.board, offer(data)) == (200, "1")
    assert await lab.send(lab.other, data, name=name) == (404, "not_here")
    assert await lab.send(lab.board, data[:5], name=name) == (200, "1")
    assert await lab.send(lab.board, data[5:], name=name, at=5) == (200, "0")
    assert lab.room.held(ORDER).is_complete


async def test_of_another_time_than_was_asked_for_nothing_is_taken(lab: RouteLab) -> None:
    for start_ms in (UNIX_MS - 60_000, UNIX_MS + 60_000):
        early_or_late = Offer(files=(offered(b"x", start_ms),))
        assert await lab.offer(lab.board, early_or_late) == (409, "not_asked")
    assert await lab.offer(lab.board, Offer(files=(offered(b"x", UNIX_MS - 59_999),))) == (200, "1")
    assert await lab.offer(lab.board, Offer(files=())) == (200, "0")


async def test_a_bench_identity_brings_nothing(lab: RouteLab) -> None:
    bench = lab.server.register(lab.server.x509.bench(new_key()), CLUSTERS[2])
    assert await lab.offer(bench, offer(b"x")) == (403, "kind")


async def test_what_nobody_asked_for_is_not_taken(lab: RouteLab) -> None:
    assert await lab.offer(lab.board, offer(b"x"), bytes(16)) == (404, "not_here")
    lab.ask(b"another command.", Verb.REBOOT)
    assert await lab.offer(lab.board, offer(b"x"), b"another command.") == (404, "not_here")
    lab.server.shift_s = 3700  # the order has run out
    assert await lab.offer(lab.board, offer(b"x")) == (404, "not_here")


async def test_tampered_and_overlong_pieces_and_what_is_no_offer_are_refused(lab: RouteLab) -> None:
    data = b"a minute of sound"
    assert await lab.offer(lab.board, offer(data)) == (200, "1")
    assert await lab.send(lab.board, data[::-1], name=offered(data).sha256) == (422, "hash")
    long = bytes(MOST_PIECE + 1)
    assert await lab.send(lab.board, long, name=offered(data).sha256) == (413, "too_long")
    async with lab.server.http(lab.board) as http:
        for body in (b"", b"\x00", os.urandom(100)):
            answer = await http.post(f"/recall/{ORDER.hex()}/offer", content=body)
            assert verdict(answer) == (400, "format")
        for path in (f"/recall/{ORDER.hex()}/zz/0", f"/recall/{ORDER.hex()}/{'A' * 64}/0"):
            assert verdict(await http.put(path, content=b"x")) == (404, "not_here")


# --- what is made of it ---------------------------------------------------------------------


@pytest.mark.requirement("AUD-7")
def test_files_are_joined_in_their_places_with_silence_between(tmp_path: Path) -> None:
    sound = chirp(6)
    first = write(tmp_path / "one.opus", sound[: 2 * RATE])
    second = write(tmp_path / "two.opus", sound[2 * RATE :])
    files = [(UNIX_MS - 500, first), (UNIX_MS + 4000, second)]
    join(files, UNIX_MS, UNIX_MS + 7000, tmp_path / "out.ogg")
    heard = read_sound(tmp_path / "out.ogg")
    assert len(heard) == pytest.approx(7 * RATE, abs=RATE // 50)
    assert np.abs(heard[2 * RATE : 3 * RATE + RATE // 2]).max() < 0.01
    for at, place in ((500, 1000), (5000, 3000)):  # where it is in the file, and in the sound
        part = heard[at * RATE // 1000 :][: RATE // 2]
        found, alike = place_of(part, sound)
        assert found == pytest.approx(place, abs=20)
        assert alike > 0.9


def test_a_time_is_read_as_people_write_it() -> None:
    now = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)  # 10:00 in Vietnam
    for text, expected in {
        "03:15": datetime(2026, 11, 22, 20, 15, tzinfo=UTC),
        "10:01": datetime(2026, 11, 22, 3, 1, tzinfo=UTC),  # of yesterday: it is not yet
        "23/11/2026 03:15": datetime(2026, 11, 22, 20, 15, tzinfo=UTC),
        "2026-11-23 03:15:30": datetime(2026, 11, 22, 20, 15, 30, tzinfo=UTC),
        "2026-11-23T03:15": datetime(2026, 11, 22, 20, 15, tzinfo=UTC),
        "2026-11-22T20:15:00+00:00": datetime(2026, 11, 22, 20, 15, tzinfo=UTC),
    }.items():
        assert parse_local(text, now) == expected
    for text in ("", "3h15", "25:00", "32/11/2026 03:15", "hôm qua", "2026-11-23"):
        assert parse_local(text, now) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=8), each),
    )
)
def test_no_answer_of_a_server_raises_anything_but_a_message_error(value: object) -> None:
    shells = (value, {"state": "given", "detail": "", "files": value, "received": 0, "wanted": 0})
    for each in shells:
        try:
            Findings.from_facts(each)
        except MessageError:
            continue


def test_how_a_recall_stands_survives_the_way_from_the_server() -> None:
    play = Play(play="ab" * 16, item="sang", started_ms=UNIX_MS)
    file = Found(UNIX_MS, 60_000, 90_000, hashlib.sha256(b"x").digest(), True, (play,))
    findings = Findings("begun", "1 files", (file,), 90_000, 90_000)
    assert Findings.from_facts(findings.facts()) == findings
    assert findings.is_over
    assert not Findings("given", "", None, 0, 0).is_over
    assert Findings("refused", "expired", None, 0, 0).is_over
