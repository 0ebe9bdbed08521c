"""Service manager and status socket, with real sockets."""

from __future__ import annotations

import asyncio
import gc
import os
import pathlib
import socket
import subprocess
import sys

import pytest

from loa_endpoint.host.notify import ServiceManager, watchdog_interval_s
from loa_endpoint.host.status_socket import NAME, StatusSocket, ask
from loa_protocol.errors import MessageError, SilentError


def test_the_service_manager_hears_what_we_say(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(5)
        ServiceManager(str(path)).say("READY=1")
        assert manager.recv(100) == b"READY=1"


def test_nobody_listening_is_no_fault(tmp_path: pathlib.Path) -> None:
    ServiceManager(None).say("READY=1")
    ServiceManager(str(tmp_path / "gone")).say("READY=1")


@pytest.mark.parametrize(("text", "seconds"), [("2000000", 1.0), ("", None), ("x", None)])
def test_the_watchdog_is_fed_twice_as_often_as_asked(
    monkeypatch: pytest.MonkeyPatch, text: str, seconds: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", text)
    assert watchdog_interval_s() == seconds


async def test_whoever_asks_on_this_machine_gets_the_status(tmp_path: pathlib.Path) -> None:
    (tmp_path / NAME).write_text("left by a killed agent")
    server = StatusSocket(tmp_path, lambda: {"state": "đang phát"})
    await server.open()
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    assert await asyncio.to_thread(ask, tmp_path) == {"state": "đang phát"}
    await server.close()
    assert not (tmp_path / NAME).exists()


async def test_whoever_asks_and_goes_away_leaves_no_trace_in_the_log(
    tmp_path: pathlib.Path,
) -> None:
    heard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, facts: heard.append(facts))
    answered = asyncio.Event()

    def status() -> dict[str, str]:
        answered.set()
        return {"state": "x" * 4_000_000}  # more than the socket takes at once

    server = StatusSocket(tmp_path, status)
    await server.open()
    _reader, writer = await asyncio.open_unix_connection(str(tmp_path / NAME))
    await answered.wait()
    writer.transport.abort()
    this = asyncio.current_task()
    await asyncio.wait({task for task in asyncio.all_tasks() if task is not this}, timeout=10)
    await server.close()
    gc.collect()
    assert not heard


def test_a_reader_who_leaves_is_no_error_of_ours() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "loa_endpoint", "--help"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_no_agent_is_said_by_name(tmp_path: pathlib.Path) -> None:
    with pytest.raises(SilentError):
        ask(tmp_path)


@pytest.mark.parametrize("answer", [b"garbage", b"[1]", b""])
async def test_a_stranger_on_the_socket_is_not_believed(
    tmp_path: pathlib.Path, answer: bytes
) -> None:
    async def stranger(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    server = await asyncio.start_unix_server(stranger, path=str(tmp_path / NAME))
    with pytest.raises(MessageError):
        await asyncio.to_thread(ask, tmp_path)
    server.close()
