"""What commands print: facts as tables or JSON on standard output, talk on standard error.

On a terminal tables are drawn by rich; in a pipe they are plain columns. With ``--json`` the same
facts come as one JSON value whose keys are English and stable.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from enum import Enum
from typing import Any, Final

import click
from rich.cells import cell_len
from rich.console import Console

from loa_manager.cli.table import Column, draw, hanging, plain_lines
from loa_manager.cli.texts import FAILURE_CODE
from loa_manager.cli.words import words
from loa_protocol.errors import LoaError
from loa_protocol.language import translator
from loa_protocol.trust import TrustError

__all__ = [
    "JSON",
    "LOCAL",
    "Column",
    "failure_code",
    "report",
    "say",
    "show",
    "show_facts",
    "show_json",
    "wants_json",
]
_ = translator("loa_manager")

JSON: Final = "loa.json"
LOCAL: Final = timezone(timedelta(hours=7))  # people read Vietnamese time, wherever the server is


def show(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[Column],
    *,
    title: str = "",
    is_talk: bool = False,
) -> None:
    """Print *rows* as a table; with ``--json``, as a list of objects.

    What *is_talk* goes to standard error, and with ``--json`` nowhere: it is shown so that somebody
    can decide, and is no answer of the command.

    JSON holds the values of the columns as they are (bytes in hex, instants in ISO 8601); the
    table holds the text under ``<key>_text`` where a row has one.
    """
    if wants_json(click.get_current_context(silent=True)):
        if not is_talk:
            show_json([{column.key: row.get(column.key) for column in columns} for row in rows])
        return
    cells = [[_text(row, column.key) for column in columns] for row in rows]
    if (sys.stderr if is_talk else sys.stdout).isatty():
        draw(cells, columns, title, Console(stderr=is_talk))
        return
    for line in (*([title] if title else []), *plain_lines(cells, columns)):
        click.echo(line, err=is_talk)


def show_facts(facts: Mapping[str, Any], labels: Mapping[str, str], *, title: str = "") -> None:
    """Print the *facts* of one thing, a line each under its label; with ``--json``, an object.

    Facts without a label appear in JSON only.
    """
    if wants_json(click.get_current_context(silent=True)):
        show_json(dict(facts))
        return
    if title:
        click.echo(title)
    width = max((cell_len(label) for label in labels.values()), default=0)
    for key, label in labels.items():
        first = f"{label}{' ' * (width - cell_len(label))}  "
        text = _text(facts, key)
        if sys.stdout.isatty() and text:
            room = shutil.get_terminal_size().columns
            click.echo(hanging(text, room, " " * (width + 2), first))
        else:
            click.echo(f"{first}{text}")


def show_json(value: object) -> None:
    """Print *value* as JSON on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_jsonable))


def say(text: str) -> None:
    """Tell the person at the terminal *text* (translated), on standard error; quiet with --json."""
    if not wants_json(click.get_current_context(silent=True)):
        click.echo(text, err=True)


def wants_json(context: click.Context | None) -> bool:
    """Tell whether ``--json`` was given."""
    return context is not None and bool(context.meta.get(JSON))


def failure_code(context: click.Context | None) -> int | None:
    """Return the exit code that the running command has for every failure, if it has one."""
    return None if context is None else context.meta.get(FAILURE_CODE)


def report(error: LoaError | None, *, as_json: bool) -> None:
    """Tell of *error* (None: interrupted) on standard error, as words or as JSON."""
    name = "Interrupted" if error is None else type(error).__name__
    text = _("interrupted") if error is None else words(error)
    if as_json:
        reason = (
            str(error.reason) if isinstance(error, TrustError) else getattr(error, "code", None)
        )
        value = {"error": name, "reason": reason or _code(name), "detail": text}
        click.echo(json.dumps(value, ensure_ascii=False), err=True)
        return
    click.echo(_("Error: {text}").format(text=text), err=True)


def _code(name: str) -> str:
    stem = name.removesuffix("Error")
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in stem).lstrip("_")


def _text(row: Mapping[str, Any], key: str) -> str:
    match row.get(f"{key}_text", row.get(key)):
        case None:
            text = "-"
        case bool(flag):
            text = _("yes") if flag else _("no")
        case bytes(raw):
            text = raw.hex()
        case datetime() as instant:
            text = instant.astimezone(LOCAL).strftime("%d/%m/%Y %H:%M")
        case date() as day:
            text = day.strftime("%d/%m/%Y")
        case list() | tuple() as members:
            text = ", ".join(map(str, members)) or "-"
        case value:
            text = str(value)
    return text


def _jsonable(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    return str(value)
