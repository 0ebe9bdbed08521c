"""Who paid for a station or cluster, by which decision, for what purpose (INV-3)."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import Any, Final

from loa_manager import tables
from loa_manager.csv_import import Column, choice, whole, words
from loa_manager.registry.ledger import Ledger
from loa_protocol.language import translator

_ = translator("loa_manager")


class Purpose(enum.StrEnum):
    """What the money of an item was for (làm mới, mở rộng, thay thế)."""

    NEW = "new"
    EXTENSION = "extension"
    REPLACEMENT = "replacement"


_VND_MAX: Final = 10**15
FUNDING_COLUMNS: Final = (
    Column("programme", words(100)),
    Column("sub_project", words(100)),
    Column("year", whole(1990, 2100)),
    Column("decision", words(100)),
    Column("central_vnd", whole(0, _VND_MAX)),
    Column("local_vnd", whole(0, _VND_MAX)),
    Column("purpose", choice(*Purpose)),
)
FUNDING_NAMES: Final = tuple(column.name for column in FUNDING_COLUMNS)


def funding_faults(values: Mapping[str, Any]) -> Iterator[str]:
    """Tell what is missing of the money of one row: all of its columns are filled, or none."""
    missing = [name for name in FUNDING_NAMES if values[name] is None]
    if missing and len(missing) < len(FUNDING_NAMES):
        text = _("the money is told in part: {names} missing")
        yield text.format(names=", ".join(missing))


def put_funding(ledger: Ledger, scope: str, values: Mapping[str, Any]) -> str:
    """Keep the money of *scope*; a row without money leaves what is kept as it is."""
    if values["programme"] is None:
        return "unchanged"
    return ledger.put(
        tables.funding, {"scope": scope}, {name: values[name] for name in FUNDING_NAMES}
    )
