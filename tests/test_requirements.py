"""The page that ties requirements to tests says what the tests say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from requirement_table import (
    PAGE,
    Requirement,
    differences,
    page,
    requirements,
    shown,
    unshown,
)

TEST = """
import pytest

pytestmark = [pytest.mark.story, pytest.mark.requirement("OFF-1")]

@pytest.mark.requirement("TIM-1", "TIM-2")
async def test_a_thing() -> None: ...

@pytest.mark.requirement("VOL-1")
class TestMachine:
    @pytest.mark.parametrize("n", [1])
    @pytest.mark.requirement("AUD-1")
    def test_another(self, n: int) -> None: ...
"""
KNOWN = (
    Requirement("TIM-1", "Hours", "Time"),
    Requirement("TIM-2", "Quiet hours", "Time"),
    Requirement("VOL-1", "Cap", "Volume"),
)


def tree(root: Path, test: str = TEST, benchmark: str = "") -> Path:
    for folder, name, text in (
        ("tests/room", "test_it.py", test),
        ("benchmarks", "bench_it.py", benchmark),
    ):
        (root / folder).mkdir(parents=True)
        (root / folder / name).write_text(text, encoding="utf-8")
    return root


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(requirements(), shown()), "make requirements"


def test_every_id_has_one_name() -> None:
    keys = [requirement.id for requirement in requirements()]
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch(r"[A-Z]{3,4}-[0-9]+", key) for key in keys)
    assert all(requirement.name.strip() for requirement in requirements())


def test_marks_of_functions_classes_and_files_are_read(tmp_path: Path) -> None:
    one, two = (
        "tests/room/test_it.py::test_a_thing",
        "tests/room/test_it.py::TestMachine::test_another",
    )
    assert shown(tree(tmp_path)) == {
        "OFF-1": {one, two},
        "TIM-1": {one},
        "TIM-2": {one},
        "VOL-1": {two},
        "AUD-1": {two},
    }


def test_a_benchmark_shows_what_its_constant_names(tmp_path: Path) -> None:
    root = tree(tmp_path, test="", benchmark='REQUIREMENTS = ("PERF-3",)\n')
    assert shown(root) == {"PERF-3": {"benchmarks/bench_it.py"}}


def test_an_id_that_only_running_would_tell_is_a_fault(tmp_path: Path) -> None:
    root = tree(tmp_path, test="@pytest.mark.requirement(*IDS)\ndef test_a() -> None: ...\n")
    with pytest.raises(ValueError, match=r"test_it.py:1: ids must be plain words"):
        shown(root)


def test_the_page_names_tests_and_what_nobody_shows() -> None:
    text = page(KNOWN, {"TIM-1": {"tests/b.py::test_b", "tests/a.py::test_a"}})
    assert "| TIM-1 | Hours | [2](#tim-1) |\n" in text
    assert "| TIM-2 | Quiet hours | nobody yet |\n" in text
    assert "### TIM-1\n- `tests/a.py::test_a`\n- `tests/b.py::test_b`\n" in text
    assert "## Shown by nobody yet\n- TIM-2: Quiet hours\n- VOL-1: Cap\n" in text
    assert unshown(KNOWN, {"TIM-1": {"x"}, "TIM-2": set()}) == ["TIM-2", "VOL-1"]


@pytest.mark.parametrize("case", ["one", "two"])
def test_what_is_collected_is_compared_with_what_is_read(
    request: pytest.FixtureRequest, case: str
) -> None:
    request.node.add_marker(pytest.mark.requirement("INT-4"))
    me = request.node.nodeid.partition("[")[0]
    assert differences([request.node], {"INT-4": {me}}) == []
    assert differences([request.node], {}) == [f"{me}: INT-4 cannot be read from the source"]


def test_an_unknown_id_is_a_fault(request: pytest.FixtureRequest) -> None:
    request.node.add_marker(pytest.mark.requirement("ABC-99"))
    me = request.node.nodeid
    assert differences([request.node], {"ABC-99": {me}}) == [f"{me}: no requirement ABC-99"]
