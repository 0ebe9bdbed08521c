"""The machine below: who the server runs as, how its unit is shut in, and what ships beside it."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from loa_manager import vector_suite
from loa_manager.doctor.finding import Finding, Result, passed_if
from loa_manager.doctor.processes import Process
from loa_protocol import vectors
from loa_protocol.errors import ConfigError
from loa_protocol.language import translator

_ = translator("loa_manager")

EXPOSED: Final = 5.0
"""From this score on systemd-analyze(1) calls a unit medium; below it says OK."""
_CHECKOUT: Final = Path(__file__).parents[3]
_UNITS: Final = {
    "loa-serve.service": "manager/systemd",
    "loa-endpoint.service": "endpoint/systemd",
}
_INSTALLED: Final = (Path("/etc/systemd/system"), Path("/usr/lib/systemd/system"))
_SCORE: Final = re.compile(r"exposure level for .*?: (?P<score>\d+\.\d+)")
_LIMIT_S: Final = 20.0
_DISTRIBUTION: Final = "loa-manager"


def judge_user(processes: Sequence[Process]) -> Finding:
    """Judge whose processes server and broker are."""
    users = sorted({each.uid for each in processes})
    text = _("server and broker run as user {users}; 0 is root")
    return Finding(
        id="server_without_root",
        provisions=("5.6-7",),
        result=passed_if(0 not in users) if users else Result.NOT_APPLICABLE,
        text=text.format(users=", ".join(map(str, users)))
        if users
        else _("the server's processes do not run here, or belong to somebody else"),
        where=", ".join(f"pid {each.pid}" for each in processes),
        evidence={"uids": users},
    )


def judge_units() -> Finding:
    """Judge how open systemd finds the unit files, installed or of the checkout."""
    scores = {path: score for name in _UNITS for path in _unit(name) if (score := _score(path))}
    text = _("exposure by systemd-analyze (10 is open, 0 is shut; to be below {limit}): {scores}")
    if not scores:
        text = _("no unit files here, or no systemd-analyze")
    shown = ", ".join(f"{path.name} {score}" for path, score in scores.items())
    return Finding(
        id="unit_hardening",
        provisions=("5.6-7",),
        result=passed_if(max(scores.values()) < EXPOSED) if scores else Result.NOT_APPLICABLE,
        text=text.format(limit=EXPOSED, scores=shown),
        where=", ".join(map(str, scores)),
        evidence={path.name: score for path, score in scores.items()},
    )


def judge_disclosure() -> list[Finding]:
    """Judge whether a way to report a weakness, and an end of support, are published."""
    path = _CHECKOUT / "SECURITY.md"
    links, known = _metadata()
    reports = [link for link in links if "security" in link.lower()]
    shown = str(path) if path.is_file() else ", ".join(reports)
    supported = [link for link in links if "support" in link.lower()]
    return [
        Finding(
            id="disclosure_policy",
            provisions=("5.2-1",),
            result=passed_if(bool(shown)),
            text=_("a way to report a weakness: {where}").format(where=shown or _("none found")),
            where=shown,
            evidence={"file": path.is_file(), "metadata": reports},
        ),
        Finding(
            id="support_period",
            provisions=("5.3-13",),
            result=passed_if(bool(supported)),
            text=_("end of support in the package's metadata: {found}").format(
                found=", ".join(supported) or _("none found")
            ),
            where=f"{_DISTRIBUTION} {known}",
            evidence={"metadata": supported},
        ),
    ]


def judge_vectors() -> Finding:
    """Judge our own verdicts on the conformance vectors, where they are at hand."""
    try:
        folder = vector_suite.find_folder(None)
        outcomes = list(vector_suite.check(vector_suite.load(folder), vectors.answer))
    except ConfigError:
        return Finding(
            id="input_refused",
            provisions=("5.13-1",),
            result=Result.NOT_APPLICABLE,
            text=_("the conformance vectors come with a checkout only"),
        )
    failed = vector_suite.failures(outcomes)
    text = _("{n} conformance vectors judged by the installed programs, {failed} wrongly")
    return Finding(
        id="input_refused",
        provisions=("5.13-1",),
        result=passed_if(bool(outcomes) and not failed),
        text=text.format(n=len(outcomes), failed=len(failed)),
        where=str(folder),
        evidence={"vectors": len(outcomes), "failed": [each["case"] for each in failed]},
    )


def _metadata() -> tuple[list[str], str]:
    try:
        found = importlib.metadata.metadata(_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return [], ""
    return list(found.get_all("Project-URL") or ()), str(found["Version"])


def _unit(name: str) -> list[Path]:
    places = [*(folder / name for folder in _INSTALLED), _CHECKOUT / _UNITS[name] / name]
    return [path for path in places if path.is_file()][:1]


def _score(path: Path) -> float | None:
    program = shutil.which("systemd-analyze")
    if program is None:
        return None
    command = [program, "security", "--offline=yes", "--no-pager", str(path)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
    except (subprocess.TimeoutExpired, OSError):
        return None
    found = _SCORE.search(done.stdout)
    return float(found["score"]) if found else None
