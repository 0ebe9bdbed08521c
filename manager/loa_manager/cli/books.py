"""Opening the programme records of a home for one command."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from sqlalchemy import Connection, Engine

from loa_manager import database
from loa_manager.csv_import import Column, write_lines
from loa_manager.home import Home, read_bytes
from loa_manager.registry.ledger import Source

_Command = TypeVar("_Command", bound=Callable[..., Any])
EXCEL_MARK: Final = "\ufeff"  # without it Excel takes UTF-8 for something else


@dataclass(frozen=True, slots=True)
class Books:
    """The open records and whose they are."""

    connection: Connection
    province: database.Province


@contextmanager
def reading(home: Path) -> Iterator[Books]:
    """Open the records of *home*; raises as ``Home.open`` and ``database.open``."""
    with _engine(home) as engine, database.reading(engine) as connection:
        yield Books(connection, database.get_province(connection))


@contextmanager
def writing(home: Path) -> Iterator[Books]:
    """Open the records of *home* for one change, kept as a whole or not at all."""
    with _engine(home) as engine, database.writing(engine) as connection:
        yield Books(connection, database.get_province(connection))


@contextmanager
def engine_of(home: Path) -> Iterator[Engine]:
    """Open the database of *home* for work in several transactions."""
    with _engine(home) as engine:
        yield engine


def who() -> str:
    """Return who sits at this terminal, as the system knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number alone
        return str(os.getuid())


def table_from(file: Path) -> Source:
    """Return the table in *file*; raises StoreError when it cannot be read."""
    return Source(where=str(file), data=read_bytes(file), who=who(), at=datetime.now(UTC))


def table_of_one(where: str, columns: tuple[Column, ...], options: dict[str, str | None]) -> Source:
    """Return the table whose one row is a command's *options*."""
    plain = tuple(Column(column.name, str) for column in columns)
    data = write_lines([options], plain).encode()
    return Source(where=where, data=data, who=who(), at=datetime.now(UTC), is_single=True)


def column_options(
    columns: tuple[Column, ...], helps: dict[str, str]
) -> Callable[[_Command], _Command]:
    """Give a command one option a column, such as ``--commune-code``."""

    def add(command: _Command) -> _Command:
        for column in reversed(columns):
            name = "--" + column.name.replace("_", "-")
            help_text = helps.get(column.name)
            command = click.option(name, required=column.required, help=help_text)(command)
        return command

    return add


@contextmanager
def _engine(home: Path) -> Iterator[Engine]:
    engine = database.open(Home.open(home).database_url)
    try:
        yield engine
    finally:
        engine.dispose()
