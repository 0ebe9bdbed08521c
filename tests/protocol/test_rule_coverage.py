"""The rule that untrusted bytes cross: every branch of it is taken by a test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
RULE = ("accept", "chain", "holders", "replay", "succession", "live", "heads")
TESTS = ("heads", "accept", "accept_events", "live", "holders", "succession")


def test_every_branch_of_the_acceptance_rule_is_taken(tmp_path: Path) -> None:
    data, report = tmp_path / "data", tmp_path / "report.json"
    include = ",".join(f"*/loa_protocol/{name}.py" for name in RULE)
    coverage = [sys.executable, "-m", "coverage"]
    quiet = [f"--rcfile={tmp_path / 'none'}", f"--data-file={data}"]
    tests = [f"tests/protocol/test_{name}.py" for name in TESTS]
    vectors = "tests/protocol/test_vectors.py::test_every_vector_comes_out_as_it_says"
    runs = ["-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", vectors, *tests]
    (tmp_path / "none").touch()
    ran = subprocess.run(
        [*coverage, "run", *quiet, "--branch", f"--include={include}", *runs],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3000:]
    subprocess.run(
        [*coverage, "json", *quiet, "-q", "-o", str(report)], cwd=ROOT, check=True, timeout=60
    )
    files = json.loads(report.read_text(encoding="utf-8"))["files"]
    assert len(files) == len(RULE)
    for name, facts in files.items():
        assert facts["summary"]["num_branches"] > 0
        missing = (facts["missing_lines"], facts["missing_branches"])
        assert missing == ([], []), f"{name}: lines and branches that no test takes: {missing}"
