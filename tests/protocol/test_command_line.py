"""Commands that speak: each program's help from its own catalogue, the rest from ours."""

from __future__ import annotations

import click
import pytest

from loa_protocol import language
from loa_protocol.command_line import SpokenCommand, SpokenGroup, begin_speaking, messages

SHARED = "Language of all texts (default: LOA_LANG, else Vietnamese)."


class Saying(SpokenCommand):
    catalogue = "loa_manager"


class Sayings(SpokenGroup):
    catalogue = "loa_manager"
    command_class = Saying


@click.group(cls=Sayings, example="say keys list --all")
def say() -> None:
    """Make, certify and list keys."""


@say.group()
def keys() -> None:
    """List the stations."""


@keys.command("list", example="say keys list --all")
@click.argument("what", nargs=-1)
@click.option("--all", is_flag=True, help="Period")
def list_command(**_options: object) -> None:
    """List the clusters."""


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "_chosen", ["en"])


def help_of(command: click.Command, *arguments: str) -> str:
    """Return what *command* shows of itself after a program's beginning."""
    begin_speaking(arguments)
    return command.get_help(click.Context(command, info_name="say"))


def test_help_has_the_usage_the_options_and_an_example_to_copy() -> None:
    text = help_of(list_command)
    assert text.startswith("Usage: say [OPTIONS] [WHAT]...\n")
    assert SHARED[:30] in text
    assert text.endswith("Example:\n  say keys list --all")


def test_help_reads_in_the_language_chosen_and_is_english_underneath() -> None:
    text = help_of(list_command, "--lang", "vi")
    assert "Liệt kê các cụm" in text
    assert "List the clusters" not in text
    assert list_command.help == "List the clusters."
    assert "Liệt kê các đài" in help_of(say, "--lang", "vi")  # of a group below, too
    assert "List the stations" in help_of(say, "--lang", "en")


def test_groups_and_commands_below_are_of_the_programs_own_kind() -> None:
    assert isinstance(keys, Sayings)
    assert isinstance(list_command, Saying)


def test_a_catalogue_needs_the_help_of_a_command_and_of_its_options() -> None:
    assert list(messages(list_command)) == ["List the clusters.", "Period", SHARED]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--lang", "vi", "x"], "vi"),
        (["x", "--lang=vi"], "vi"),
        (["--lang", "fr"], "en"),
        (["--lang"], "en"),
        (["--language", "vi"], "en"),
    ],
)
def test_the_language_is_chosen_wherever_it_stands(arguments: list[str], code: str) -> None:
    begin_speaking(arguments)
    assert language.language() == code
