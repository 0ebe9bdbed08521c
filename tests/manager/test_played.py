"""What plays are told of: how far off they were, and whether anybody had signed what sounded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text

from loa_manager import database, records, tables
from loa_manager.cli import main
from loa_manager.home import Home
from loa_manager.ingest import Ingest
from loa_manager.keyring import Identity
from loa_manager.played import list_plays
from support import registry
from support.province import province
from support.telling import Teller

CLUSTER = "vn/ls/st0137/c01"
NEW = ("drift_ms", "unsigned_host")  # of the migration 0004
TOLD = [(-7, None), (None, "radio.example.vn")]


def now_ms() -> int:
    return round(datetime.now(UTC).timestamp() * 1000)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A database of a village, in which one aligned play was told, and one without an instant."""
    engine = registry.new_database(tmp_path)
    with database.writing(engine) as connection:
        registry.load_village(connection)
        teller = Teller()
        teller.register(connection, CLUSTER)
    teller.boot(now_ms() - 400_000)
    teller.play(1, now_ms() - 300_000, drift_ms=-7)
    teller.play(2, now_ms() - 200_000, unsigned_host="radio.example.vn")
    online = province().online
    ingest = Ingest(engine, Identity("ingest", online.signer, online.chain))
    ingest.take_many(teller.everything(), now_ms())
    records.project(engine)
    ingest.close()
    yield engine
    engine.dispose()


def told(engine: Engine) -> list[tuple[int | None, str | None]]:
    with database.reading(engine) as connection:
        query = select(tables.play).order_by(tables.play.c.began_ms)
        return [(row.drift_ms, row.unsigned_host) for row in connection.execute(query)]


def test_the_worst_offset_and_the_host_of_unsigned_sound_are_told_where_there_are_any(
    engine: Engine,
) -> None:
    assert told(engine) == TOLD
    with database.reading(engine) as connection:
        found = list_plays(connection, "vn/ls", since_ms=0, most=5)
    assert [(each["drift_ms"], each["unsigned_host"]) for each in found] == TOLD


def test_a_database_of_before_is_upgraded_and_its_rows_are_filled_by_rebuilding(
    engine: Engine,
) -> None:
    with database.writing(engine) as connection:
        before = connection.execute(select(tables.play)).all()
        for column in NEW:
            connection.execute(text(f"ALTER TABLE play DROP COLUMN {column}"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0003'"))
    database.upgrade(engine)
    assert database.revision(engine) == database.REVISION
    assert told(engine) == [(None, None)] * 2
    assert records.rebuild(engine) == 1
    with database.reading(engine) as connection:
        assert connection.execute(select(tables.play)).all() == before


def test_plays_show_unsigned_sound_by_its_host_and_the_offset_where_asked(
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])
    monkeypatch.setattr(Home, "open", Home)  # its keys are nobody's business here

    def plays(*options: str) -> str:
        assert main.run(["records", "plays", "--home", str(tmp_path), *options]) == 0
        return capsys.readouterr().out

    head, aligned, unsigned = plays().splitlines()
    assert head.endswith("UNSIGNED sound from")
    assert aligned.split()[-1] == "-"
    assert unsigned.split()[-1] == "radio.example.vn"
    assert "-7 ms" not in aligned
    assert "-7 ms" in plays("--drift").splitlines()[1]
    rows = json.loads(plays("--json"))
    assert [(each["drift_ms"], each["unsigned_host"]) for each in rows] == TOLD
    with database.writing(engine) as connection:
        connection.execute(tables.play.update().values(unsigned_host=None))
    assert "UNSIGNED" not in plays()
