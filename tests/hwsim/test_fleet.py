"""The fleet's own parts: room for files, the log over a restart, the command."""

from __future__ import annotations

import resource
from typing import Any

import pytest
from click.testing import CliRunner

from loa_endpoint.core.batch import Verdict
from loa_lab import cli
from loa_lab.fleet.exercise import spread
from loa_lab.fleet.fleet import make_room
from loa_lab.fleet.memory import Log
from loa_lab.fleet.summary import summarise
from loa_protocol.errors import ConfigError
from loa_protocol.objects.online import Receipt
from loa_protocol.record import CHAIN_START, Boot, Happening, Record, chain

ENDPOINT = bytes(16)
AT_MS = 1_796_000_000_000


def receipt(epoch: int, next_: int, reached: bytes, at_ms: int) -> Receipt:
    return Receipt(endpoint=ENDPOINT, epoch=epoch, next=next_, chain=reached, time_ms=at_ms)


def test_more_endpoints_than_files_are_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (1024, 4096))
    with pytest.raises(ConfigError, match=r"8200.*4096.*ulimit -Hn"):
        make_room(2000)


def test_the_limit_of_files_is_raised_where_the_system_allows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (1024, 20_000))
    monkeypatch.setattr(resource, "setrlimit", lambda _what, limits: asked.append(limits))
    make_room(200)
    assert asked == []
    make_room(2000)
    assert asked == [(8200, 20_000)]


def test_records_of_before_a_restart_go_first_and_the_next_run_names_their_end() -> None:
    log = Log(ENDPOINT)
    log.begin(AT_MS)
    log.append(Happening(name="one", detail=""), AT_MS)
    first = log.next_batch()
    assert first is not None
    log.begin(AT_MS + 1)
    again = log.next_batch()
    assert again is not None
    assert (again.epoch, again.first, again.records) == (1, 0, first.records)
    reached = CHAIN_START
    for record in again.records:
        reached = chain(reached, record)
    assert log.mark(receipt(1, 2, reached, AT_MS + 2)) is Verdict.ADVANCED
    second = log.next_batch()
    assert second is not None
    assert (second.epoch, second.first, second.previous) == (2, 0, CHAIN_START)
    body = Record.from_bytes(second.records[0]).body
    assert body == Boot(previous_epoch=1, previous_next=2, previous_chain=reached, version="0.1.0")


def test_a_receipt_for_what_was_never_written_moves_nothing() -> None:
    log = Log(ENDPOINT)
    log.begin(AT_MS)
    assert log.mark(receipt(1, 5, bytes(32), AT_MS + 1)) is Verdict.FORKED
    assert log.unsent == 1


def test_a_spread_names_half_most_and_all() -> None:
    assert spread([0.3, 0.1, 0.2]) == {"p50": 0.2, "p95": 0.3, "max": 0.3}
    assert spread([]) == {}


def test_the_command_says_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, Any] = {
        "endpoints": 3,
        "keys": 3,
        "playing": 3,
        "connect_s": 0.1,
        "catch_up_s": 0.2,
        "memory_mb": 80,
        "refused": {},
    }
    asked: dict[str, Any] = {}

    def run(count: int, _say: object, _bar: object, **options: bool) -> dict[str, Any]:
        asked.update(options, count=count)
        return found

    monkeypatch.setattr(cli, "run_fleet", run)
    said = CliRunner().invoke(cli.fleet_command, ["--count", "3", "--hold"])
    assert said.exit_code == 0
    assert asked == {"count": 3, "with_orders": True, "with_bytes": False}
    for line in summarise(found):
        assert line in said.output
    as_json = CliRunner().invoke(cli.fleet_command, ["--count", "3", "--json"])
    assert '"keys": 3' in as_json.stdout
