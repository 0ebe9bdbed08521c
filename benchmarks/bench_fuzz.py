"""How much the fuzzers try in a while, what they reach, and how fast an attack is turned down."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))

from fuzz import engine
from loa_protocol.accept import accept
from loa_protocol.envelope import Kind
from loa_protocol.errors import FormatError
from loa_protocol.trust import TrustError
from support.attack import Attacker
from vectors.generator import bodies
from vectors.generator.world import APPROVER, EDITOR, NOW, WARDENS, sign, trusted

TESTS = pathlib.Path(__file__).parents[1] / "tests"
CORE = ("cbor", "envelope", "certificate", "playlist", "alert", "accept", "live")
SECONDS = 20.0
ATTACKS = 10_000
RULE = ("accept", "chain", "holders", "replay", "succession", "live", "heads")


def run() -> list[dict[str, Any]]:
    """Fuzz the core, take bundles apart, and measure which branches of the rule the tests take."""
    rows: list[dict[str, Any]] = []
    kind = engine.best()
    for name in CORE:
        result = engine.run(name, SECONDS, engine=kind)
        assert not result.error, result.error
        rows.append(_row(f"{name}: inputs by {kind} in {SECONDS:g} s", result.executions, "inputs"))
        rows.append(_row(f"{name}: reached", result.coverage, result.unit))
    rows.append(_row("bundles taken apart and refused", _refusals(), "1/s"))
    rows.append(_row("branches of the acceptance rule taken by its tests", _branches(), "%"))
    return rows


def _row(figure: str, value: float, unit: str) -> dict[str, Any]:
    return {"figure": figure, "value": value, "unit": unit}


def _refusals() -> float:
    bundles = [
        sign(Kind.PLAYLIST, bodies.playlist(), EDITOR, APPROVER),
        sign(Kind.ALERT, bodies.alert(), *WARDENS),
    ]
    attacker, facts = Attacker(bundles, seed=1), trusted()
    attacks = [attacker.next() for _ in range(ATTACKS)]
    start, refused = time.perf_counter(), 0
    for data in attacks:
        try:
            accept(data, facts, NOW)
        except (FormatError, TrustError):
            refused += 1
    assert refused == ATTACKS
    return ATTACKS / (time.perf_counter() - start)


def _branches() -> float:
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder, "report.json")
        include = ",".join(f"*/loa_protocol/{name}.py" for name in RULE)
        common = ["--rcfile=", f"--data-file={folder}/data"]
        names = ("vectors", "accept", "accept_events", "live", "holders", "succession")
        tests = [str(TESTS / "protocol" / f"test_{name}.py") for name in names]
        command = [sys.executable, "-m", "coverage"]
        measured = ["run", *common, "--branch", f"--include={include}", "-m", "pytest", "-q"]
        subprocess.run([*command, *measured, *tests], check=True, capture_output=True)
        subprocess.run([*command, "json", *common, "-q", "-o", str(report)], check=True)
        totals = json.loads(report.read_text(encoding="utf-8"))["totals"]
    return 100.0 * int(totals["covered_branches"]) / int(totals["num_branches"])
