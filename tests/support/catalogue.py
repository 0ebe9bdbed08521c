"""Keeps the Vietnamese catalogues true to the code.

``python -m support.catalogue loa_manager`` (from tests/) brings ``locale/vi.po`` of a package up to
date with the texts in its code and compiles it; the tests only compare.
"""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from loa_manager.cli import click_words
from loa_manager.cli.texts import LoaCommand, LoaGroup, messages

MADE = datetime(2026, 11, 22, tzinfo=UTC)
COMMANDS = {"loa_manager": ("loa_manager.cli.main", "loa")}  # package -> where its commands begin


def folder_of(package: str) -> Path:
    """Return the folder of *package*'s code."""
    file = importlib.import_module(package).__file__
    assert file is not None
    return Path(file).parent


def wanted(package: str) -> set[str]:
    """Return every text that the code of *package* asks its catalogue for."""
    found = {
        message
        for _file, _line, message, _comments, _context in extract_from_dir(
            str(folder_of(package)), method_map=[("**.py", "python")], keywords={"_": None}
        )
        if isinstance(message, str) and message
    }
    if package in COMMANDS:
        module, name = COMMANDS[package]
        command = getattr(importlib.import_module(module), name)
        found.update(text for each in walk(command) for text in messages(each))
        found.update(click_words.TEXTS)
    return found


def walk(command: click.Command) -> Iterator[click.Command]:
    """Yield *command* and every command below it."""
    yield command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert isinstance(below, (LoaCommand, LoaGroup)), name
            yield from walk(below)


def read(package: str) -> Catalog:
    """Return the catalogue of *package* as it is written."""
    with (folder_of(package) / "locale" / "vi.po").open("rb") as file:
        return read_po(file, locale="vi")


def compiled(catalogue: Catalog) -> bytes:
    """Return *catalogue* as gettext reads it."""
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def update(package: str) -> list[str]:
    """Bring the catalogue up to date and compile it; return what still lacks a translation."""
    folder = folder_of(package) / "locale"
    folder.mkdir(exist_ok=True)
    old = read(package) if (folder / "vi.po").exists() else Catalog()
    known = {str(message.id): str(message.string) for message in old if message.id}
    fresh = Catalog(locale="vi", project="Loa", fuzzy=False, version="0.1.0")
    fresh.header_comment = f"# Vietnamese texts of {package}."
    fresh.creation_date = fresh.revision_date = MADE  # a moment would change the file each time
    fresh.msgid_bugs_address = fresh.last_translator = fresh.language_team = "Loa"
    for text in sorted(wanted(package)):
        fresh.add(text, known.get(text, ""))
    with (folder / "vi.po").open("wb") as file:
        write_po(file, fresh, width=100, omit_header=False, sort_output=True, no_location=True)
    (folder / "vi.mo").write_bytes(compiled(read(package)))
    return [str(message.id) for message in fresh if message.id and not message.string]


if __name__ == "__main__":
    for missing in update(sys.argv[1]):
        print(repr(missing))
