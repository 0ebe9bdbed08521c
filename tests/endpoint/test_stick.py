"""Memory sticks: what is on them is judged like what a server says, and nothing else is touched."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from loa_endpoint.content.cache import Cache
from loa_endpoint.content.fetch import Answer, Memory, Request, Sink
from loa_endpoint.content.media import MediaSync, Surroundings
from loa_endpoint.content.stick import ADDRESS, SticksFirst, StickSource, find_sticks
from loa_endpoint.core.address import parse_content_address
from loa_endpoint.core.stick_watch import StickNote, StickState
from loa_endpoint.core.want import Limit
from loa_protocol.envelope import Kind
from loa_protocol.errors import ConfigError, FetchError, StoreError
from loa_protocol.objects.command import Verb
from loa_protocol.objects.playlist import Media
from loa_protocol.record import OrderTaken
from support.content_lab import media_playlist, sha256, village_lab
from support.orders import SIREN, alert, command
from support.province import NOW, STATION
from support.stick_lab import StickBoard, write_stick


@pytest.fixture
def board(tmp_path: Path) -> Iterator[StickBoard]:
    board = StickBoard(tmp_path)
    yield board
    board.lab.state.close()


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    folder = tmp_path / "media" / "stick"
    folder.mkdir(parents=True)
    return folder


def request(path: str, most: int = 1000) -> Request:
    return Request(address=parse_content_address(ADDRESS), path=path, limit=Limit(most, 5.0))


# --- what is taken


@pytest.mark.requirement("SEC-8", "SEC-3", "OFF-1")
async def test_policy_playlist_and_orders_come_by_a_stick(board: StickBoard, stick: Path) -> None:
    lab = village_lab()
    hold = command(Verb.HOLD)
    lab.order(hold)
    lab.settle()
    lab.renew()
    assert await board.read(write_stick(lab, stick))
    assert {accepted.kind for accepted in board.lab.ear.adopted} >= {Kind.POLICY, Kind.PLAYLIST}
    assert [kept.body for kept in board.lab.ear.orders] == [hold]
    (taken,) = [body for body in board.lab.ear.records if isinstance(body, OrderTaken)]
    assert taken.detail == "usb"
    assert board.lab.ear.refusals == []


@pytest.mark.requirement("SEC-3")
async def test_an_old_stick_brings_nothing_back(
    board: StickBoard, stick: Path, tmp_path: Path
) -> None:
    lab = village_lab()
    old = write_stick(lab, stick)
    lab.publish(media_playlist(b"bulletin", serial=2))
    lab.renew()
    (tmp_path / "new").mkdir()
    assert await board.read(write_stick(lab, tmp_path / "new"))
    assert board.lab.vault.serial(Kind.PLAYLIST, STATION) == 2
    assert not await board.read(old)
    assert board.lab.vault.serial(Kind.PLAYLIST, STATION) == 2
    assert board.lab.ear.refusals == [("playlist", "rollback")]


@pytest.mark.requirement("SEC-3", "SEC-4")
async def test_whoever_writes_the_stick_cannot_make_the_board_take_anything(
    board: StickBoard, stick: Path
) -> None:
    lab = village_lab()
    lab.order(alert())
    lab.renew()
    folder = write_stick(lab, stick)
    for path in (folder / "objects").iterdir():
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    assert not await board.read(folder)
    assert board.lab.ear.orders == []
    assert {accepted.kind for accepted in board.lab.ear.adopted} <= {Kind.HEAD}


async def test_what_was_taken_already_is_not_taken_again(board: StickBoard, stick: Path) -> None:
    lab = village_lab()
    lab.order(command(Verb.HOLD))
    lab.renew()
    folder = write_stick(lab, stick)
    for _ in range(3):
        assert await board.read(folder)
    assert len(board.lab.ear.orders) == 1


# --- files that are none


@pytest.mark.requirement("SEC-4")
@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.symlink_to("/etc/hostname"),
        os.mkfifo,
        lambda path: path.mkdir(),
        lambda path: os.truncate(_touched(path), 10**12),
        lambda path: _touched(path).write_bytes(bytes(1001)),
    ],
    ids=["link", "fifo", "folder", "sparse", "long"],
)
async def test_what_is_no_plain_file_of_the_size_is_refused_at_once(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    make(tmp_path / "head")
    with pytest.raises(FetchError) as caught:
        await StickSource(tmp_path).fetch(request("/head"))
    assert caught.value.status == 0


@pytest.mark.requirement("SEC-4")
@pytest.mark.needs("root")  # which alone makes devices
async def test_a_device_on_a_stick_is_not_even_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mknod(tmp_path / "head", stat.S_IFCHR | 0o666, os.makedev(1, 5))  # as /dev/zero
    opened: list[object] = []
    real = os.open

    def noting(path: str, *rest: int, dir_fd: int | None = None) -> int:
        opened.append(path)
        return real(path, *rest, dir_fd=dir_fd)

    monkeypatch.setattr("loa_endpoint.content.stick.os.open", noting)
    with pytest.raises(FetchError):
        await StickSource(tmp_path).fetch(request("/head"))
    assert opened == [tmp_path]


def _touched(path: Path) -> Path:
    path.touch()
    return path


@pytest.mark.requirement("SEC-4")
@pytest.mark.parametrize(
    "path", ["/../secret", "/objects/../../secret", "//secret", "/link/secret"]
)
async def test_no_path_leads_out_of_the_stick(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "loa" / "objects").mkdir(parents=True)
    (tmp_path / "loa" / "link").symlink_to(tmp_path)
    with pytest.raises(FetchError):
        await StickSource(tmp_path / "loa").fetch(request(path))


async def test_a_file_that_is_not_there_is_absent_and_no_fault(tmp_path: Path) -> None:
    with pytest.raises(FetchError) as caught:
        await StickSource(tmp_path).fetch(request("/state/vn/ls/settings"))
    assert caught.value.status == 404


async def test_a_stick_that_does_not_answer_stops_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    dead = threading.Event()
    source = StickSource(tmp_path)
    monkeypatch.setattr(source, "_read", lambda *_: dead.wait(20))
    slow = replace(request("/head"), limit=Limit(10, 0.05))
    with pytest.raises(FetchError, match="does not answer"):
        await source.fetch(slow)
    source.close()
    dead.set()


async def test_a_part_is_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "ab").write_bytes(b"0123456789")

    class Half(Memory):
        @property
        def offset(self) -> int:
            return 4

    sink = Half()
    await StickSource(tmp_path).fetch(request("/media/ab"), sink)
    assert bytes(sink.data) == b"456789"


# --- where sticks are


def test_sticks_are_found_by_their_head(tmp_path: Path) -> None:
    for name, has_head in (("one/loa", True), ("two/loa", False), ("three", True)):
        (tmp_path / name).mkdir(parents=True)
        if has_head:
            (tmp_path / name / "head").write_bytes(b"x")
    (tmp_path / "four").mkdir()
    (tmp_path / "four" / "loa").symlink_to(tmp_path / "three")
    found = find_sticks([str(tmp_path / "*"), "/nowhere/*/loa"])
    assert [each.folder for each in found] == [tmp_path / "one" / "loa", tmp_path / "three"]
    before = found[0]
    (tmp_path / "one" / "loa" / "head").write_bytes(b"xy")
    assert find_sticks([str(tmp_path / "one" / "loa")])[0] != before


def test_a_stick_is_read_again_every_minute_and_sooner_after_a_failure() -> None:
    note = StickNote("/media/stick/loa")
    assert note.is_due(0)
    note.ended(0, is_complete=True)
    assert [note.is_due(59_999), note.is_due(60_000)] == [False, True]
    note.ended(60_000, is_complete=False)
    assert note.state is StickState.INCOMPLETE
    assert note.is_due(70_000)


# --- media


@dataclass
class Server:
    """A server that cannot be reached, or has one file."""

    body: bytes | None = None
    asked: list[str] = field(default_factory=list)

    async def fetch(self, request: Request, sink: Sink | None = None) -> Answer:
        self.asked.append(request.path)
        if self.body is None:
            raise FetchError(request.url, 0, "no route to host")
        assert sink is not None
        sink.restart()
        sink.write(self.body)
        return Answer(200, b"", "")


@dataclass
class Ear:
    fetched_: list[bytes] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    failures: list[FetchError] = field(default_factory=list)

    def fetched(self, digest: bytes) -> None:
        self.fetched_.append(digest)

    def refused(self, what: str, reason: str, detail: str, digest: bytes | None) -> None:
        self.refusals.append(reason)

    def fetch_failed(self, error: FetchError) -> None:
        self.failures.append(error)

    def store_failed(self, error: StoreError) -> None:
        raise error


def media_loop(folder: Path, source: SticksFirst, ear: Ear, *contents: bytes) -> MediaSync:
    urgent: list[Media] = [
        replace(SIREN, sha256=sha256(content), size=len(content)) for content in contents
    ]
    around = Surroundings(
        identity=bytes(16),
        addresses=lambda: ["https://content.example"],
        playlists=list,
        urgent=lambda: urgent,
        denied=frozenset,
        now=lambda: NOW,
    )
    return MediaSync(around, source, Cache(folder / "cache"), ear)


@pytest.mark.requirement("SEC-4", "OFF-1")
async def test_media_come_from_the_stick_also_where_one_of_them_is_nowhere(
    tmp_path: Path, stick: Path
) -> None:
    lab = village_lab(b"on the stick")
    source, ear = SticksFirst(Server()), Ear()
    source.set_sticks([StickSource(write_stick(lab, stick))])
    await media_loop(tmp_path, source, ear, b"nowhere", b"on the stick").round()
    assert ear.fetched_ == [sha256(b"on the stick")]


@pytest.mark.requirement("SEC-4")
async def test_a_stick_with_other_bytes_is_refused_once_and_the_server_asked(
    tmp_path: Path, stick: Path
) -> None:
    lab = village_lab(b"true bytes")
    folder = write_stick(lab, stick)
    (folder / "media" / sha256(b"true bytes").hex()).write_bytes(b"fake bytes")
    source, ear = SticksFirst(server := Server(b"true bytes")), Ear()
    source.set_sticks([StickSource(folder)])
    loop = media_loop(tmp_path, source, ear, b"true bytes")
    await loop.round()
    assert ear.refusals == ["media_hash"]
    loop._refused.clear()
    await loop.round()
    assert ear.fetched_ == [sha256(b"true bytes")]
    assert len(server.asked) == 1


# --- mirrors in the local network


@pytest.mark.parametrize(
    "address", ["http://192.168.1.10:8080", "http://10.0.0.7", "http://[fd00::7]:80/loa"]
)
def test_a_content_address_may_be_plain_in_the_local_network(address: str) -> None:
    assert parse_content_address(address).scheme == "http"


@pytest.mark.requirement("SEC-4")
@pytest.mark.parametrize(
    "address",
    [
        "http://203.0.113.7",
        "http://mirror.lan:8080",
        "http://172.32.0.1",
        "http://[2001:db8::1]",
        "http://[::ffff:8.8.8.8]",
        "ftp://192.168.1.10",
        "http://0x0a000001",
    ],
)
def test_and_nowhere_else(address: str) -> None:
    with pytest.raises(ConfigError):
        parse_content_address(address)
