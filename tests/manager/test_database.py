"""The database: made, opened, upgraded, and safe against a careless writer."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from loa_manager import database, tables
from loa_protocol.errors import StoreError


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


@pytest.fixture
def url(tmp_path: Path) -> str:
    return database.file_url(tmp_path / "loa.db")


def test_a_new_database_has_exactly_the_tables_of_the_code(url: str) -> None:
    engine = database.create(url)
    with database.reading(engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.METADATA) == []


def test_the_tables_can_be_made_in_postgresql_too() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # of SQLAlchemy
    for table in tables.METADATA.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=dialect))
        for index in table.indexes:
            assert "INDEX" in str(CreateIndex(index).compile(dialect=dialect))
    rows = str(CreateTable(tables.batch).compile(dialect=dialect))
    assert "id BIGSERIAL" in rows


def test_the_version_in_the_code_is_the_newest_migration() -> None:
    folder = Path(database.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_current_head() == database.REVISION


def test_creating_twice_changes_nothing(url: str) -> None:
    database.create(url)
    engine = database.create(url)
    assert database.revision(engine) == database.REVISION


def test_a_power_cut_after_commit_is_survived_by_setting(url: str) -> None:
    with database.reading(database.create(url)) as connection:
        assert connection.scalar(text("PRAGMA synchronous")) == 2
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1


def test_the_file_is_readable_by_its_owner_alone(url: str, tmp_path: Path) -> None:
    database.create(url)
    assert stat.S_IMODE((tmp_path / "loa.db").stat().st_mode) == 0o600


def test_opening_nothing_says_what_to_do(url: str) -> None:
    with pytest.raises(StoreError, match="loa init"):
        database.open(url)


def test_opening_a_strange_file_says_so(url: str, tmp_path: Path) -> None:
    (tmp_path / "loa.db").write_bytes(b"this is no database, it is a letter" * 100)
    with pytest.raises(StoreError, match="not a database"):
        database.open(url)


def test_an_empty_file_is_not_taken_for_a_database(url: str, tmp_path: Path) -> None:
    (tmp_path / "loa.db").touch()
    with pytest.raises(StoreError, match="not a database of Loa"):
        database.open(url)


@pytest.mark.parametrize(
    ("version", "advice"), [("0000", "loa database upgrade"), ("9999", "upgrade Loa first")]
)
def test_another_version_names_the_way_out(url: str, version: str, advice: str) -> None:
    engine = database.create(url)
    with database.writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": version})
    with pytest.raises(StoreError, match=advice):
        database.open(url)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="absent"):
        database.create(database.file_url(tmp_path / "absent" / "loa.db"))


def test_a_failed_change_leaves_nothing(url: str) -> None:
    engine = database.create(url)
    province = database.Province("vn/ls", is_test=True, utc_offset_min=420)

    def write_twice() -> None:
        with database.writing(engine) as connection:
            database.set_province(connection, province, 0)
            database.set_province(connection, province, 0)

    with pytest.raises(StoreError):
        write_twice()
    with database.reading(engine) as connection:
        assert connection.execute(select(tables.province)).all() == []


def test_the_province_is_found_again(url: str) -> None:
    engine = database.create(url)
    province = database.Province("vn/ls", is_test=True, utc_offset_min=420)
    with database.writing(engine) as connection:
        database.set_province(connection, province, 0)
    with database.reading(database.open(url)) as connection:
        assert database.get_province(connection) == province


def test_a_database_without_a_province_says_so(url: str) -> None:
    with database.reading(database.create(url)) as connection, pytest.raises(StoreError):
        database.get_province(connection)


def test_a_reader_is_not_stopped_by_a_writer(url: str) -> None:
    engine = database.create(url)
    with database.writing(engine) as writer:
        writer.execute(text("INSERT INTO village (commune, name) VALUES ('1', 'A')"))
        with database.reading(engine) as reader:
            assert reader.scalar(text("SELECT count(*) FROM village")) == 0
