"""What click itself says, in the language in force.

Click asks gettext's process-wide catalogue, which goes by the environment and knows no ``--lang``.
So its modules are handed our translator instead. This module does not import click: a program that
has commands has imported it already.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

from loa_protocol.language import translator

_ = translator("loa_protocol")

TEXTS: Final = (  # those that a command of ours can show; a test looks for each in click
    "Usage:",
    "[OPTIONS]",
    "COMMAND [ARGS]...",
    "Options",
    "Commands",
    "Positional arguments",
    "Show this message and exit.",
    "Try '{command} {option}' for help.",
    "Error: {message}",
    "Error: invalid input",
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
    "required",
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
    for module in modules():
        if hasattr(module, "_"):
            vars(module)["_"] = _
        if hasattr(module, "ngettext"):
            vars(module)["ngettext"] = _plural
        if hasattr(module, "ParamType"):
            # types that were made before the language was chosen named themselves in English
            vars(module)["ParamType"].get_metavar = _metavar


def modules() -> Iterator[ModuleType]:
    """Yield the modules of click that this process has imported."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "click":
            yield module


def _metavar(kind: Any, param: Any, ctx: Any) -> str | None:  # noqa: ANN401, ARG001 - click's own
    """Name the value of an option in the language in force; arguments keep their own names."""
    if param.param_type_name != "option":
        return None
    names = {
        "text": _("text"),
        "integer": _("integer"),
        "integer range": _("integer"),
        "float": _("number"),
        "float range": _("number"),
        "file": _("file"),
        "directory": _("directory"),
        "path": _("path"),
        "length": _("length"),
        "scope": _("scope"),
        "day": _("day"),
    }
    name = str(kind.name)
    return names.get(name, name).upper()


def _plural(one: str, many: str, count: int) -> str:
    return _(one if count == 1 else many)  # Vietnamese has one form
