"""One audit row for a command that has no transaction of its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from loa_manager import audit, database
from loa_manager.home import Home


def note(home: Home, what: str, detail: Mapping[str, object], at: datetime, who: str) -> None:
    """Write that *who* did *what* into the audit table of *home*.

    Raises:
        StoreError: the database is missing, of another version, or not writable.
    """
    engine = database.open(home.database_url)
    try:
        with database.writing(engine) as connection:
            audit.write(connection, who, what, detail, at)
    finally:
        engine.dispose()
