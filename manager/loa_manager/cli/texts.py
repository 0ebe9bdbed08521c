"""Commands whose help speaks the language in force.

Help texts are written in English where the command is declared and translated when they are shown,
so that ``--lang`` works whatever was imported first. A docstring is one message.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

import click

from loa_protocol.language import LANGUAGES, choose_language, translator

_ = translator("loa_manager")

FAILURE_CODE = "loa.failure_code"


class LoaCommand(click.Command):
    """A command with translated help and the option ``--lang``.

    Args:
        example: A command line that works, shown as it is.
        failure_code: The exit code of every failure of this command, wrong usage included, where
            it has one of its own (``loa health``: 3 for unknown).
        settings: What click takes.
    """

    def __init__(
        self,
        *,
        example: str = "",
        failure_code: int | None = None,
        **settings: Any,  # noqa: ANN401 - click's own
    ) -> None:
        super().__init__(**settings)
        self.params.append(_lang_option())
        self.example, self.failure_code = example, failure_code

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 - click's own
    ) -> click.Context:
        """Note the failure code before anything can fail."""
        if parent is not None and self.failure_code is not None:
            parent.meta[FAILURE_CODE] = self.failure_code
        return super().make_context(info_name, args, parent, **extra)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help, translated, and the example."""
        with translated(self):
            super().format_help(ctx, formatter)
        write_example(self.example, formatter)

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return the first line of the help, translated."""
        with translated(self):
            return super().get_short_help_str(limit)


class LoaGroup(click.Group):
    """A group with translated help and ``--lang``, whose commands have them too."""

    command_class = LoaCommand
    group_class = type

    def __init__(self, *, example: str = "", **settings: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(**settings)
        self.params.append(_lang_option())
        self.example = example

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help, translated, and the example."""
        with translated(self):
            super().format_help(ctx, formatter)
        write_example(self.example, formatter)

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return the first line of the help, translated."""
        with translated(self):
            return super().get_short_help_str(limit)


def write_example(example: str, formatter: click.HelpFormatter) -> None:
    """Write *example* as a section of its own; it is never wrapped, so that it can be copied."""
    if example:
        with formatter.section(_("Example")):
            formatter.write(f"  {example}\n")


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
