"""Commands whose help speaks the language in force, and what happens when one fails.

Help texts are written in English where the command is declared, and translated when shown.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import click

from loa_protocol.click_words import teach_click
from loa_protocol.errors import LoaError, SilentError
from loa_protocol.exit_codes import INTERRUPTED, OK, USAGE, exit_code
from loa_protocol.language import LANGUAGES, choose_language, translator

_ = translator("loa_endpoint")


class Command(click.Command):
    """A command with translated help, an *example*, and ``--lang``."""

    def __init__(self, *, example: str = "", **settings: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(**settings)
        self.params.append(_lang_option())
        self.example = example

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help, translated, and the example, which is never wrapped."""
        with _translated(self):
            super().format_help(ctx, formatter)
        _write_example(self.example, formatter)

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return the first line of the help, translated."""
        with _translated(self):
            return super().get_short_help_str(limit)


class Group(click.Group):
    """A group with translated help, an *example*, and ``--lang``."""

    command_class = Command

    def __init__(self, *, example: str = "", **settings: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(**settings)
        self.params.append(_lang_option())
        self.example = example

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help, translated, and the example."""
        with _translated(self):
            super().format_help(ctx, formatter)
        _write_example(self.example, formatter)


def run(group: click.Group, arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; the one place where errors become words."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for name, value in pairwise(given):
        if name == "--lang" and value in LANGUAGES:
            choose_language(value)  # before click prints help or faults while it parses
    teach_click()
    try:
        with group.make_context(group.name or "loa-endpoint", given) as context:
            group.invoke(context)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo(_("interrupted"), err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return USAGE
    except SilentError as error:
        text = _("{port}: no answer after {seconds} s. Is the agent running (loa-endpoint run)?")
        text = text.format(port=error.port, seconds=f"{error.after_s:g}")
        click.echo(_("Error: {text}").format(text=text), err=True)
        return exit_code(error)
    except LoaError as error:
        click.echo(_("Error: {text}").format(text=error), err=True)
        return exit_code(error)
    return OK


@contextlib.contextmanager
def _translated(command: click.Command) -> Iterator[None]:
    owners: list[click.Command | click.Option] = [command]
    owners += [each for each in command.params if isinstance(each, click.Option)]
    english = [owner.help for owner in owners]
    try:
        for owner, text in zip(owners, english, strict=True):
            owner.help = _(inspect.cleandoc(text)) if text else text
        yield
    finally:
        for owner, text in zip(owners, english, strict=True):
            owner.help = text


def _write_example(example: str, formatter: click.HelpFormatter) -> None:
    if example:
        with formatter.section(_("Example")):
            formatter.write(f"  {example}\n")  # never wrapped, so that it can be copied


def _lang_option() -> click.Option:
    def choose(_ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
        if value is not None:
            choose_language(value)

    return click.Option(
        ["--lang"],
        type=click.Choice(LANGUAGES),
        callback=choose,
        is_eager=True,
        expose_value=False,
        help="Language of all texts (default: LOA_LANG, else Vietnamese).",
    )
