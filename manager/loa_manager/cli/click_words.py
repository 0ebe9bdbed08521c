"""What click itself says, in the language in force.

Click asks gettext's process-wide catalogue, which goes by the environment and knows no ``--lang``.
So its modules are handed our translator instead.
"""

from __future__ import annotations

from types import ModuleType
from typing import Final

import click
import click.decorators
import click.exceptions
import click.formatting
import click.parser
import click.termui
import click.types

from loa_protocol.language import translator

_ = translator("loa_manager")

MODULES: Final[tuple[ModuleType, ...]] = (
    click.core,
    click.decorators,
    click.exceptions,
    click.formatting,
    click.parser,
    click.termui,
    click.types,
)
TEXTS: Final = (  # those that a command of ours can show; a test looks for each in click
    "Usage:",
    "Options",
    "Commands",
    "Positional arguments",
    "Show this message and exit.",
    "Try '{command} {option}' for help.",
    "Error: {message}",
    "Invalid value: {message}",
    "Invalid value for {param_hint}: {message}",
    "Missing argument",
    "Missing option",
    "Missing command.",
    "No such option {name!r}.",
    "No such command {name!r}.",
    "Option {name!r} does not take a value.",
    "Choose from:\n\t{choices}",
    "{value!r} is not a valid {number_type}.",
    "{value} is not in the range {range}.",
    "{name} {filename!r} does not exist.",
    "{name} {filename!r} is a file.",
    "{name} {filename!r} is a directory.",
    "{name} {filename!r} is not readable.",
    "file",
    "directory",
    "path",
    "Repeat for confirmation",
    "Error: The two entered values do not match.",
    "default: {default}",
    "Did you mean {possibility}?",
    "(Did you mean one of: {possibilities}?)",
    "Got unexpected extra argument ({args})",
    "Got unexpected extra arguments ({args})",
    "Option {name!r} requires an argument.",
    "{value!r} is not {choice}.",
    "{value!r} is not one of {choices}.",
)


def teach_click() -> None:
    """Let click speak through our catalogue from now on; again changes nothing."""
    for module in MODULES:
        if hasattr(module, "_"):
            vars(module)["_"] = _
        if hasattr(module, "ngettext"):
            vars(module)["ngettext"] = _plural


def _plural(one: str, many: str, count: int) -> str:
    return _(one if count == 1 else many)  # Vietnamese has one form
