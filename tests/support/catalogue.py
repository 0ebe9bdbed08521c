"""Keeps the Vietnamese catalogues true to the code.

``make messages`` brings ``locale/vi.po`` of every package up to date with the texts in its code and
compiles it; the tests only compare. A text belongs to the catalogue that its module's
``translator("...")`` names; help of a command belongs to the program that has the command.
"""

from __future__ import annotations

import ast
import importlib
import io
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from loa_protocol import click_words
from loa_protocol.command_line import messages

MADE: Final = datetime(2026, 11, 22, tzinfo=UTC)
CATALOGUES: Final = ("loa_protocol", "loa_endpoint", "loa_manager", "loa_lab")
PACKAGES: Final = (*CATALOGUES, "loa_sound", "loa_hwsim")
PROGRAMS: Final = {  # catalogue -> where the commands begin whose help it holds
    "loa_endpoint": ("loa_endpoint.__main__", "loa_endpoint"),
    "loa_manager": ("loa_manager.cli.main", "loa"),
    "loa_lab": ("loa_lab.__main__", "sim"),
}
_OWNER: Final = re.compile(r"^_ = translator\(\"(\w+)\"\)$", re.MULTILINE)


def folder_of(package: str) -> Path:
    """Return the folder of *package*'s code."""
    file = importlib.import_module(package).__file__
    assert file is not None
    return Path(file).parent


def wanted(catalogue: str) -> set[str]:
    """Return every text that the code asks *catalogue* for."""
    found = {text for path in _sources() if owner(path) == catalogue for text in texts_of(path)}
    if catalogue in PROGRAMS:
        found.update(text for each in commands(catalogue) for text in messages(each))
    if catalogue == "loa_protocol":
        found.update(click_words.TEXTS)
    return found


def owner(path: Path) -> str | None:
    """Return the catalogue that a module asks, None where it asks none."""
    match = _OWNER.search(path.read_text(encoding="utf-8"))
    return match.group(1) if match else None


def texts_of(path: Path) -> Iterator[str]:
    """Yield the texts that a module marks by ``_("...")``.

    Read from the syntax tree: Babel's own reader passes over marks inside an f-string.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
            text = node.args[0]
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield text.value


def homeless() -> list[str]:
    """Return modules that mark texts and name no catalogue."""
    return [
        str(path)
        for path in _sources()
        if owner(path) not in CATALOGUES and any(True for _text in texts_of(path))
    ]


def _sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted(folder_of(package).rglob("*.py"))


def root_command(catalogue: str) -> click.Command:
    """Return the command with which the program of *catalogue* begins."""
    module, name = PROGRAMS[catalogue]
    command = getattr(importlib.import_module(module), name)
    assert isinstance(command, click.Command)
    return command


def commands(catalogue: str) -> Iterator[click.Command]:
    """Yield every command of a program, groups included."""
    return (command for _path, command in paths(root_command(catalogue)))


def paths(command: click.Command, *above: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield *command* and all below it, each with the words a person types after the program."""
    yield above, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from paths(below, *above, name)


def read(catalogue: str) -> Catalog:
    """Return *catalogue* as it is written."""
    with (folder_of(catalogue) / "locale" / "vi.po").open("rb") as file:
        return read_po(file, locale="vi")


def compiled(catalogue: Catalog) -> bytes:
    """Return *catalogue* as gettext reads it."""
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def update(catalogue: str) -> list[str]:
    """Bring *catalogue* up to date and compile it; return what still lacks a translation."""
    folder = folder_of(catalogue) / "locale"
    folder.mkdir(exist_ok=True)
    old = read(catalogue) if (folder / "vi.po").exists() else Catalog()
    known = {str(message.id): str(message.string) for message in old if message.id}
    fresh = Catalog(locale="vi", project="Loa", fuzzy=False, version="0.1.0")
    fresh.header_comment = f"# Vietnamese texts of {catalogue}."
    fresh.creation_date = fresh.revision_date = MADE  # a moment would change the file each time
    fresh.msgid_bugs_address = fresh.last_translator = fresh.language_team = "Loa"
    for text in sorted(wanted(catalogue)):
        fresh.add(text, known.get(text, ""))
    with (folder / "vi.po").open("wb") as file:
        write_po(file, fresh, width=100, omit_header=False, sort_output=True, no_location=True)
    (folder / "vi.mo").write_bytes(compiled(read(catalogue)))
    return [str(message.id) for message in fresh if message.id and not message.string]


def main() -> int:
    """Update all catalogues; return 1 when texts lack their Vietnamese."""
    missing = [(catalogue, text) for catalogue in CATALOGUES for text in update(catalogue)]
    for catalogue, text in missing:
        print(f"{catalogue}: to be translated: {text!r}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
