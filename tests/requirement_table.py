"""Which test shows which requirement: ``python -m tests.requirement_table`` writes the page.

The names stand in ``tests/requirements.toml``; tests name ids by ``@pytest.mark.requirement``,
benchmarks by a constant ``REQUIREMENTS``. Both are read from the source, which takes a second and
needs no collection; as a plug-in of pytest this module compares them with what was collected, so
that the page cannot say anything else than the tests do.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

HERE: Final = Path(__file__).parent
NAMES: Final = HERE / "requirements.toml"
PAGE: Final = HERE.parent / "docs" / "requirements.md"
MARKER: Final = "requirement"
CONSTANT: Final = "REQUIREMENTS"
_HEAD: Final = """\
# Requirements and the tests that show them

Written by `make requirements` from the names in `tests/requirements.toml` and the marks on tests
and benchmarks; a test compares. That a test shows an id means that it shows a part of it: what is
built is in [CHANGELOG.md](../CHANGELOG.md), what is not in the README.
"""

Shown = dict[str, set[str]]
"""Ids, each with the tests (``file::test``) or benchmarks (``file``) that show it."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line of ``requirements.toml``."""

    id: str
    name: str
    area: str


def requirements(path: Path = NAMES) -> tuple[Requirement, ...]:
    """Read all requirements, in the order of the file."""
    areas = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(
        Requirement(key, name, area) for area in areas for key, name in areas[area].items()
    )


def shown(root: Path = HERE.parent) -> Shown:
    """Read from the sources below *root* which id is shown where.

    Raises:
        ValueError: a mark's ids are not plain words, so that they cannot be read without running.
    """
    found: Shown = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        for test, ids in _marks(path):
            for key in ids:
                found.setdefault(key, set()).add(f"{path.relative_to(root).as_posix()}::{test}")
    for path in sorted((root / "benchmarks").glob("bench_*.py")):
        for key in _constant(path):
            found.setdefault(key, set()).add(path.relative_to(root).as_posix())
    return found


def unshown(known: Sequence[Requirement], where: Mapping[str, set[str]]) -> list[str]:
    """Return the ids that nothing shows."""
    return [requirement.id for requirement in known if not where.get(requirement.id)]


def page(known: Sequence[Requirement], where: Mapping[str, set[str]]) -> str:
    """Return the page: a table of all ids, the tests of each, and what nobody shows."""
    missing = unshown(known, where)
    parts = [_HEAD]
    for area in dict.fromkeys(requirement.area for requirement in known):
        parts.append(f"\n## {area}\n| id | requirement | shown by |\n| --- | --- | --- |\n")
        parts += [_row(each, where) for each in known if each.area == area]
    parts.append("\n## Shown by nobody yet\n")
    parts += [f"- {each.id}: {each.name}\n" for each in known if each.id in missing]
    parts.append("\n## The tests of each\n")
    for each in known:
        if each.id not in missing:
            parts.append(f"\n### {each.id}\n")
            parts += [f"- `{test}`\n" for test in sorted(where[each.id])]
    return "".join(parts)


def _row(each: Requirement, where: Mapping[str, set[str]]) -> str:
    count = len(where.get(each.id, ()))
    link = f"[{count}](#{each.id.lower()})" if count else "nobody yet"
    return f"| {each.id} | {each.name} | {link} |\n"


def _marks(path: Path) -> Iterator[tuple[str, set[str]]]:
    """Yield the tests of a file, ``Class::test`` where they stand in one, each with its ids."""
    module = ast.parse(path.read_text(encoding="utf-8"), str(path))
    of_all = {key for node in module.body for key in _assigned(node, path)}
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            of_class = of_all | _decorated(node, path)
            for inner in node.body:
                if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    yield f"{node.name}::{inner.name}", of_class | _decorated(inner, path)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, of_all | _decorated(node, path)


def _assigned(node: ast.stmt, path: Path) -> set[str]:
    """Return the ids of ``pytestmark = ...``."""
    if not isinstance(node, ast.Assign) or not _is_named(node.targets[0], "pytestmark"):
        return set()
    marks = node.value.elts if isinstance(node.value, (ast.List, ast.Tuple)) else [node.value]
    return {key for mark in marks for key in _ids(mark, path)}


def _decorated(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, path: Path) -> set[str]:
    return {key for decorator in node.decorator_list for key in _ids(decorator, path)}


def _ids(mark: ast.expr, path: Path) -> set[str]:
    """Return the ids of ``pytest.mark.requirement(...)``; none of any other mark."""
    if not isinstance(mark, ast.Call) or not isinstance(mark.func, ast.Attribute):
        return set()
    return _words(mark.args, path) if mark.func.attr == MARKER else set()


def _constant(path: Path) -> set[str]:
    """Return the ids of ``REQUIREMENTS = (...)``."""
    for node in ast.parse(path.read_text(encoding="utf-8"), str(path)).body:
        if isinstance(node, ast.Assign) and _is_named(node.targets[0], CONSTANT):
            return _words(node.value.elts, path) if isinstance(node.value, ast.Tuple) else set()
    return set()


def _is_named(target: ast.expr, name: str) -> bool:
    return isinstance(target, ast.Name) and target.id == name


def _words(nodes: Sequence[ast.expr], path: Path) -> set[str]:
    words = [node.value for node in nodes if isinstance(node, ast.Constant)]
    if len(words) != len(nodes) or not all(isinstance(word, str) for word in words):
        raise ValueError(f"{path}:{nodes[0].lineno}: ids must be plain words")
    return {str(word) for word in words}


def differences(items: Sequence[pytest.Item], where: Mapping[str, set[str]]) -> list[str]:
    """Return, for each collected test, what the page would say otherwise than its marks do."""
    known = {requirement.id for requirement in requirements()}
    faults = []
    for item in items:
        test = item.nodeid.partition("[")[0]
        marks = {key for mark in item.iter_markers(MARKER) for key in mark.args}
        read = {key for key, tests in where.items() if test in tests}
        faults += [f"{test}: no requirement {key}" for key in sorted(marks - known)]
        faults += [f"{test}: {key} cannot be read from the source" for key in sorted(marks - read)]
    return sorted(set(faults))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse marks that the page could not show."""
    faults = differences(items, shown())
    if faults:
        raise pytest.UsageError(*faults)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """After a run of all tests, say which requirements nobody shows."""
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        missing = ", ".join(unshown(requirements(), shown()))
        terminalreporter.write_line(f"requirements that nobody shows yet: {missing or 'none'}")


def main() -> int:
    """Write the page; return the exit code."""
    PAGE.write_text(page(requirements(), shown()), encoding="utf-8")
    print(f"{PAGE}: {len(unshown(requirements(), shown()))} of {len(requirements())} to be shown")
    return 0


if __name__ == "__main__":
    sys.exit(main())
