"""The registry's boards, as admission asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from loa_manager import database, devices, tables
from loa_manager.serve.admission import Enrolled
from loa_protocol.errors import StoreError


@dataclass(frozen=True, slots=True)
class RegistryRoster:
    """Answers from the database of the programme records; asks it anew each time."""

    engine: Engine

    def find(self, endpoint: str) -> Enrolled | None:
        """Return the board of that id, or None where there is none; raise StoreError."""
        with self._reading() as connection:
            board = devices.find(connection, endpoint)
        if board is None:
            return None
        return Enrolled(board.id, board.key, board.cluster, not board.is_active)

    def revoked(self) -> frozenset[str]:
        """Return the ids of all revoked boards; raise StoreError when they cannot be read."""
        table = tables.endpoint
        query = select(table.c.id).where(table.c.state == devices.REVOKED)
        with self._reading() as connection:
            return frozenset(connection.scalars(query))

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with database.reading(self.engine) as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StoreError("database", str(error)) from error
