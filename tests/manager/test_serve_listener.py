"""The HTTPS listener has no patience: who dawdles is cut, and nobody else is held up."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from loa_manager.serve import gate, listener
from support.device_ca_lab import client_context
from support.server_lab import ServerLab


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[ServerLab]:
    made = ServerLab(tmp_path)
    async with made.running():
        yield made


async def raw(lab: ServerLab) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = client_context(lab.x509, None)
    return await asyncio.open_connection("localhost", lab.port, ssl=context)


async def test_who_does_not_finish_a_request_is_cut(
    lab: ServerLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "REQUEST_S", 0.2)
    for begun in (
        b"",
        b"GET /content/head HTT",
        b"POST /time HTTP/1.1\r\nContent-Length: 9\r\n\r\n1",
    ):
        reader, writer = await raw(lab)
        writer.write(begun)
        async with asyncio.timeout(5):
            rest = await reader.read()
        writer.close()
        assert b" 200 " not in rest


async def test_a_second_request_on_a_connection_has_its_own_deadline(
    lab: ServerLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "REQUEST_S", 0.2)
    reader, writer = await raw(lab)
    writer.write(b"HEAD /content/head HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    writer.write(b"HEAD /content/he")
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_who_does_not_read_is_cut(
    lab: ServerLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "STALLED_S", 0.2)
    sound = tmp_path / "sound"
    size = 30_000_000
    with sound.open("wb") as file:
        file.truncate(size)
    digest = lab.tree.put_media(sound).hex()
    reader, writer = await raw(lab)
    writer.write(f"GET /content/media/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(0.6)  # this is the dawdling, not a wait for luck
    received = 0
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        received += len(await reader.readexactly(size))
    writer.close()
    async with lab.http() as http:  # nobody else was held up
        assert (await http.get("/content/head")).status_code == 200


async def test_headers_without_end_are_refused(lab: ServerLab) -> None:
    reader, writer = await raw(lab)
    writer.write(b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000)
    async with asyncio.timeout(5):
        assert (await reader.read()).startswith(b"HTTP/1.1 400")
    writer.close()


REQUEST = b"HEAD /content/head HTTP/1.1\r\nHost: x\r\n\r\n"


async def answer(line: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bytes:
    """Ask on *line*; return the first line of the answer, or nothing where it was cut."""
    reader, writer = line
    writer.write(REQUEST)
    try:
        async with asyncio.timeout(5):
            return (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0]
    except (ConnectionError, asyncio.IncompleteReadError):
        return b""


async def test_who_hoards_connections_loses_the_idle_ones_to_who_asks(
    lab: ServerLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MAX_CONNECTIONS", 3)
    hoard = [await raw(lab) for _ in range(3)]
    assert await answer(hoard[0]) == b"HTTP/1.1 200 OK"  # so the second is idle longest
    newcomers = [await raw(lab), await raw(lab)]
    for line in (*newcomers, hoard[0]):
        assert await answer(line) == b"HTTP/1.1 200 OK"
    assert [await answer(line) for line in hoard[1:]] == [b"", b""]
    for _reader, writer in (*hoard, *newcomers):
        writer.close()


async def test_a_stranger_goes_before_a_board(
    lab: ServerLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MAX_CONNECTIONS", 2)
    context = client_context(lab.x509, lab.x509.board())
    board = await asyncio.open_connection("localhost", lab.port, ssl=context)
    stranger, newcomer = await raw(lab), await raw(lab)
    assert await answer(board) == await answer(newcomer) == b"HTTP/1.1 200 OK"
    assert await answer(stranger) == b""
    for _reader, writer in (board, stranger, newcomer):
        writer.close()


async def test_with_everybody_being_answered_the_newcomer_is_cut(
    lab: ServerLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MAX_CONNECTIONS", 1)
    sound = tmp_path / "sound"
    with sound.open("wb") as file:
        file.truncate(30_000_000)
    digest = lab.tree.put_media(sound).hex()
    busy = await raw(lab)
    busy[1].write(f"GET /content/media/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await busy[0].readuntil(b"\r\n\r\n")
    assert await answer(await raw(lab)) == b""
    assert await busy[0].readexactly(30_000_000)
    busy[1].close()


async def test_who_connects_and_says_nothing_takes_no_more_than_so_much(
    lab: ServerLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the handshake nothing is known of them, and each costs memory."""
    monkeypatch.setattr(gate, "MAX_OPENING", 3)
    silent = [await asyncio.open_connection("localhost", lab.port) for _ in range(5)]
    line = await raw(lab)
    assert await answer(line) == b"HTTP/1.1 200 OK"
    async with asyncio.timeout(5):
        for reader, _writer in silent[:3]:  # the oldest, for the others and for who speaks
            assert await reader.read() == b""
    more = [await asyncio.open_connection("localhost", lab.port) for _ in range(3)]
    assert await answer(line) == b"HTTP/1.1 200 OK", "who has entered is in nobody's way"
    for _reader, writer in (*silent, *more, line):
        writer.close()


def test_a_server_begun_in_a_shell_may_open_as_many_files_as_it_takes_connections() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        gate.allow_files(512)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (512, before[1])
        gate.allow_files(300)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 512, "never fewer"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
