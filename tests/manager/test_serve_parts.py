"""How the server's parts start, fail, restart and end; its log lines; its projector."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from loa_manager.serve import parts, projector
from loa_manager.serve.log_lines import LineFormatter, start_log
from loa_manager.serve.parts import Part, Run, notify, run_parts
from loa_manager.serve.projector import Projector
from loa_protocol.errors import ConfigError, StoreError
from support.broker_lab import running, until


class Account:
    """What happened, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.stop = asyncio.Event()

    def part(self, name: str, *, fails: Exception | None = None) -> Part:
        async def run(ready: asyncio.Event) -> None:
            self.events.append(f"{name} starts")
            if fails is not None:
                raise fails
            try:
                ready.set()
                await asyncio.Event().wait()
            finally:
                self.events.append(f"{name} ends")

        return Part(name, run)

    def ready(self) -> None:
        self.events.append("ready")
        self.stop.set()


async def test_parts_end_in_the_opposite_order_of_their_start() -> None:
    account = Account()
    await run_parts([account.part("a"), account.part("b")], account.stop, account.ready)
    assert account.events == ["a starts", "b starts", "ready", "b ends", "a ends"]


async def test_a_part_that_cannot_start_ends_the_others_and_is_the_error() -> None:
    account = Account()
    bad = account.part("b", fails=ConfigError("port", ["taken"]))
    with pytest.raises(ConfigError, match="taken"):
        await run_parts([account.part("a"), bad, account.part("c")], account.stop, account.ready)
    assert account.events == ["a starts", "b starts", "a ends"]


async def test_a_stop_during_the_start_ends_what_has_started() -> None:
    account = Account()

    async def never(ready: asyncio.Event) -> None:
        account.stop.set()
        await asyncio.Event().wait()

    await run_parts([account.part("a"), Part("slow", never)], account.stop, account.ready)
    assert account.events == ["a starts", "a ends"]


def _failing(account: Account, error: Exception, *, before_ready: bool = False) -> Run:
    async def run(ready: asyncio.Event) -> None:
        account.events.append("try")
        if not before_ready:
            ready.set()
        if len(account.events) < 3:
            raise error
        account.stop.set()
        await asyncio.Event().wait()

    return run


async def test_a_fault_of_our_own_in_a_part_is_logged_and_the_part_starts_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(parts, "RESTART_S", 0.01)
    account = Account()
    part = Part("projector", _failing(account, RuntimeError("bug")), restarts=True)
    await run_parts([part], account.stop, lambda: None)
    assert account.events == ["try", "try", "try"]
    failed = [each for each in caplog.records if each.message == "part_failed"]
    assert [vars(each)["part"] for each in failed] == ["projector", "projector"]
    assert failed[0].exc_info is not None


async def test_a_part_that_others_hang_on_is_not_started_again() -> None:
    account = Account()
    broker = Part("broker", _failing(account, RuntimeError()))
    unready = Part("x", _failing(account, RuntimeError(), before_ready=True), restarts=True)
    for part in (broker, unready):
        with pytest.raises(ExceptionGroup):
            await run_parts([part], account.stop, lambda: None)


def test_the_service_manager_is_told_where_one_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify(b"READY=1")  # nobody asked
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify(b"READY=1")
        assert manager.recv(100) == b"READY=1"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0loa-test-{tmp_path}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@loa-test-{tmp_path}")
        notify(b"STOPPING=1")
        assert manager.recv(100) == b"STOPPING=1"
    notify(b"READY=1")  # gone: said, not raised
    assert caplog.records[-1].message == "notify_failed"


# --- projector ------------------------------------------------------------------------------


async def test_rows_are_expanded_at_the_start_and_after_every_commit() -> None:
    rounds = 0

    def project() -> int:
        nonlocal rounds
        rounds += 1
        return 0

    work = Projector(project)
    async with running(work.run):
        await until(lambda: rounds == 1)
        work.wake()
        await until(lambda: rounds == 2)


async def test_rows_that_cannot_be_written_are_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(projector, "RETRY_S", 0.01)
    tries = 0

    def project() -> int:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise StoreError("database", "disk full")
        return 0

    async with running(Projector(project).run):
        await until(lambda: tries == 3)
    assert [each.message for each in caplog.records] == ["store_failed"] * 2


# --- log ------------------------------------------------------------------------------------


def line(write: Callable[[logging.Logger], None], *, as_json: bool) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter(as_json=as_json))
    log = logging.Logger("test")
    log.addHandler(handler)
    write(log)
    return stream.getvalue()


def test_a_line_names_the_event_and_its_fields() -> None:
    text = line(lambda log: log.warning("refused", extra={"who": "a b", "n": 3}), as_json=False)
    assert text.endswith('warning refused who="a b" n=3\n')


def test_no_field_can_forge_a_second_line() -> None:
    for as_json in (True, False):
        text = line(lambda log: log.error("e", extra={"x": "a\nERROR \u202eb"}), as_json=as_json)
        assert text.count("\n") == 1


def test_a_json_line_is_one_object() -> None:
    text = line(lambda log: log.info("ready", extra={"port": 1, "place": "Bản"}), as_json=True)
    value = json.loads(text)
    assert {"event", "level", "at", "port", "place"} == set(value)
    assert value["place"] == "Bản"


def test_a_fault_shows_its_traceback() -> None:
    def write(log: logging.Logger) -> None:
        try:
            raise ValueError("why")
        except ValueError:
            log.exception("part_failed")

    assert "ValueError: why" in line(write, as_json=False)
    assert "ValueError: why" in json.loads(line(write, as_json=True))["trace"]


def test_libraries_small_talk_stays_out_of_the_log() -> None:
    root, level = logging.getLogger(), logging.getLogger().level
    handlers = list(root.handlers)
    stream = io.StringIO()
    try:
        start_log(as_json=False, stream=stream)
        logging.getLogger("asyncio").warning("returning true from eof_received()")
        logging.getLogger("uvicorn.error").info("Started server process")
        logging.getLogger("loa_manager").info("ready")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        for name in ("uvicorn", "nats", "mqtt", "asyncio"):
            logging.getLogger(name).setLevel(logging.NOTSET)
    assert stream.getvalue().count("\n") == 1
