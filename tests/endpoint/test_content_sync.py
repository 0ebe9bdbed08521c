"""The loops over HTTPS: objects into the vault, media into the cache; servers honest and not."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from loa_endpoint.content import media as media_module
from loa_endpoint.content import sync as sync_module
from loa_endpoint.content.cache import Cache
from loa_endpoint.content.fetch import Fetcher
from loa_endpoint.content.media import MediaSync
from loa_endpoint.content.sync import ContentSync, Outcome
from loa_endpoint.core import want as wants
from loa_endpoint.core.want import Limit
from loa_endpoint.uplink.tls import client_context
from loa_protocol.accept import accept
from loa_protocol.companions import bare
from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.errors import FetchError, StoreError
from loa_protocol.objects.authority import Level, Role, RootKey
from loa_protocol.objects.command import Verb
from loa_protocol.objects.playlist import Media
from loa_protocol.trust import Accepted, Now
from support.content_lab import (
    OTHER_STATION,
    ContentLab,
    media_playlist,
    root_file,
    sha256,
    village_lab,
)
from support.https_server import Handler, WebServer, web_server
from support.loop_disk import loop_disk
from support.orders import SIREN, command
from support.province import NOW, SCOPE, STATION, certify, person, province
from support.tls_lab import Authority
from support.vault import MemoryInbox, MemoryVault

DEADLINE_S = 10
NEWER = b"newer bulletin"


@dataclass
class Told:
    """Remembers what the loops said."""

    kinds: list[Kind] = field(default_factory=list)
    media: list[bytes] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)
    failures: list[FetchError] = field(default_factory=list)
    store_failures: list[StoreError] = field(default_factory=list)

    def kept(self, accepted: Accepted) -> None:
        self.kinds.append(accepted.kind)

    def fetched(self, digest: bytes) -> None:
        self.media.append(digest)

    def refused(self, what: str, reason: str, detail: str, digest: bytes | None) -> None:
        self.refusals.append((what, reason))

    def fetch_failed(self, error: FetchError) -> None:
        self.failures.append(error)

    def store_failed(self, error: StoreError) -> None:
        self.store_failures.append(error)


@dataclass
class Board:
    """An endpoint's content side."""

    folder: Path
    authority: Authority
    addresses: list[str]
    vault: MemoryVault = field(default_factory=MemoryVault)
    told: Told = field(default_factory=Told)
    now: Now = NOW
    is_nudged: bool = False
    denied: frozenset[bytes] = frozenset()
    urgent: list[Media] = field(default_factory=list)
    budget: int = 10**9

    def __post_init__(self) -> None:
        self.cache = Cache(self.folder / "media")
        self.inbox = MemoryInbox(self.vault)
        self.fetchers = [self._fetcher(), self._fetcher()]
        self.sync = ContentSync(
            sync_module.Surroundings(
                identity=bytes(16),
                addresses=lambda: self.addresses,
                is_nudged=lambda: self.is_nudged,
                now=lambda: self.now,
            ),
            self.fetchers[0],
            self.vault,
            self.told,
            inbox=self.inbox,
        )
        self.media = MediaSync(
            media_module.Surroundings(
                identity=bytes(16),
                addresses=lambda: self.addresses,
                playlists=self.vault.playlists,
                urgent=lambda: self.urgent,
                denied=lambda: self.denied,
                now=lambda: self.now,
                budget_bytes=self.budget,
            ),
            self.fetchers[1],
            self.cache,
            self.told,
        )

    def _fetcher(self) -> Fetcher:
        return Fetcher(lambda _: client_context(lambda: NOW, authorities=[self.authority.der]))

    def close(self) -> None:
        for fetcher in self.fetchers:
            fetcher.close()

    @property
    def serial(self) -> int | None:
        return self.vault.serial(Kind.PLAYLIST, STATION)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def site(tmp_path: Path, authority: Authority) -> Iterator[WebServer]:
    (tmp_path / "server").mkdir()
    with web_server(tmp_path / "server", authority) as server:
        yield server


@pytest.fixture
def lab(site: WebServer) -> ContentLab:
    lab = village_lab(b"bulletin one", b"bulletin two")
    site.files = lab.files
    return lab


@pytest.fixture
async def board(
    tmp_path: Path, authority: Authority, site: WebServer, lab: ContentLab
) -> AsyncIterator[Board]:
    board = Board(tmp_path, authority, [site.address])
    yield board
    board.close()


async def until(condition: Callable[[], object]) -> None:
    """Wait for *condition*; the turns of the loop are what passes the time."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - conditions of other tasks and threads
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def running(*loops: ContentSync | MediaSync) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(loop.run()) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.requirement("SRC-1", "SEC-4")
async def test_a_board_comes_from_nothing_to_checked_media(board: Board) -> None:
    assert await board.sync.round()
    assert await board.media.round()
    assert board.told.kinds == [Kind.HEAD, Kind.POLICY, Kind.PLAYLIST]
    assert board.told.media == [sha256(b"bulletin one"), sha256(b"bulletin two")]
    assert board.cache.checked(sha256(b"bulletin one")) is not None
    assert board.sync.head_age_s() == 50
    assert board.told.refusals == []


@pytest.mark.requirement("NET-3")
async def test_nothing_new_costs_one_request_on_the_kept_connection(
    board: Board, site: WebServer
) -> None:
    await board.sync.round()
    await board.sync.round()
    asked = len(site.asked)
    for _ in range(3):
        assert await board.sync.round()
    assert site.paths[asked:] == ["/head"] * 3
    assert all("If-None-Match" in each.headers for each in site.asked[asked:])
    assert site.connections == 1


@pytest.mark.requirement("SEC-8")
async def test_orders_that_stand_go_through_the_inbox_and_make_the_head_a_fresh_one(
    board: Board, lab: ContentLab
) -> None:
    hold = lab.order(command(Verb.HOLD))
    lab.renew()
    told: list[int | None] = []
    board.sync.on_caught_up = told.append
    board.inbox.answers[hold] = Outcome.FAILED  # the board's disk refuses
    assert not await board.sync.round()
    assert not board.sync.is_fresh()
    assert board.vault.playlists() == []  # nothing after it is taken from this head
    board.inbox.answers.clear()
    assert await board.sync.round()
    assert board.sync.is_fresh()
    assert board.inbox.offered == [hold, hold]
    assert board.serial == 1
    board.now = Now(NOW.unix_s + 3700, NOW.trust)
    assert not board.sync.is_fresh()


async def test_an_order_that_is_refused_keeps_nothing_else_away(
    board: Board, lab: ContentLab
) -> None:
    expired = lab.order(command(Verb.HOLD))
    lab.list_signers(province().wardens[0])
    lab.renew()
    board.inbox.answers[expired] = Outcome.REFUSED
    assert await board.sync.round()
    assert await board.sync.round()
    assert board.inbox.offered == [expired]
    assert board.serial == 1
    assert len(board.vault.signers) == 3


async def test_nothing_is_kept_while_another_carrier_is_at_the_door(
    board: Board, lab: ContentLab
) -> None:
    async with board.inbox.door:
        under_way = asyncio.create_task(board.sync.round())
        await until(lambda: board.fetchers[0])
        await asyncio.sleep(0.05)
        assert board.vault.kept == {}
    assert await under_way
    assert board.serial == 1


async def test_the_sound_of_an_alert_that_stands_is_fetched_before_the_playlists(
    board: Board, lab: ContentLab
) -> None:
    await board.sync.round()
    lab.put_media(b"siren")
    siren = replace(SIREN, sha256=sha256(b"siren"), size=5)
    board.urgent = [siren]
    assert await board.media.round()
    assert board.told.media[0] == siren.sha256
    assert len(board.told.media) == 3


@pytest.mark.requirement("SEC-6")
async def test_a_head_by_people_of_a_later_root_is_believed_after_the_walk(
    board: Board, lab: ContentLab, site: WebServer
) -> None:
    await board.sync.round()
    people = province()
    spare = person("spare")
    public = spare.signer.public
    key = RootKey(algorithm=public.algorithm, raw=public.raw, holder=spare.holder)
    second = replace(people.root, version=2, keys=(*people.root.keys[:4], key))
    signers = [each.signer for each in people.roots[:3]]
    lab.put_root(sign_bundle(Kind.ROOT, second.to_bytes(), signers))
    everything: dict[str, Any] = {"scopes": (SCOPE,), "level": Level.PROVINCE}
    officer = certify(
        person("new officer"),
        [people.roots[3], spare],
        roles=(),
        may_issue=tuple(Role),
        **everything,
    )
    lab.publish(media_playlist(NEWER, serial=2))
    lab.renew(signer=certify(person("server"), [officer], roles=(Role.HEAD,), **everything))
    asked = len(site.asked)
    await board.sync.round()
    assert board.told.refusals == [("head", "chain")]
    assert site.paths[asked : asked + 3] == ["/head", root_file(2), "/head"]
    assert board.serial == 2
    assert await board.sync.round()


async def test_a_nudge_is_followed_at_once_and_a_pushed_head_is_not_fetched(
    board: Board, site: WebServer, lab: ContentLab
) -> None:
    board.is_nudged = True  # so the regular look is an hour away
    async with running(board.sync):
        await until(lambda: board.serial == 1)
        lab.publish(media_playlist(NEWER, serial=2))
        head = lab.renew()
        del lab.files["/head"]
        board.sync.look(head)
        await until(lambda: board.serial == 2)
        lab.publish(media_playlist(NEWER, serial=3))
        lab.renew()
        board.sync.look()
        await until(lambda: board.serial == 3)


@pytest.mark.requirement("SEC-8")
async def test_where_the_session_that_brings_nudges_ends_the_server_is_soon_looked_at(
    board: Board, lab: ContentLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loa_endpoint.core.poll.ALONE_MS", 50)
    board.is_nudged = True  # so the regular look is minutes away
    rests = asyncio.Event()
    board.sync.on_caught_up = lambda _: rests.set()
    async with running(board.sync):
        await rests.wait()
        lab.publish(media_playlist(NEWER, serial=2))
        lab.renew()
        board.is_nudged = False  # whoever has the broker ends the session, and opens no other
        await until(lambda: board.serial == 2)


@pytest.mark.requirement("PERF-5")
async def test_a_bare_head_from_a_key_that_is_not_known_yet_only_says_that_there_is_one(
    board: Board, lab: ContentLab
) -> None:
    head = lab.renew()
    assert await board.sync.round(bare(head))
    assert board.told.refusals == []
    assert board.serial == 1
    forged = replace(Bundle.from_bytes(bare(head)), payload=b"\xa0").to_bytes()
    assert await board.sync.round(forged)
    assert board.told.refusals == [("head", "signature")], "its key is known now"


async def test_a_forged_head_that_is_pushed_is_refused_and_the_true_one_fetched(
    board: Board, site: WebServer, lab: ContentLab
) -> None:
    stranger = Bundle.from_bytes(lab.renew(signer=person("stranger")))
    forged = replace(stranger, certificates=tuple(province().online.chain)).to_bytes()
    lab.renew()
    assert await board.sync.round(forged)
    assert board.told.refusals == [("head", "unknown_signer")]
    assert board.serial == 1


async def test_a_new_playlists_media_come_while_the_old_ones_stay(
    board: Board, lab: ContentLab
) -> None:
    async with running(board.sync, board.media):
        await until(lambda: board.serial == 1)
        board.media.look()
        await until(lambda: len(board.told.media) == 2)
        lab.put_media(NEWER)
        lab.publish(media_playlist(NEWER, serial=2))
        board.sync.look(lab.renew())
        await until(lambda: board.serial == 2)
        board.media.look()
        await until(lambda: len(board.told.media) == 3)
    assert len(board.cache.held()) == 3


# -- hostile servers


Spoil = Callable[[ContentLab, WebServer], None]
BODY = media_playlist(NEWER, serial=2)


def _withheld(lab: ContentLab, site: WebServer) -> None:
    del lab.files[f"/objects/{lab.leaves[STATION].digest.hex()}"]


def _proof_withheld(lab: ContentLab, site: WebServer) -> None:
    del lab.files[f"/proof/{STATION}/_"]


def _redirected(lab: ContentLab, site: WebServer) -> None:
    def redirect(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/head")
        handler.finish_headers(b"", "")

    site.tricks[f"/objects/{lab.leaves[STATION].digest.hex()}"] = redirect


def _endless(lab: ContentLab, site: WebServer) -> None:
    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.drip(itertools.repeat(bytes(65_536)), 0)

    site.tricks[f"/objects/{lab.leaves[STATION].digest.hex()}"] = endless


def _dripping(lab: ContentLab, site: WebServer) -> None:
    def drip(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.drip(itertools.repeat(b"x"), 0.02)

    site.tricks[f"/proof/{STATION}/_"] = drip


@pytest.mark.requirement("SEC-3")
@pytest.mark.parametrize(
    ("spoil", "status"),
    [(_withheld, 404), (_proof_withheld, 404), (_redirected, 302), (_endless, 200), (_dripping, 0)],
)
async def test_a_server_that_withholds_is_reported_and_the_old_playlist_stays(
    spoil: Spoil,
    status: int,
    board: Board,
    site: WebServer,
    lab: ContentLab,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await board.sync.round()
    monkeypatch.setattr(wants, "PROOF", Limit(8192, 0.4))
    lab.publish(BODY)
    lab.renew()
    spoil(lab, site)
    assert not await board.sync.round()
    assert [each.status for each in board.told.failures] == [status]
    assert board.serial == 1
    assert board.told.refusals == []


def _one_signature(lab: ContentLab, site: WebServer) -> None:
    lab.publish(BODY, lab.sign(Kind.PLAYLIST, BODY, province().editor))


def _foreign_certificate(lab: ContentLab, site: WebServer) -> None:
    stranger = certify(person("x"), [person("y"), person("z")], scopes=(STATION,), roles=())
    lab.publish(BODY, lab.sign(Kind.PLAYLIST, BODY, province().editor, stranger))


def _older(lab: ContentLab, site: WebServer) -> None:
    lab.publish(media_playlist(NEWER, serial=0))


def _other_proof(lab: ContentLab, site: WebServer) -> None:
    lab.publish(BODY)
    lab.renew()
    lab.files[f"/proof/{STATION}/_"] = lab.files[f"/proof/{OTHER_STATION}/_"]


def _too_long(lab: ContentLab, site: WebServer) -> None:
    lab.publish(BODY)
    lab.renew()
    lab.files[f"/objects/{lab.leaves[STATION].digest.hex()}"] += b"\0"


@pytest.mark.requirement("SEC-3", "MSG-5")
@pytest.mark.parametrize(
    ("spoil", "refusal"),
    [
        (_one_signature, ("playlist", "threshold")),
        (_foreign_certificate, ("playlist", "chain")),
        (_older, ("playlist", "rollback")),
        (_other_proof, ("proof", "not_addressed")),
        (_too_long, ("playlist", "format")),
    ],
)
async def test_what_a_captured_server_offers_is_refused_by_name_and_the_old_playlist_stays(
    spoil: Spoil, refusal: tuple[str, str], board: Board, site: WebServer, lab: ContentLab
) -> None:
    await board.sync.round()
    spoil(lab, site)
    if spoil not in (_other_proof, _too_long):
        lab.renew()
    await board.sync.round()
    assert board.told.refusals == [refusal]
    assert board.serial == 1


@pytest.mark.requirement("SEC-3")
async def test_a_server_that_goes_back_in_time_is_refused_and_the_head_grows_old(
    board: Board, site: WebServer, lab: ContentLab
) -> None:
    old = dict(lab.files)
    lab.publish(BODY)
    lab.renew()
    await board.sync.round()
    site.files = old
    board.now = replace(NOW, unix_s=NOW.unix_s + 7200)
    await board.sync.round()
    assert board.told.refusals == [("head", "rollback")]
    assert board.serial == 2
    assert board.sync.head_age_s() == 7240


@pytest.mark.requirement("SEC-2")
async def test_a_server_with_a_foreign_certificate_is_left_for_the_next_address(
    board: Board, site: WebServer, tmp_path: Path
) -> None:
    (tmp_path / "impostor").mkdir()
    with web_server(tmp_path / "impostor", Authority("stranger")) as impostor:
        impostor.files = site.files
        board.addresses = [impostor.address, site.address]
        assert not await board.sync.round()
        assert impostor.asked == []
        assert "CERTIFICATE_VERIFY_FAILED" in board.told.failures[0].why
        assert await board.sync.round()
    assert board.serial == 1


async def test_the_same_failure_is_told_once_a_minute(board: Board, lab: ContentLab) -> None:
    lab.files.clear()
    for _ in range(5):
        assert not await board.sync.round()
    assert len(board.told.failures) == 1


async def test_what_could_not_be_stored_is_fetched_again(board: Board) -> None:
    board.vault.is_full = True
    assert not await board.sync.round()
    assert board.told.store_failures
    assert board.serial is None
    board.vault.is_full = False
    assert await board.sync.round()
    assert board.serial == 1


async def test_an_address_that_is_none_is_reported(board: Board) -> None:
    board.addresses = ["http://content.example"]
    assert not await board.sync.round()
    assert not await board.media.round() or not board.vault.playlists()
    assert board.told.failures[0].url == "http://content.example"


# -- media


@pytest.mark.requirement("OFF-2", "SEC-4")
async def test_an_altered_media_file_is_refused_and_not_fetched_at_every_turn(
    board: Board, site: WebServer, lab: ContentLab
) -> None:
    path = f"/media/{sha256(b'bulletin one').hex()}"
    lab.files[path] = b"bulletin 0ne"
    await board.sync.round()
    for _ in range(3):
        assert await board.media.round()
    assert board.told.refusals == [("media", "media_hash")]
    assert board.told.media == [sha256(b"bulletin two")]
    assert site.paths.count(path) == 1
    assert set(board.cache.held()) == {sha256(b"bulletin two")}


@pytest.mark.parametrize("content", [b"", b"bulletin", b"bulletin one and more"])
async def test_media_of_another_length_are_no_media(
    content: bytes, board: Board, lab: ContentLab
) -> None:
    lab.files[f"/media/{sha256(b'bulletin one').hex()}"] = content
    await board.sync.round()
    await board.media.round()
    assert board.told.media == [sha256(b"bulletin two")]
    assert bool(board.told.refusals) is (len(content) < len(b"bulletin one"))
    assert bool(board.told.failures) is (len(content) > len(b"bulletin one"))


@pytest.mark.requirement("OFF-2")
async def test_a_media_file_that_rots_on_the_card_is_fetched_again(board: Board) -> None:
    await board.sync.round()
    await board.media.round()
    digest = sha256(b"bulletin one")
    board.cache.path_of(digest).write_bytes(b"bulletin oNe")
    assert board.cache.checked(digest) is None
    assert await board.media.round()
    assert board.cache.checked(digest) is not None


@pytest.mark.requirement("NET-3")
async def test_a_download_that_was_cut_goes_on_where_it_stopped(
    board: Board, site: WebServer, lab: ContentLab
) -> None:
    content = random.Random(1).randbytes(300_000)
    lab.put_media(content)
    lab.publish(media_playlist(content, serial=2))
    lab.renew()
    path = f"/media/{sha256(content).hex()}"

    def cut(handler: Handler) -> None:
        del site.tricks[path]
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[:100_000])
        handler.close_connection = True

    site.tricks[path] = cut
    await board.sync.round()
    await board.media.round()
    board.media._refused.clear()
    await board.media.round()
    assert board.told.media == [sha256(content)]
    assert [each.headers.get("Range") for each in site.asked if each.path == path] == [
        None,
        "bytes=100000-",
    ]


async def test_denied_media_go_and_do_not_come_back(board: Board) -> None:
    await board.sync.round()
    await board.media.round()
    board.denied = frozenset((sha256(b"bulletin one"),))
    await board.media.round()
    assert set(board.cache.held()) == {sha256(b"bulletin two")}


async def test_media_without_room_are_told(
    tmp_path: Path, authority: Authority, site: WebServer, lab: ContentLab
) -> None:
    board = Board(tmp_path, authority, [site.address], budget=15)
    await board.sync.round()
    await board.media.round()
    board.close()
    assert board.told.media == [sha256(b"bulletin one")]
    assert board.told.refusals == [("media", "no_room")]


@pytest.mark.requirement("OFF-2")
@pytest.mark.needs("loop-mount")
async def test_a_full_disk_is_told_and_what_nothing_needs_makes_room(
    tmp_path: Path, authority: Authority, site: WebServer, lab: ContentLab
) -> None:
    content = random.Random(1).randbytes(600_000)
    lab.put_media(content)
    lab.publish(media_playlist(content, serial=2))
    lab.renew()
    with loop_disk(tmp_path, megabytes=4) as disk:
        board = Board(disk.path, authority, [site.address])
        old = board.cache.path_of(sha256(b"old"))
        old.write_bytes(bytes(800_000))
        disk.fill()
        await board.sync.round()
        assert not await board.media.round()
        assert "disk is full" in board.told.store_failures[0].why
        assert not old.exists()
        assert await board.media.round()
        board.close()
        assert board.told.media == [sha256(content)]


@pytest.mark.requirement("OFF-2")
def test_killed_a_hundred_times_while_downloading_it_never_shows_a_partial_file(
    tmp_path: Path, authority: Authority, site: WebServer, lab: ContentLab
) -> None:
    content = random.Random(1).randbytes(1_000_000)
    lab.put_media(content)
    vault = MemoryVault()
    playlist = media_playlist(content, serial=2)
    data = lab.sign(Kind.PLAYLIST, playlist, province().editor, province().approver)
    vault.keep(accept(data, vault.trusted, NOW), data)
    cache, chance, completed = Cache(tmp_path / "media"), random.Random(2), 0
    for _ in range(100):
        child = os.fork()
        if child == 0:
            asyncio.run(_download_until_killed(tmp_path, authority, site.address, vault))
        time.sleep(0.01 + chance.random() * 0.03)  # the instant of the kill is the point
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for digest in cache.held():
            assert cache.checked(digest) is not None, "a partial file under its final name"
            cache.drop([digest])
            completed += 1
    assert completed > 0
    assert [each for each in site.asked if "Range" in each.headers]  # some went on


async def _download_until_killed(
    folder: Path, authority: Authority, address: str, vault: MemoryVault
) -> None:
    board = Board(folder, authority, [address], vault)
    while True:
        await board.media.round()
        await asyncio.sleep(0)
