"""``loa key`` from end to end: what people type, what they see, what stands in the account."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loa_manager import database, tables
from loa_manager.cli.main import run
from loa_manager.cli.options import AskedSecrets, PassphraseSource, ReadSecrets
from loa_manager.home import Home
from loa_manager.keyring import Passphrase
from loa_protocol import language
from loa_protocol.errors import ConfigError
from support.bench_lab import SECRET
from support.serve_process import PASSPHRASE, TestProvince

Done = Callable[..., Any]


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOA_LANG", "en")
    monkeypatch.setattr(language, "_chosen", [])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return TestProvince.found(tmp_path / "ls").home  # of today: commands read the clock


@pytest.fixture
def done(tmp_path: Path, home: Home, capsys: pytest.CaptureFixture[str]) -> Done:
    """Return a function that runs a command with ``--json`` and gives what it said."""
    secret = tmp_path / "secret"
    secret.write_text(PASSPHRASE.secret + "\n")

    def call(*words: str, code: int = 0) -> Any:
        opens = not {"install", "list", "export-public"} & {*words[:2]}
        file = ("--passphrase-file", str(secret)) if opens else ()
        assert run(["key", *words, *file, "--json"]) == code, capsys.readouterr().err
        captured = capsys.readouterr()
        return json.loads(captured.out if code == 0 else captured.err)

    return call


@pytest.fixture
def nga(tmp_path: Path, home: Home, done: Done) -> Path:
    """Return an editor's home with an installed certificate."""
    folder, certificate = tmp_path / "nga", str(tmp_path / "nga.cert")
    made = done("make", "--home", str(folder), "--role", "editor", "--holder", "Trần Thị Nga")
    certify = ("certify", "--home", str(home.path), made["request"], "--scope", "vn/ls/st0137")
    assert done(*certify, "-o", certificate)["epoch"] == 1
    done("install", "--home", str(folder), certificate)
    return folder


def account(home: Home) -> list[str]:
    engine = database.open(home.database_url)
    with database.reading(engine) as connection:
        rows = list(connection.execute(tables.audit.select().order_by(tables.audit.c.position)))
    engine.dispose()
    return [row.what for row in rows]


def test_a_holder_is_revoked_and_the_account_says_why(home: Home, nga: Path, done: Done) -> None:
    told = done(
        *("revoke", "--home", str(home.path), "--holder", "Trần Thị Nga"),
        *("--reason", "lost her laptop"),
    )
    (row,) = done("list", "--home", str(nga))
    assert told["denied"] == [row["kid"]]
    again = done("revoke", "--home", str(home.path), "--digest", "ab" * 32)
    assert (again["entries"], again["denied"]) == (2, ["ab" * 32])
    assert again["serial"] > told["serial"]
    assert account(home)[-2:] == ["key_revoked", "key_revoked"]


@pytest.mark.parametrize(
    "words", [(), ("--key", "zz"), ("--holder", "Nobody"), ("--digest", "00" * 16)]
)
def test_a_mistaken_revocation_changes_nothing(
    home: Home, done: Done, words: tuple[str, ...]
) -> None:
    assert done("revoke", "--home", str(home.path), *words, code=2)["error"] == "ConfigError"
    assert "key_revoked" not in account(home)
    assert home.content.index().deny_lists == {}


def test_a_key_is_rotated_with_a_raised_epoch(
    home: Home, nga: Path, done: Done, tmp_path: Path
) -> None:
    (before,) = done("list", "--home", str(nga))
    rotated = done("rotate", "--home", str(nga), "editor")
    assert rotated["kid"] != before["kid"]
    certificate = str(tmp_path / "second.cert")
    certify = ("certify", "--home", str(home.path), rotated["request"], "--scope", "vn/ls/st0137")
    assert done(*certify, "--epoch", "2", "-o", certificate)["epoch"] == 2
    back = done(*certify, "--epoch", "1", "-o", str(tmp_path / "x"), code=2)
    assert "epoch 1" in back["detail"]
    assert done("install", "--home", str(nga), certificate)["kid"] == rotated["kid"]
    assert [row["kid"] for row in done("list", "--home", str(nga))] == [rotated["kid"]]


def test_what_is_due_is_renewed_in_one_ceremony(
    home: Home, nga: Path, done: Done, tmp_path: Path
) -> None:
    due = ("renew", "--home", str(home.path), "--due")
    assert {row["name"] for row in done(*due)} == {"head", "time", "ingest"}
    rows = done(*due, "--within", "100", "-o", str(tmp_path / "out"))
    assert {row["name"] for row in rows} == {"head", "time", "ingest", "Trần Thị Nga"}
    (file,) = [row["file"] for row in rows if row["file"]]
    assert done("install", "--home", str(nga), file)["holder"] == "Trần Thị Nga"
    assert account(home)[-2:] == ["keys_renewed", "keys_renewed"]
    assert done("renew", "--home", str(home.path), code=2)["error"] == "ConfigError"


def test_the_server_gets_another_key_for_heads(home: Home, done: Done) -> None:
    before = {row["name"]: row["kid"] for row in done("list", "--home", str(home.path))}
    told = done("rotate-server", "--home", str(home.path), "head")
    after = {row["name"]: row["kid"] for row in done("list", "--home", str(home.path))}
    assert told["old"] == before["head"] != after["head"]
    assert done("revoke", "--home", str(home.path), "--key", told["old"])["entries"] == 1


def test_a_wrong_passphrase_is_named_and_ends_with_two(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("another passphrase\n")
    words = ["key", "renew", "--home", str(home.path), "--due", "--passphrase-file", str(wrong)]
    assert run([*words, "--json"]) == 2
    error = json.loads(capsys.readouterr().err)
    assert error["error"] == "PassphraseError"
    assert "officer-1" in error["detail"]
    assert "another passphrase" not in json.dumps(error)


# --- where passphrases come from


def test_a_file_has_one_passphrase_for_all_or_one_for_each() -> None:
    each = ReadSecrets.of(["officer-1\tof the first", "officer-2\tof the second", "of the rest"])
    names = ("officer-1", "officer-2", "head")
    assert [each.for_key(name).secret for name in names] == [
        "of the first",
        "of the second",
        "of the rest",
    ]
    with pytest.raises(ConfigError, match="head"):
        ReadSecrets.of(["officer-1\tof the first"]).for_key("head")
    assert "of the first" not in repr(each) + repr(ReadSecrets.of([SECRET]))


def test_each_person_is_asked_once_and_enter_means_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter(["of the first", ""])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.prompt", lambda *_a, **_k: next(answers))
    asked = AskedSecrets()
    assert asked.for_key("officer-1") == Passphrase("of the first")
    assert asked.for_key("officer-2") == Passphrase("of the first")
    assert asked.for_key("officer-1") == Passphrase("of the first")
    assert "of the first" not in repr(asked)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe"])
def test_an_empty_or_unreadable_passphrase_file_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    for read in (PassphraseSource(file, None).read, PassphraseSource(file, None).secrets):
        with pytest.raises(ConfigError, match="secret"):
            read()
