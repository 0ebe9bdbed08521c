"""Commands whose help speaks the language in force; texts of the whole simulator.

Help is written in English where a command is declared and translated when it is shown, so that
``--lang`` works whatever was imported first.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

import click

from loa_protocol.language import LANGUAGES, choose_language, translator

_ = translator("loa_lab")


class SimCommand(click.Command):
    """A command with translated help, an example, and the option ``--lang``."""

    def __init__(self, *, example: str = "", **settings: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(**settings)
        self.params.append(_lang_option())
        self.example = example

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help, translated, and the example."""
        with translated(self):
            super().format_help(ctx, formatter)
        _write_example(self.example, formatter)

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return the first line of the help, translated."""
        with translated(self):
            return super().get_short_help_str(limit)


class SimGroup(click.Group):
    """A group with translated help, an example, and the option ``--lang``."""

    command_class = SimCommand
    group_class = type

    def __init__(self, *, example: str = "", **settings: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(**settings)
        self.params.append(_lang_option())
        self.example = example

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help, translated, and the example."""
        with translated(self):
            super().format_help(ctx, formatter)
        _write_example(self.example, formatter)


@contextlib.contextmanager
def translated(command: click.Command) -> Iterator[None]:
    """Let the help of *command* and of its options read in the language in force meanwhile."""
    owners = _speaking(command)
    english = [owner.help for owner in owners]
    try:
        for owner, text in zip(owners, english, strict=True):
            owner.help = _(inspect.cleandoc(text)) if text else text
        yield
    finally:
        for owner, text in zip(owners, english, strict=True):
            owner.help = text


def messages(command: click.Command) -> Iterator[str]:
    """Yield every text of *command*'s help that a catalogue must hold."""
    for owner in _speaking(command):
        if owner.help:
            yield inspect.cleandoc(owner.help)


def _speaking(command: click.Command) -> list[click.Command | click.Option]:
    return [command, *(each for each in command.params if isinstance(each, click.Option))]


def _write_example(example: str, formatter: click.HelpFormatter) -> None:
    if example:
        with formatter.section(_("Example")):
            formatter.write(f"  {example}\n")  # never wrapped, so that it can be copied


def _lang_option() -> click.Option:
    return click.Option(
        ["--lang"],
        type=click.Choice(LANGUAGES),
        callback=_choose,
        is_eager=True,
        expose_value=False,
        help="Language of all texts (default: LOA_LANG, else Vietnamese).",
    )


def _choose(_ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value is not None:
        choose_language(value)
