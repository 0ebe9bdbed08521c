"""Boards and poles: one active board a pole, and a history of which hung where."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from loa_manager import database, devices, tables
from loa_protocol.errors import ConfigError, FormatError
from loa_protocol.keys import Algorithm, PublicKey
from support import registry
from support.telling import Teller

C1, C2 = "vn/ls/st0137/c01", "vn/ls/st0137/c02"


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with database.writing(registry.new_database(tmp_path)) as connection:
        registry.load_village(connection)
        yield connection


def history(connection: Connection, board: Teller) -> list[tuple[str, int, int | None]]:
    table = tables.installation
    match = table.c.endpoint == board.id
    rows = connection.execute(select(table).where(match).order_by(table.c.since_ms))
    return [(row.cluster, row.since_ms, row.until_ms) for row in rows]


def test_a_board_is_found_under_the_id_of_its_key(connection: Connection) -> None:
    board = Teller()
    board.register(connection, C1, at_ms=5)
    found = devices.find(connection, board.id)
    assert found is not None
    assert (found.key, found.cluster, found.is_active) == (board.signer.public, C1, True)


def test_registering_again_changes_nothing(connection: Connection) -> None:
    board = Teller()
    for at_ms in (5, 9):
        board.register(connection, C1, at_ms=at_ms)
    assert history(connection, board) == [(C1, 5, None)]


def test_a_new_board_takes_the_old_one_off_the_pole(connection: Connection) -> None:
    old, new = Teller(), Teller()
    old.register(connection, C1, at_ms=5)
    new.register(connection, C1, at_ms=9)
    states = {each.id: each.state for each in devices.list_endpoints(connection)}
    assert states == {old.id: "revoked", new.id: "active"}
    assert history(connection, old) == [(C1, 5, 9)]


def test_a_board_that_moves_leaves_its_history(connection: Connection) -> None:
    board = Teller()
    board.register(connection, C1, at_ms=5)
    board.register(connection, C2, at_ms=9)
    assert history(connection, board) == [(C1, 5, 9), (C2, 9, None)]


def test_a_revoked_board_comes_back_only_by_registering(connection: Connection) -> None:
    board = Teller()
    board.register(connection, C1, at_ms=5)
    devices.revoke(connection, board.id, at_ms=7)
    board.register(connection, C1, at_ms=9)
    found = devices.find(connection, board.id)
    assert found is not None
    assert found.is_active
    assert history(connection, board) == [(C1, 5, 7), (C1, 9, None)]


def test_an_unknown_pole_is_refused(connection: Connection) -> None:
    with pytest.raises(ConfigError):
        Teller().register(connection, "vn/ls/st0137/c99")


def test_what_is_no_key_is_refused(connection: Connection) -> None:
    key = PublicKey(Algorithm.ES256, bytes(33))
    with pytest.raises(FormatError):
        devices.register(connection, key, cluster=C1, village="Thôn 1", at_ms=5)


def test_a_certificate_is_noted(connection: Connection) -> None:
    board = Teller()
    board.register(connection, C1)
    devices.record_certificate(
        connection, board.id, serial="0a1b", purpose="ldevid", issued_ms=1, expires_ms=2
    )
    assert connection.scalar(select(tables.certificate.c.endpoint)) == board.id
