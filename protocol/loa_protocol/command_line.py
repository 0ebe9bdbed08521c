"""Commands that speak the language in force: their help, their usage line, ``--lang``, questions.

Help is written in English where a command is declared, and translated when it is shown, so that
``--lang`` works whatever was imported first; a docstring is one message. Each program binds the two
classes to its own catalogue; what goes wrong in a command is the program's to tell.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import click

from loa_protocol.click_words import TEXTS, teach_click
from loa_protocol.language import LANGUAGES, choose_language, translator

_ = translator("loa_protocol")
_speaker = functools.cache(translator)  # a catalogue is read once, not for each command of a list


class SpokenCommand(click.Command):
    """A command with translated help, an example, and the option ``--lang``.

    Args:
        example: A command line that works, shown as it is.
        settings: What click takes.

    Attributes:
        catalogue: The package whose catalogue holds the help; a program's subclass names its own.
    """

    catalogue: ClassVar[str] = "loa_protocol"

    def __init__(self, *, example: str = "", **settings: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(**settings)
        self.params.append(_lang_option())
        self.example = example

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return the words of the usage line; the names of arguments stay as they are."""
        return [
            _(piece) if piece in TEXTS else piece for piece in super().collect_usage_pieces(ctx)
        ]

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help, translated, and the example, which is never wrapped."""
        with self._translated():
            super().format_help(ctx, formatter)
        if self.example:
            with formatter.section(_("Example")):
                formatter.write(f"  {self.example}\n")

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return the first line of the help, translated."""
        with self._translated():
            return super().get_short_help_str(limit)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Let the help of the command and of its options read in the language in force."""
        translate, owners = _speaker(self.catalogue), _speaking(self)
        english = [owner.help for owner in owners]
        try:
            for owner, text in zip(owners, english, strict=True):
                owner.help = translate(inspect.cleandoc(text)) if text else text
            yield
        finally:
            for owner, text in zip(owners, english, strict=True):
                owner.help = text


class SpokenGroup(SpokenCommand, click.Group):
    """A group with translated help, an example, and the option ``--lang``."""

    command_class = SpokenCommand
    group_class = type


def messages(command: click.Command) -> Iterator[str]:
    """Yield every text of *command*'s help that a catalogue must hold."""
    for owner in _speaking(command):
        if owner.help:
            yield inspect.cleandoc(owner.help)


def begin_speaking(arguments: Sequence[str]) -> None:
    """Let ``--lang``, wherever it stands, hold for all that click says while it parses."""
    for at, argument in enumerate(arguments):
        name, _equals, value = argument.partition("=")
        if name == "--lang":
            value = value or next(iter(arguments[at + 1 : at + 2]), "")
            if value in LANGUAGES:
                choose_language(value)
    teach_click()


def is_agreed(question: str) -> bool:
    """Ask *question* on standard error until it is answered; Enter alone means no.

    Shown and taken are the letters and words of the language in force, marks or not, since not
    everybody has them on the keyboard; the English ones are taken always.

    Raises:
        click.Abort: Ctrl-C, or the end of what can be read.
    """
    yes, no = _("y"), _("n")
    agreeing = {"y", "yes", _bare(yes), _bare(_("yes"))}
    refusing = {"n", "no", "", _bare(no), _bare(_("no"))}
    asked = f"{question} [{yes}/{no.upper()}]"
    while True:
        answer = _bare(str(click.prompt(asked, default="", show_default=False, err=True)))
        if answer in agreeing | refusing:
            return answer in agreeing
        click.echo(_("Error: invalid input"), err=True)


def _bare(text: str) -> str:
    """Return *text* in small letters without marks."""
    letters = unicodedata.normalize("NFD", text.strip().casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


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
