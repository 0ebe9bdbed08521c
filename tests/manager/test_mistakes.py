"""Plausible mistakes at the keyboard: each is told with what helps, and ends with its code."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from loa_manager.cli import order_options
from loa_manager.cli.main import run
from loa_manager.cli.words import words
from loa_protocol.errors import FetchError
from loa_sound.errors import SoundError
from support.order_homes import STATION, make_homes

Told = Callable[..., tuple[int, str]]
HOLD = ("order", "hold", STATION, "--reason", "x", "--yes")


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_homes(tmp_path_factory.mktemp("homes"), {"hung": ("operate",)})
    (folder / "bad").write_text("not the passphrase\n")
    return folder


@pytest.fixture
def told(homes: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Told:
    """Return ``loa ...``: its exit code, and what it said last."""
    monkeypatch.chdir(homes)

    def call(*arguments: str, word: str | None = "secret") -> tuple[int, str]:
        capsys.readouterr()
        code = run([*arguments, *(("--passphrase-file", word) if word else ())])
        said = capsys.readouterr().err
        assert "Traceback" not in said
        return code, said.splitlines()[-1]

    return call


def test_a_wrong_home_a_wrong_key_and_a_wrong_passphrase_say_what_helps(told: Told) -> None:
    for arguments, word, code, help_ in (
        ((*HOLD, "--home", "nowhere"), "secret", 2, "loa init"),
        ((*HOLD, "--home", "nowhere"), "secret", 2, "loa key export-public"),
        ((*HOLD, "--home", "hung"), "bad", 2, "the passphrase does not open this key"),
        (("serve", "--home", "hung"), "secret", 6, "loa key list"),
        (("playlist", "submit", "x", "--home", "hung"), "secret", 6, "loa key make"),
        (("carry", "--home", "hung", "--to", "."), None, 6, "is this the province's home"),
    ):
        found, said = told(*arguments, word=word)
        assert (found, help_ in said) == (code, True), said


def test_a_place_of_another_province_is_told_as_that(told: Told) -> None:
    for home in ("hung", "ls"):
        code, said = told("order", "hold", "vn/hn", "--reason", "x", "--yes", "--home", home)
        assert code == 2
        assert said == "Error: vn/hn: not in the province of this home, vn/ls"


def test_a_file_that_is_no_sound_is_told_in_words(told: Told) -> None:
    code, said = told("media", "add", "secret", "--home", "hung", word=None)
    assert code == 3
    assert "not_audio" not in said
    assert "not a sound that Loa can play" in said


def test_a_server_that_does_not_answer_is_told_with_what_to_look_at(told: Told) -> None:
    way = ("--scope", STATION, "--server", "https://127.0.0.1:1", "--home", "hung")
    code, said = told("order", "list", *way)
    assert code == 5
    assert "is loa serve running there" in said


@pytest.mark.parametrize("why", ["[Errno 111] Connection refused", "Connection refused"])
def test_the_number_of_a_refusal_helps_nobody(why: str) -> None:
    assert "Errno" not in words(FetchError("https://x", 0, why))
    assert "is loa serve running" in words(FetchError("https://x", 0, why))
    assert words(FetchError("https://x", 0, "the answer is too long")).endswith("too long")


@pytest.mark.parametrize(
    "reason", ["unreadable", "not_audio", "damaged", "truncated", "length", "too_large"]
)
def test_every_reason_against_a_sound_has_words(reason: str) -> None:
    told = words(SoundError(reason, Path("a.wav"), "why"))  # type: ignore[arg-type]  # one of them
    assert not told.startswith(f"a.wav: {reason}")
    assert told.startswith("a.wav: ")
    assert told.endswith("(why)")


@pytest.mark.parametrize(("home", "help_"), [("hung", "operate.request"), ("ls", "renew-officers")])
def test_whose_certificate_has_ended_learns_how_to_get_another(
    homes: Path, told: Told, monkeypatch: pytest.MonkeyPatch, home: str, help_: str
) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]  # UTC only
            return datetime.now(UTC) + timedelta(days=400)

    monkeypatch.setattr(order_options, "datetime", Later)
    shutil.rmtree(homes / home / "orders", ignore_errors=True)
    code, said = told(*HOLD, "--home", home)
    assert code == 4
    assert help_ in said
    assert "ended on" in said
