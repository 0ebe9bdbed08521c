"""The account of who did what: an edited, removed or added row shows, with its position."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, select, update

from loa_manager import audit, database, tables
from support import registry

AT = datetime(2026, 12, 1, tzinfo=UTC)
ROWS = 9


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with database.writing(registry.new_database(tmp_path)) as connection:
        for n in range(ROWS):
            detail = {"cluster": f"c{n}", "tên": "Bản Khuổi"}
            audit.write(connection, "cán bộ", "provisioned", detail, AT + timedelta(seconds=n))
        yield connection


def test_an_untouched_account_is_whole(connection: Connection) -> None:
    verdict = audit.verify(connection)
    assert (verdict.rows, verdict.broken) == (ROWS, None)


def test_an_empty_account_is_whole(tmp_path: Path) -> None:
    with database.reading(registry.new_database(tmp_path)) as connection:
        assert audit.verify(connection).broken is None


@pytest.mark.requirement("SEC-11")
@pytest.mark.parametrize("position", range(1, ROWS + 1))
def test_a_removed_row_is_named(connection: Connection, position: int) -> None:
    connection.execute(delete(tables.audit).where(tables.audit.c.position == position))
    assert audit.verify(connection).broken == position


@pytest.mark.requirement("SEC-11")
@pytest.mark.parametrize("position", [1, 5, ROWS])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at_ms", 1),
        ("who", "người khác"),
        ("what", "nothing"),
        ("detail", "{}"),
        ("source", "10.0.0.1"),
        ("result", "refused"),
        ("hash", bytes(32)),
    ],
)
def test_an_edited_row_is_named(
    connection: Connection, position: int, column: str, value: Any
) -> None:
    row = tables.audit.c.position == position
    connection.execute(update(tables.audit).where(row).values({column: value}))
    assert audit.verify(connection).broken == position


@pytest.mark.requirement("SEC-11")
def test_two_exchanged_rows_show(connection: Connection) -> None:
    table = tables.audit
    for old, new in ((3, 100), (4, 3), (100, 4)):
        connection.execute(update(table).where(table.c.position == old).values(position=new))
    assert audit.verify(connection).broken == 3


@pytest.mark.requirement("SEC-11")
def test_a_removed_end_shows_although_the_chain_before_it_is_whole(connection: Connection) -> None:
    connection.execute(delete(tables.audit).where(tables.audit.c.position > 6))
    assert audit.verify(connection).broken == 7


def test_a_row_added_past_the_head_shows(connection: Connection) -> None:
    last = connection.execute(select(tables.audit).order_by(tables.audit.c.position.desc())).first()
    assert last is not None
    row = {**last._mapping, "position": ROWS + 1}
    connection.execute(tables.audit.insert().values(row))
    assert audit.verify(connection).broken == ROWS + 1


@pytest.mark.parametrize("last", [1, 4, ROWS, 50])
def test_the_tail_alone_can_be_read(connection: Connection, last: int) -> None:
    assert audit.verify(connection, last=last).rows == min(last, ROWS)
    connection.execute(
        update(tables.audit).where(tables.audit.c.position == ROWS).values(who="người khác")
    )
    assert audit.verify(connection, last=last).broken == ROWS


def test_what_is_written_in_a_failed_change_is_not_in_the_account(tmp_path: Path) -> None:
    engine = registry.new_database(tmp_path)

    def fail() -> None:
        with database.writing(engine) as connection:
            audit.write(connection, "cán bộ", "tried", {}, AT)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with database.writing(engine) as connection:
        assert audit.write(connection, "cán bộ", "done", {}, AT) == 1
