"""The door to people's routes: it holds nobody else up, and knows the rules of this moment."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.requests import Request

from loa_manager.home import Home
from loa_manager.request_seal import Claim, RequestError, seal_request
from loa_manager.serve.signed_request import Doorkeeper
from support.desks import NOW, identity, make_desks
from support.device_ca_lab import X509Lab
from support.province import Person, province


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_desks(tmp_path).server


@pytest.fixture
def door(home: Home) -> Doorkeeper:
    return Doorkeeper(home, X509Lab().authorities.server, lambda: NOW)


@pytest.fixture
def blocked() -> Iterator[threading.Event]:
    """Give what nobody gets past until the test is over."""
    made = threading.Event()
    yield made
    made.set()


def asked(headers: Mapping[str, str] | None = None) -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b""}

    scope = {
        "type": "http",
        "method": "GET",
        "raw_path": b"/orders/vn/ls",
        "query_string": b"",
        "headers": [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
    }
    return Request(scope, receive)


def sealed(person: Person, at_ms: int) -> Request:
    claim = Claim(
        method="GET",
        target="/orders/vn/ls",
        host="localhost",
        time_ms=at_ms,
        nonce=os.urandom(16),
        body=hashlib.sha256().digest(),
    )
    return asked(seal_request(identity(person), claim))


async def test_requests_that_wait_take_no_thread_from_heads_and_orders(
    door: Doorkeeper, blocked: threading.Event
) -> None:
    waiting = [asyncio.create_task(door.do(blocked.wait)) for _ in range(64)]
    await asyncio.sleep(0)  # all of them are at work, or waiting for their turn
    async with asyncio.timeout(10):
        assert await asyncio.to_thread(int) == 0  # as the courier works
    blocked.set()
    await asyncio.gather(*waiting)


async def test_a_damaged_home_is_not_the_senders_fault(door: Doorkeeper, home: Home) -> None:
    home.root_path.write_bytes(b"\xa0")
    with pytest.raises(RequestError, match="503 unavailable"):
        await door.identify(asked())


async def test_new_rules_count_at_once_also_within_one_tick_of_the_disk(
    door: Doorkeeper, home: Home
) -> None:
    with pytest.raises(RequestError, match="401 no_signature"):
        await door.identify(asked())
    before = home.root_path.stat()
    other = home.root_path.with_name("other")
    other.write_bytes(bytes(before.st_size))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(home.root_path)
    with pytest.raises(RequestError, match="503 unavailable"):
        await door.identify(asked())


async def test_one_person_leaves_so_many_rows_an_hour_and_others_go_on(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loa_manager.serve.signed_request.ROWS_AT_ONCE", 2)
    clock = [NOW]
    door = Doorkeeper(home, X509Lab().authorities.server, lambda: clock[0])

    async def come(person: Person, *, is_noted: bool = True) -> str:
        request = sealed(person, at_ms=int(clock[0].timestamp() * 1000))
        try:
            return (await door.identify(request, is_noted=is_noted)).sender.holder
        except RequestError as refused:
            return refused.reason

    warden, other = province().wardens
    assert [await come(warden) for _ in range(3)] == ["warden-1", "warden-1", "too_many"]
    assert await come(other) == "warden-2"
    assert await come(warden, is_noted=False) == "warden-1", "looking is free"
    clock[0] += timedelta(seconds=6)
    assert [await come(warden) for _ in range(2)] == ["warden-1", "too_many"]
