"""Questions that end with yes or no: in the language in force, and never where nobody is."""

from __future__ import annotations

import io

import click
import pytest

from loa_manager.cli.question import confirm
from loa_protocol import command_line
from loa_protocol.command_line import is_agreed
from loa_protocol.errors import ConfigError

VIETNAMESE = {"y": "c", "n": "k", "yes": "có", "no": "không"}


class Keyboard(io.StringIO):
    """Somebody at a terminal."""

    def isatty(self) -> bool:
        return True


def type_in(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr("sys.stdin", Keyboard("".join(f"{line}\n" for line in lines)))


@pytest.fixture
def vietnamese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_line, "_", lambda text: VIETNAMESE.get(text, text))


@pytest.fixture
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


@pytest.mark.parametrize("word", ["c", "C", "có", "Có", "co", "CO\u0301", "y", "yes"])
def test_a_vietnamese_yes_is_taken_with_marks_or_without(
    vietnamese: None, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    type_in(monkeypatch, word)
    assert is_agreed("Ra lệnh này?")


@pytest.mark.parametrize("word", ["k", "không", "khong", "n", "no", ""])
def test_a_vietnamese_no_is_taken_and_enter_alone_is_one(
    vietnamese: None, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    type_in(monkeypatch, word)
    assert not is_agreed("Ra lệnh này?")


def test_the_letters_of_the_language_are_shown(
    vietnamese: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, "c")
    assert is_agreed("Ra lệnh này?")
    assert capsys.readouterr().err.endswith("Ra lệnh này? [c/K]: ")


def test_in_english_nothing_but_english_is_asked_for_and_a_slip_is_asked_again(
    english: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, "c", "yeah", "y")
    assert is_agreed("Give this order?")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("Give this order? [y/N]: ") == 3
    assert said.err.count("Error: invalid input") == 2


def test_who_says_no_has_stopped_it_and_who_said_yes_before_is_not_asked(
    english: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(monkeypatch, "n")
    with pytest.raises(click.Abort):
        confirm("Publish this?", where="publish", yes=False)
    type_in(monkeypatch)
    confirm("Publish this?", where="publish", yes=True)
    with pytest.raises(click.Abort):  # nothing more to read
        confirm("Publish this?", where="publish", yes=False)


def test_where_nobody_is_nobody_is_asked(english: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(ConfigError, match="--yes"):
        confirm("Publish this?", where="publish", yes=False)
