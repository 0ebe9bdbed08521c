"""The database of the manager: a SQLite file by default, PostgreSQL by URL.

Everything that is true of one kind of database only stands in this module. Reading and writing go
through :func:`reading` and :func:`writing`; migrations run with Alembic from the package itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from loa_manager import tables
from loa_protocol.errors import StoreError
from loa_protocol.language import translator

_ = translator("loa_manager")

REVISION: Final = "0004"  # the newest migration; a test compares
BUSY_MS: Final = 15_000  # how long one writer waits for another
_WRITE: Final = "loa_write"


@dataclass(frozen=True, slots=True)
class Province:
    """Whose records these are; all times for people are local at *utc_offset_min*."""

    scope: str
    is_test: bool
    utc_offset_min: int


def file_url(path: Path) -> str:
    """Return the URL of the SQLite file *path*."""
    return f"sqlite:///{path}"


def create(url: str) -> Engine:
    """Make the database at *url* with all tables, or bring an older one up to date.

    Raises:
        StoreError: it cannot be reached or written.
    """
    engine = _engine(url)
    path = _path(engine)
    try:
        if path is not None:
            path.touch(mode=0o600)  # names and telephone numbers: the owner's alone
    except OSError as error:
        raise StoreError(_shown(engine), error.strerror or str(error)) from error
    upgrade(engine)
    return engine


def open(url: str) -> Engine:  # noqa: A001 - callers read database.open(url)
    """Open the database at *url* and check that its tables are those of this version.

    Raises:
        StoreError: there is none, it cannot be read, or it is of another version; the text names
            the command that helps.
    """
    engine = _engine(url)
    path = _path(engine)
    if path is not None and not path.exists():
        raise StoreError(str(path), _("no database here; `loa init` makes one"))
    found = revision(engine)
    if found is None:
        raise StoreError(_shown(engine), _("not a database of Loa; `loa init` makes one"))
    if found < REVISION:
        raise StoreError(
            _shown(engine),
            _("of version {version}: run `loa database upgrade`").format(version=found),
        )
    if found > REVISION:
        raise StoreError(
            _shown(engine),
            _("of the newer version {version}: upgrade Loa first").format(version=found),
        )
    return engine


def upgrade(engine: Engine) -> None:
    """Run the migrations that *engine* lacks, all or none."""
    # imported here: Alembic takes longer to load than most commands take to run
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", "loa_manager:migrations")
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def revision(engine: Engine) -> str | None:
    """Return the version of the tables in *engine*; None where there are none of ours."""
    with reading(engine) as connection:
        if not engine.dialect.has_table(connection, "alembic_version"):
            return None
        found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return None if found is None else str(found)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection that sees one state of the database throughout.

    Raises:
        StoreError: the database cannot be read.
    """
    options = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with _named(engine), engine.connect().execution_options(**options) as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection whose changes are committed together, or not at all.

    The right to write is taken at the start, so that what was read before a change still holds.

    Raises:
        StoreError: nothing was changed: disk full, not writable, or another writes for too long.
    """
    with (
        _named(engine),
        engine.connect().execution_options(**{_WRITE: True}) as connection,
        connection.begin(),
    ):
        yield connection


def set_province(connection: Connection, province: Province, created_ms: int) -> None:
    """Write whose records these are; done once, by ``loa init``."""
    connection.execute(
        tables.province.insert().values(
            scope=province.scope,
            is_test=province.is_test,
            utc_offset_min=province.utc_offset_min,
            created_ms=created_ms,
        )
    )


def get_province(connection: Connection) -> Province:
    """Return whose records these are.

    Raises:
        StoreError: ``loa init`` has not been run to its end.
    """
    row = connection.execute(select(tables.province)).first()
    if row is None:
        raise StoreError("database", _("no province is set; run `loa init`"))
    return Province(row.scope, row.is_test, row.utc_offset_min)


@contextmanager
def _named(engine: Engine) -> Iterator[None]:
    """Turn the library's errors into ours, with the place."""
    try:
        yield
    except SQLAlchemyError as error:
        why = str(error.orig) if isinstance(error, DBAPIError) else str(error)
        raise StoreError(_shown(engine), why) from error


def _engine(url: str) -> Engine:
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:  # noqa: ANN401 - SQLAlchemy's hook
    connection.isolation_level = None  # we begin ourselves, see _begin_sqlite
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # a receipt promises that power may fail now
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: Connection) -> None:
    # a reader that turns writer would fail at once when another has written in between
    write = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _path(engine: Engine) -> Path | None:
    if engine.dialect.name != "sqlite" or engine.url.database in (None, "", ":memory:"):
        return None
    return Path(str(engine.url.database))


def _shown(engine: Engine) -> str:
    return make_url(engine.url).render_as_string(hide_password=True)
