"""The tables of a phrase bank: the list of what is recorded, and what an announcer hands in."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from loa_manager.csv_import import Column, Faults, day, matching, read_lines, words, write_lines
from loa_protocol.language import translator

_ = translator("loa_manager")

_NAME: Final = matching(re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII), "muc-nuoc-song")
_ID: Final = Column("id", _NAME, required=True)
_TEXT: Final = Column("text", words(200), required=True)
_FILE: Final = Column("file", words(200), required=True)
_LIST: Final = (
    _ID,
    Column("language", words(35), required=True),
    _TEXT,
    Column("sha256", matching(re.compile(r"[0-9a-f]{64}", re.ASCII), "9f86d0…"), required=True),
    Column("heard_by", words(100)),
    Column("heard_on", day, date.isoformat),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """One recording: what it says, and who heard that it does; nobody yet where that is ''."""

    id: str
    language: str
    text: str
    sha256: str
    heard_by: str = ""
    heard_on: date | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """A file to be taken into the bank."""

    id: str
    text: str
    file: Path


def parse_list(data: bytes, where: str) -> list[Phrase]:
    """Parse a language's list.

    Raises:
        ConfigError: with every fault.
    """
    faults = Faults(where)
    lines = read_lines(data, _LIST, faults)
    found: dict[str, Phrase] = {}
    for line in lines:
        each = Phrase(**{**line.values, "heard_by": line.values["heard_by"] or ""})
        if each.id in found:
            faults.add(line.number, _("{id} is there twice").format(id=each.id))
        found[each.id] = each
    faults.raise_any()
    return list(found.values())


def write_list(phrases: Iterable[Phrase]) -> str:
    """Return the list of *phrases*, as :func:`parse_list` reads it."""
    rows = [dataclasses.asdict(each) for each in phrases]
    return write_lines([{**row, "heard_by": row["heard_by"] or None} for row in rows], _LIST)


def parse_recordings(data: bytes, where: Path) -> list[Recording]:
    """Parse an announcer's table with the columns id, text and file; files stand beside *where*.

    Raises:
        ConfigError: with every fault; files are not looked at.
    """
    faults = Faults(str(where))
    found: dict[str, Recording] = {}
    for line in read_lines(data, (_ID, _TEXT, _FILE), faults):
        name = line.values["id"]
        if name in found:
            faults.add(line.number, _("{id} is there twice").format(id=name))
        found[name] = Recording(name, line.values["text"], where.parent / line.values["file"])
    faults.raise_any()
    return list(found.values())


def check_recording(name: str, text: str, file: Path) -> Recording:
    """Return the recording that a command line names.

    Raises:
        ConfigError: id or text are not such as a table may hold.
    """
    table = write_lines([{"id": name, "text": text, "file": "x"}], (_ID, _TEXT, _FILE))
    (found,) = parse_recordings(table.encode(), Path(_("phrase")))
    return dataclasses.replace(found, file=file)
