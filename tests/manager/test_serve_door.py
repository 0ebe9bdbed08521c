"""The door to people's routes: it holds nobody else up, and knows the rules of this moment."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request

from loa_manager.home import Home
from loa_manager.request_seal import RequestError
from loa_manager.serve.signed_request import Doorkeeper
from support.desks import NOW, make_desks
from support.device_ca_lab import X509Lab


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


def asked() -> Request:
    return Request(
        {
            "type": "http",
            "method": "GET",
            "raw_path": b"/orders/vn/ls",
            "query_string": b"",
            "headers": [],
        }
    )


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
