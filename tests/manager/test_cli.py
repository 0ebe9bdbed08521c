"""The command line as a whole: help, languages, exit codes, and what it prints where."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from loa_manager.cli import main
from loa_manager.cli.main import COMMANDS, loa, run
from loa_manager.cli.output import Column, show, show_facts
from loa_manager.cli.texts import LoaCommand, LoaGroup
from loa_manager.cli.words import words
from loa_protocol import click_words, exit_codes, language
from loa_protocol.bench import Fault
from loa_protocol.errors import (
    ConfigError,
    FetchError,
    FormatError,
    FrameError,
    LoaError,
    PeerError,
    RefusedError,
    SilentError,
    StoreError,
)
from loa_protocol.exit_codes import exit_code
from loa_protocol.trust import Refusal, TrustError
from support.bench_lab import SECRET, province_home

PAGE = Path(__file__).parents[2] / "docs" / "exit-codes.md"


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOA_LANG", "en")
    monkeypatch.setattr(language, "_chosen", [])


@pytest.fixture
def secret(tmp_path: Path) -> str:
    file = tmp_path / "passphrase"
    file.write_text(SECRET + "\n")
    return str(file)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its path."""
    waiting: list[tuple[str, click.Command]] = [("loa", loa)]
    context = click.Context(loa)
    while waiting:
        path, command = waiting.pop()
        yield path, command
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                assert below is not None
                waiting.append((f"{path} {name}", below))


def test_every_command_explains_itself_with_an_example() -> None:
    for path, command in commands():
        assert command.help, path
        if isinstance(command, click.Group):
            assert isinstance(command, LoaGroup), path
        else:
            assert isinstance(command, LoaCommand), path
            assert command.example.startswith(path), path


def test_every_example_uses_options_that_exist() -> None:
    for path, command in commands():
        if isinstance(command, LoaCommand):
            known = {name for each in command.params for name in each.opts}
            used = {word for word in command.example.split() if word.startswith("-")}
            assert used <= known, path
            for each in command.params:
                if each.required and isinstance(each, click.Option):
                    assert used & set(each.opts), f"{path} {each.opts}"


def test_no_command_takes_a_secret_as_an_argument() -> None:
    for path, command in commands():
        names = {name for each in command.params for name in each.opts}
        assert not names & {"--passphrase", "--password", "--secret"}, path


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("f", ["x"]), 2),
        (FormatError("x"), 3),
        (FrameError("x"), 3),
        (TrustError(Refusal.ROLE, "x"), 4),
        (PeerError("x"), 5),
        (SilentError("p", 1), 5),
        (RefusedError("p", "x"), 5),
        (StoreError("p", "x"), 6),
        (LoaError("x"), 1),
    ],
)
def test_each_family_of_errors_has_its_exit_code(error: LoaError, code: int) -> None:
    assert exit_code(error) == code


@pytest.mark.parametrize("reason", [*Refusal, *Fault])
def test_every_refusal_has_words(reason: Refusal | Fault) -> None:
    told = words(RefusedError("board", str(reason)))
    assert told not in (str(reason), f"board refused: {reason}")
    if isinstance(reason, Refusal):
        assert words(TrustError(reason, "detail")).endswith("(detail)")


def test_words_hold_the_values_of_an_error() -> None:
    assert "/dev/ttyUSB0" in words(SilentError("/dev/ttyUSB0", 16.2))
    assert "16 s" in words(SilentError("/dev/ttyUSB0", 16.2))
    assert words(FetchError("https://x", 404)) == "https://x: status 404"
    assert words(StoreError("loa.db", "gone")) == "loa.db: gone"
    assert words(RefusedError("modbus 20", "busy")) == "modbus 20 refused: busy"
    assert words(ConfigError("f", ["a", "b"])) == "f: a\nf: b"


def test_the_exit_codes_are_documented() -> None:
    page = PAGE.read_text()
    codes = {*exit_codes.EXIT_CODES.values(), exit_codes.OK, exit_codes.FAILURE, 130}
    for code in codes:
        assert f"| {code} |" in page
    for family in exit_codes.EXIT_CODES:
        assert family.__name__ in page


def test_usage_errors_end_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["nothing"], ["init"], ["init", "--prt", "1"], ["--lang", "fr", "key"]):
        assert run(arguments) == 2
    assert "Usage" in capsys.readouterr().err


def test_a_missing_home_is_told_with_its_remedy(
    tmp_path: Path, secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "p.toml"
    file.touch()
    arguments = ["policy", "sign", "--home", str(tmp_path / "no"), str(file)]
    assert run([*arguments, "--passphrase-file", secret]) == 2
    assert "loa init" in capsys.readouterr().err
    assert run([*arguments, "--passphrase-file", secret, "--json"]) == 2
    error = json.loads(capsys.readouterr().err)
    assert (error["error"], error["reason"]) == ("ConfigError", "config")
    assert "loa init" in error["detail"]


@pytest.mark.requirement("ADM-2")
def test_a_province_from_the_command_line(
    tmp_path: Path, secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    home, nga = tmp_path / "ls", tmp_path / "nga"

    def done(*words: str) -> dict[str, object]:
        with_secret = (
            ()
            if words[1] in ("install", "list", "export-public")
            else (
                "--passphrase-file",
                secret,
            )
        )
        assert run([*words, *with_secret, "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)
        assert isinstance(facts, dict)
        return facts

    init = ("init", "--home", str(home), "--province", "vn/ls", "--test", "--host", "10.1.2.3")
    founded = done(*init)
    assert (founded["province"], founded["test"]) == ("vn/ls", True)
    assert run([*init, "--passphrase-file", secret]) == 2
    made = done("key", "make", "--home", str(nga), "--role", "editor", "--holder", "Nga")
    certificate = tmp_path / "nga.cert"
    certify = ("key", "certify", "--home", str(home), str(made["request"]))
    certified = done(*certify, "--scope", "vn/ls/st0137", "-o", str(certificate))
    assert certified["kid"] == made["kid"]
    exported = done("key", "export-public", "--home", str(home), "-o", str(nga))
    assert exported["root"] == founded["root"]
    assert done("key", "install", "--home", str(nga), str(certificate))["roles"] == ["editor"]
    policy = tmp_path / "quy-che.toml"
    policy.write_text('preset = "hanoi"\n')
    signed = done("policy", "sign", "--home", str(home), str(policy))
    settings = tmp_path / "cum.toml"
    settings.write_text('scope = "vn/ls/st0137/c01"\nheartbeat_s = 60\n')
    assert done("settings", "sign", "--home", str(home), str(settings))["scope"].endswith("c01")  # type: ignore[attr-defined]  # JSON
    assert signed["scope"] == "vn/ls"
    assert run(["key", "renew-server", "--home", str(home), "--passphrase-file", secret]) == 0
    assert stat.S_IMODE((nga / "keys" / "own" / "editor.key").stat().st_mode) == 0o600


def test_the_passphrase_comes_by_descriptor_too(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.write(write, SECRET.encode())  # no newline: the end of the pipe ends it
    os.close(write)
    made = subprocess.run(
        [
            *(sys.executable, "-c", "from loa_manager.cli.main import main; main()"),
            *("key", "make", "--home", str(tmp_path), "--role", "approver", "--holder", "Hùng"),
            *("--passphrase-fd", str(read)),
        ],
        pass_fds=[read],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(read)
    assert made.returncode == 0, made.stderr
    assert SECRET not in made.stdout + made.stderr
    assert (tmp_path / "keys" / "own" / "approver.key").exists()


@pytest.mark.parametrize("content", ["", "short\n", "\xff\xfe"])
def test_a_passphrase_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "p"
    file.write_bytes(content.encode("latin-1"))
    arguments = ["key", "make", "--home", str(tmp_path), "--role", "editor", "--holder", "Nga"]
    assert run([*arguments, "--passphrase-file", str(file)]) == 2
    assert not (tmp_path / "keys").exists()


def test_nobody_is_asked_where_nobody_can_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: PTH123, SIM115 - a stream that is no terminal
    arguments = ["key", "make", "--home", str(tmp_path), "--role", "editor", "--holder", "Nga"]
    assert run(arguments) == 2
    assert "--passphrase-file" in capsys.readouterr().err


def test_an_interrupted_command_ends_with_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(_home: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("loa_manager.cli.key.list_keys", stopped)
    assert run(["key", "list", "--home", str(tmp_path)]) == 130


def test_keys_are_listed_of_homes_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("nowhere", "empty"):
        assert run(["key", "list", "--home", str(tmp_path / name)]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert f"{name}: no home here" in said.err


def test_a_reader_who_leaves_is_no_error_of_ours(tmp_path: Path) -> None:
    home = province_home(tmp_path)
    program = "from loa_manager.cli.main import main; main()"
    listing = subprocess.Popen(
        [sys.executable, "-c", program, "key", "list", "--home", str(home.path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert listing.stdout is not None
    assert listing.stderr is not None
    listing.stdout.close()
    assert listing.stderr.read() == b""
    listing.stderr.close()
    assert listing.wait(20) == 1


def test_a_command_may_have_its_own_code_for_every_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command(cls=LoaCommand, failure_code=3)
    @click.option("--fail", is_flag=True)
    def health(fail: bool) -> None:
        if fail:
            raise StoreError("database", "gone")
        click.get_current_context().exit(1)

    monkeypatch.setattr(main, "health", health, raising=False)
    monkeypatch.setitem(COMMANDS, "zz-health", "loa_manager.cli.main:health")
    assert run(["zz-health", "--fail"]) == 3
    assert run(["zz-health", "--nonsense"]) == 3
    assert run(["zz-health"]) == 1


ROWS = [
    {"name": "Bản Khuổi Mẫu", "n": 3, "up": True, "kid": b"\x01\x02", "at": None},
    {"name": "Thôn [b]Pác[/b]", "n": 12, "up": False, "kid": b"", "at": None},
]
COLUMNS = [Column("name", "Tên"), Column("n", "Số", right=True), Column("up", "Chạy")]


def test_tables_in_a_pipe_are_plain_columns(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS, COLUMNS, title="Cụm loa")
    assert capsys.readouterr().out.splitlines() == [
        "Cụm loa",
        "Tên              Số  Chạy",
        "Bản Khuổi Mẫu     3  yes",
        "Thôn [b]Pác[/b]  12  no",
    ]


def test_tables_on_a_terminal_are_drawn_and_keep_every_letter(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    show(ROWS, COLUMNS)
    drawn = capsys.readouterr().out
    assert "Thôn [b]Pác[/b]" in drawn
    assert "─" in drawn or "━" in drawn


def test_a_narrow_terminal_breaks_a_time_and_never_cuts_it_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")
    show([{"at": "09:05:04", "to": "09:05:19"}], [Column("at", "Lúc"), Column("to", "Đến")])
    drawn = capsys.readouterr().out
    assert "…" not in drawn
    assert sum(drawn.count(digit) for digit in "4") == 1


def test_json_keeps_keys_and_types(capsys: pytest.CaptureFixture[str]) -> None:
    context = click.Context(loa)
    context.meta["loa.json"] = True
    with context:
        show(ROWS, [*COLUMNS, Column("kid", "Khóa"), Column("at", "Lúc")])
        show_facts({"kid": b"\x01"}, {"kid": "Khóa"})
    decoder = json.JSONDecoder()
    text = capsys.readouterr().out
    rows, end = decoder.raw_decode(text)
    assert rows[0] == {"name": "Bản Khuổi Mẫu", "n": 3, "up": True, "kid": "0102", "at": None}
    assert json.loads(text[end:]) == {"kid": "01"}


def test_help_speaks_the_language_asked_for_wherever_the_option_stands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen = set()
    for arguments in (["--lang", "vi", "init", "--help"], ["init", "--lang", "vi", "--help"]):
        assert run(arguments) == 0
        seen.add(capsys.readouterr().out)
    assert len(seen) == 1
    assert run(["init", "--lang", "en", "--help"]) == 0
    assert "Make a province" in capsys.readouterr().out


def test_what_an_option_takes_is_named_in_the_language_in_force(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = {"length": "thời lượng", "scope": "phạm vi", "day": "ngày"}
    monkeypatch.setattr(click_words, "_", lambda text: texts.get(text, text))
    for arguments in (["alert", "send", "--help"], ["cluster", "import", "--help"]):
        assert run(arguments) == 0
    shown = capsys.readouterr().out
    assert "--scope PHẠM VI" in shown
    assert "--expires THỜI LƯỢNG" in shown
    assert "--moved-on NGÀY" in shown
