"""Running one target for a while: under atheris where it is installed, else by the mutator."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fuzz import mutator, targets
from fuzz.mutator import Result

GUIDED, PLAIN = "atheris", "mutator"
START_S = 60.0  # to import and instrument, on a loaded machine
_ROOT = Path(__file__).parents[2]


def best() -> str:
    """Return the name of the engine that can be had here."""
    return GUIDED if importlib.util.find_spec("atheris") is not None else PLAIN


def run(name: str, seconds: float, *, engine: str, found: Path | None = None) -> Result:
    """Run the target *name* for *seconds*; keep inputs that reach something new in *found*."""
    if engine == GUIDED:
        return _guided(name, seconds, found)
    until = time.monotonic() + seconds
    return mutator.run(targets.target(name), targets.seeds(name), seed=targets.SEED, until=until)


def _guided(name: str, seconds: float, found: Path | None) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        keep = Path(folder, "found") if found is None else found
        keep.mkdir(parents=True, exist_ok=True)
        seeds = targets.CORPUS / name
        command = [
            *(sys.executable, "-m", "tests.fuzz.guided", name),
            f"-max_total_time={max(1, round(seconds))}",
            f"-seed={targets.SEED}",
            f"-artifact_prefix={folder}/",
            *("-print_final_stats=1", "-rss_limit_mb=2048", "-timeout=20"),
            str(keep),
            *([str(seeds)] if seeds.is_dir() else []),
        ]
        done = subprocess.run(
            command, cwd=_ROOT, capture_output=True, timeout=seconds + START_S, check=False
        )
        text = (done.stdout + done.stderr).decode(errors="replace")
        crashes = [*Path(folder).glob("crash-*"), *Path(folder).glob("timeout-*")]
        crash = crashes[0].read_bytes() if crashes else None
    error = "" if done.returncode == 0 else _tail(text)
    return Result(
        _last(r"number_of_executed_units: (\d+)", text),
        _last(r"cov: (\d+)", text),
        "edges",
        crash,
        error,
    )


def _last(pattern: str, text: str) -> int:
    numbers = re.findall(pattern, text)
    return int(numbers[-1]) if numbers else 0


def _tail(text: str) -> str:
    at = text.find("=== Uncaught Python exception")
    return text[at:].split("\nINFO:", maxsplit=1)[0].strip()[:2000] if at >= 0 else text[-2000:]
