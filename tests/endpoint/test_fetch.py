"""Fetching over HTTPS from servers that lie, drip, stall and redirect."""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from loa_endpoint.app.plane import ContentPlane
from loa_endpoint.content import fetch as fetching
from loa_endpoint.content.fetch import Fetcher, Memory, Request
from loa_endpoint.core.address import Address, parse_address
from loa_endpoint.core.want import Limit
from loa_endpoint.uplink.tls import client_context
from loa_protocol.errors import FetchError, StoreError
from support.https_server import Handler, WebServer, web_server
from support.province import NOW
from support.tls_lab import Authority

LIMIT = Limit(1000, 10.0)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def site(tmp_path: Path, authority: Authority) -> Iterator[WebServer]:
    with web_server(tmp_path, authority) as server:
        yield server


@pytest.fixture
def fetcher(authority: Authority) -> Iterator[Fetcher]:
    fetcher = Fetcher(lambda address: client_context(lambda: NOW, authorities=[authority.der]))
    yield fetcher
    fetcher.close()


def ask(site: WebServer, path: str = "/x", *, limit: Limit = LIMIT, tag: str = "") -> Request:
    address = parse_address(site.address, "https", 443)
    headers = {"If-None-Match": tag} if tag else {}
    return Request(address=address, path=path, limit=limit, headers=headers)


class Disk(Memory):
    """A sink that was begun before."""

    def __init__(self, data: bytes = b"") -> None:
        super().__init__(bytearray(data))
        self.restarts = 0

    @property
    def offset(self) -> int:
        return len(self.data)

    def restart(self) -> None:
        super().restart()
        self.restarts += 1


async def test_a_file_comes_whole_with_its_tag(site: WebServer, fetcher: Fetcher) -> None:
    site.files["/x"] = b"content"
    answer = await fetcher.fetch(ask(site))
    assert (answer.status, answer.body) == (200, b"content")
    assert len(answer.etag) == 66


async def test_what_is_unchanged_is_not_sent_again(site: WebServer, fetcher: Fetcher) -> None:
    site.files["/x"] = b"content"
    tag = (await fetcher.fetch(ask(site))).etag
    again = await fetcher.fetch(ask(site, tag=tag))
    assert (again.status, again.body) == (304, b"")


@pytest.mark.requirement("NET-3")
async def test_one_connection_serves_many_requests_even_where_files_are_missing(
    site: WebServer, fetcher: Fetcher
) -> None:
    site.files["/x"] = b"content"
    for _ in range(5):
        await fetcher.fetch(ask(site))
        with pytest.raises(FetchError) as caught:
            await fetcher.fetch(ask(site, "/missing"))
        assert caught.value.status == 404
    assert site.connections == 1


async def test_a_kept_connection_that_the_server_ended_is_replaced(
    site: WebServer, fetcher: Fetcher
) -> None:
    def say_goodbye(handler: Handler) -> None:
        handler.answer(200, b"last")
        handler.connection.shutdown(socket.SHUT_RDWR)  # without a word before
        handler.close_connection = True

    site.tricks["/x"] = say_goodbye
    for _ in range(3):
        assert (await fetcher.fetch(ask(site))).body == b"last"
    assert site.connections == 3


async def test_an_address_may_have_a_path_in_front(site: WebServer, fetcher: Fetcher) -> None:
    site.files["/ls/content/head"] = b"head"
    place = parse_address(f"{site.address}/ls/content/", "https", 443)
    answer = await fetcher.fetch(Request(address=place, path="/head", limit=LIMIT))
    assert answer.body == b"head"


# -- servers that cannot be trusted


@pytest.mark.requirement("SEC-4")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int, site: WebServer, fetcher: Fetcher) -> None:
    def redirect(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Location", "/elsewhere")
        handler.finish_headers(b"", "")

    site.tricks["/x"] = redirect
    with pytest.raises(FetchError, match="redirects are not followed") as caught:
        await fetcher.fetch(ask(site))
    assert caught.value.status == status
    assert site.paths == ["/x"]


def _without_length(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.drip(itertools.repeat(bytes(4096)), 0)


def _chunked(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.drip(itertools.repeat(b"1000\r\n" + bytes(4096) + b"\r\n"), 0)


def _declared(handler: Handler) -> None:
    handler.answer(200, bytes(1001))


@pytest.mark.parametrize("trick", [_without_length, _chunked, _declared])
async def test_a_body_beyond_the_limit_is_cut_off(
    trick: Callable[[Handler], None], site: WebServer, fetcher: Fetcher
) -> None:
    site.tricks["/x"] = trick
    with pytest.raises(FetchError, match="1000 bytes"):
        await fetcher.fetch(ask(site))


def _slow_head(handler: Handler) -> None:
    handler.drip(iter(lambda: b"H", None), 0.02)


def _slow_header(handler: Handler) -> None:
    handler.send_response(200)
    handler.flush_headers()
    handler.drip(iter(lambda: b"X: y\r\n"[:1], None), 0.02)


def _endless_continue(handler: Handler) -> None:
    handler.drip(itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"), 0.001)


def _slow_body(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.drip(itertools.repeat(b"x"), 0.02)


def _silent(handler: Handler) -> None:
    handler.site.stopping.wait(20)


@pytest.mark.parametrize(
    "trick", [_slow_head, _slow_header, _endless_continue, _slow_body, _silent]
)
async def test_a_server_that_drips_is_given_up_in_time(
    trick: Callable[[Handler], None], site: WebServer, fetcher: Fetcher
) -> None:
    site.tricks["/x"] = trick
    site.files["/y"] = b"next"
    began = time.monotonic()
    with pytest.raises(FetchError, match=r"not done after 0\.4 s"):
        await fetcher.fetch(ask(site, limit=Limit(1000, 0.4)))
    assert (await fetcher.fetch(ask(site, "/y"))).body == b"next"  # the thread is free again
    assert time.monotonic() - began < 5


async def test_a_stall_is_noticed_before_the_time_is_over(
    site: WebServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "STALL_S", 0.2)
    fetcher = Fetcher(lambda address: client_context(lambda: NOW, authorities=[authority.der]))
    site.tricks["/x"] = _silent
    with pytest.raises(FetchError, match="timed out"):
        await fetcher.fetch(ask(site))
    fetcher.close()


async def test_a_body_that_ends_early_is_no_body(site: WebServer, fetcher: Fetcher) -> None:
    def cut(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"half")
        handler.close_connection = True

    site.tricks["/x"] = cut
    with pytest.raises(FetchError, match="cut short by 96 bytes"):
        await fetcher.fetch(ask(site))


@pytest.mark.parametrize(
    "noise",
    [b"\x00" * 200 + b"\r\n\r\n", b"HTTP/9.9 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"A" * 70_000],
    ids=["zeros", "no status", "long line"],
)
async def test_noise_is_a_named_error(noise: bytes, site: WebServer, fetcher: Fetcher) -> None:
    site.tricks["/x"] = lambda handler: handler.drip(iter([noise]), 0)
    with pytest.raises(FetchError) as caught:
        await fetcher.fetch(ask(site))
    assert caught.value.status == 0
    assert caught.value.url == f"{site.address}/x"


@pytest.mark.parametrize("status", [400, 403, 500, 503])
async def test_other_answers_are_named_by_their_status(
    status: int, site: WebServer, fetcher: Fetcher
) -> None:
    site.tricks["/x"] = lambda handler: handler.answer(status, b"no")
    with pytest.raises(FetchError) as caught:
        await fetcher.fetch(ask(site))
    assert caught.value.status == status


@pytest.mark.requirement("SEC-2")
async def test_a_server_of_a_foreign_ca_is_refused_before_anything_is_asked(
    site: WebServer,
) -> None:
    stranger = Authority("stranger")
    fetcher = Fetcher(lambda address: client_context(lambda: NOW, authorities=[stranger.der]))
    with pytest.raises(FetchError, match="CERTIFICATE_VERIFY_FAILED"):
        await fetcher.fetch(ask(site))
    assert site.asked == []
    fetcher.close()


async def test_a_server_that_is_not_there_is_named(site: WebServer, fetcher: Fetcher) -> None:
    nowhere = Address(scheme="https", host="127.0.0.1", port=1)
    with pytest.raises(FetchError, match="refused") as caught:
        await fetcher.fetch(Request(address=nowhere, path="/x", limit=LIMIT))
    assert caught.value.url == "https://127.0.0.1:1/x"


async def test_a_handshake_that_never_ends_is_given_up_in_time(authority: Authority) -> None:
    before = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address(scheme="https", host="127.0.0.1", port=listener.getsockname()[1])
        fetcher = Fetcher(lambda _: client_context(lambda: NOW, authorities=[authority.der]))
        with pytest.raises(FetchError, match="not done"):
            await fetcher.fetch(Request(address=address, path="/x", limit=Limit(1000, 0.3)))
        fetcher.close()
    assert not [thread for thread in set(threading.enumerate()) - before if _is_stuck(thread)]


def _is_stuck(thread: threading.Thread) -> bool:
    thread.join(5)
    return thread.is_alive()


async def test_a_cancelled_fetch_frees_the_thread(site: WebServer, fetcher: Fetcher) -> None:
    site.tricks["/x"] = _slow_body
    site.files["/y"] = b"next"
    task = asyncio.create_task(fetcher.fetch(ask(site)))
    async with asyncio.timeout(5):
        while not site.asked:  # noqa: ASYNC110 - another thread's doing
            await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await fetcher.fetch(ask(site, "/y", limit=Limit(1000, 5)))).body == b"next"


# -- resuming


@pytest.mark.requirement("NET-3")
async def test_a_download_goes_on_where_it_stopped(site: WebServer, fetcher: Fetcher) -> None:
    site.files["/x"] = bytes(range(200))
    disk = Disk(bytes(range(150)))
    answer = await fetcher.fetch(ask(site), disk)
    assert (answer.status, bytes(disk.data), disk.restarts) == (206, bytes(range(200)), 0)
    assert site.asked[0].headers["Range"] == "bytes=150-"


async def test_a_server_that_cannot_resume_begins_anew(site: WebServer, fetcher: Fetcher) -> None:
    site.tricks["/x"] = lambda handler: handler.answer(200, b"from the start")
    disk = Disk(b"from")
    await fetcher.fetch(ask(site), disk)
    assert (bytes(disk.data), disk.restarts) == (b"from the start", 1)


async def test_another_part_than_was_asked_for_is_refused(
    site: WebServer, fetcher: Fetcher
) -> None:
    def shifted(handler: Handler) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", "bytes 0-3/8")
        handler.finish_headers(b"evil", "")

    site.tricks["/x"] = shifted
    disk = Disk(b"good")
    with pytest.raises(FetchError, match="another part"):
        await fetcher.fetch(ask(site), disk)
    assert bytes(disk.data) == b"good"


async def test_a_part_that_was_not_asked_for_is_refused(site: WebServer, fetcher: Fetcher) -> None:
    def part(handler: Handler) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", "bytes 0-3/8")
        handler.finish_headers(b"half", "")

    site.tricks["/x"] = part
    with pytest.raises(FetchError, match="another part"):
        await fetcher.fetch(ask(site))


async def test_a_part_longer_than_the_file_is_begun_anew(site: WebServer, fetcher: Fetcher) -> None:
    site.files["/x"] = b"short"
    disk = Disk(b"longer than that")
    with pytest.raises(FetchError) as caught:
        await fetcher.fetch(ask(site), disk)
    assert (caught.value.status, disk.restarts) == (416, 1)


async def test_the_limit_counts_what_is_there_already(site: WebServer, fetcher: Fetcher) -> None:
    site.files["/x"] = bytes(1200)
    with pytest.raises(FetchError, match="longer than 1000"):
        await fetcher.fetch(ask(site), Disk(bytes(300)))


async def test_a_sink_that_cannot_keep_it_is_named_and_the_next_fetch_works(
    site: WebServer, fetcher: Fetcher
) -> None:
    class Full(Memory):
        def write(self, data: bytes) -> None:
            raise StoreError("media", "the disk is full")

    site.files["/x"] = b"content"
    with pytest.raises(StoreError):
        await fetcher.fetch(ask(site), Full())
    assert (await fetcher.fetch(ask(site))).body == b"content"


async def test_a_connection_can_be_opened_before_it_is_used(
    site: WebServer, authority: Authority
) -> None:
    made: list[ssl.SSLContext] = []

    def context(address: Address) -> ssl.SSLContext:
        made.append(client_context(lambda: NOW, authorities=[authority.der]))
        return made[-1]

    fetcher = Fetcher(context)
    site.files["/x"] = b"content"
    await fetcher.connect(ask(site))
    assert site.asked == []
    await fetcher.fetch(ask(site))
    assert len(made) == 1
    fetcher.close()


@pytest.mark.requirement("SEC-2")
async def test_an_address_with_system_roots_is_trusted_by_those_and_no_other_is(
    site: WebServer, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = tmp_path / "system-roots.pem"
    roots.write_text(ssl.DER_cert_to_PEM_cert(authority.der))
    monkeypatch.setenv("SSL_CERT_FILE", str(roots))  # OpenSSL's name for the system's roots
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    settings = SimpleNamespace(authorities=[Authority().der])  # the project's own CA is another
    keeper = SimpleNamespace(in_force=settings, store=SimpleNamespace(home=tmp_path))
    plane = SimpleNamespace(_keeper=keeper, _time=SimpleNamespace(now=lambda: NOW))
    fetcher = Fetcher(partial(ContentPlane._of_content, plane))  # type: ignore[arg-type]  # only what it needs
    site.files["/x"] = b"content"
    public = parse_address(f"{site.address}#system-roots", "https", 443)
    for _ in range(2):  # one kept connection does not lend its trust to the other
        answer = await fetcher.fetch(Request(address=public, path="/x", limit=LIMIT))
        assert answer.body == b"content"
        with pytest.raises(FetchError, match="certificate verify failed"):
            await fetcher.fetch(ask(site))
    fetcher.close()
