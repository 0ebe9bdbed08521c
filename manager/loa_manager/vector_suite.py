"""The conformance vectors on disk, and whoever is asked for verdicts on them.

What a request and a verdict are is :mod:`loa_protocol.vectors`' business; docs/protocol/vectors.md
describes them for implementations that are not ours.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from loa_protocol.errors import ConfigError, FormatError, StoreError
from loa_protocol.language import translator
from loa_protocol.vectors import differences

_ = translator("loa_manager")
Judge = Callable[[str], str]  # one request as a line of JSON -> the verdict as JSON
ANSWER_S: Final = 60.0
_PLACE: Final = Path("tests", "vectors")
_CHECKOUT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class VectorCase:
    """One case: its path below the folder, the request, what must come out, and why."""

    name: str
    request: str
    expected: Mapping[str, Any]
    why: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one case; no *differences*: it passed."""

    case: VectorCase
    differences: tuple[str, ...]


def find_folder(given: Path | None) -> Path:
    """Return the folder of vectors: *given*, else that of the checkout we are in or run from.

    Raises:
        ConfigError: there is none.
    """
    places = [given] if given is not None else [_PLACE, _CHECKOUT / _PLACE]
    for place in places:
        if place.is_dir():
            return place
    fault = _("no such folder; vectors come with a checkout of Loa: give its tests/vectors")
    raise ConfigError(str(places[0]), [fault])


def load(folder: Path) -> list[VectorCase]:
    """Read every case below *folder*, in the order of their names.

    Raises:
        ConfigError: there is none, or one is not whole; all faults are listed.
    """
    found: list[VectorCase] = []
    faults: list[str] = []
    for path in sorted(folder.rglob("expected.json")):
        name = path.parent.relative_to(folder).as_posix()
        try:
            found.append(_read(path.parent, name))
        except (OSError, ValueError, TypeError) as error:
            faults.append(f"{name}: {error}")
    if not found and not faults:
        faults.append(_("no vectors in it (a vector is a folder with expected.json)"))
    if faults:
        raise ConfigError(str(folder), faults)
    return found


def check(cases: Sequence[VectorCase], judge: Judge) -> Iterator[Outcome]:
    """Yield what comes of each case, in order; several are asked at a time.

    Raises:
        StoreError: *judge* cannot be run at all.
    """
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        yield from pool.map(lambda case: Outcome(case, _compare(case, judge)), cases)


def program(command: str) -> Judge:
    """Return a judge that runs *command* for each case: request in, verdict out.

    Raises:
        ConfigError: *command* is empty or its quotes do not match.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError("--with", [str(error)]) from None
    if not words:
        raise ConfigError("--with", [_("no command")])

    def judge(request: str) -> str:
        try:
            done = subprocess.run(
                words,
                input=f"{request}\n".encode(),
                capture_output=True,
                timeout=ANSWER_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ValueError(f"no answer after {ANSWER_S:g} s") from None
        except OSError as error:
            raise StoreError(words[0], error.strerror or str(error)) from None
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise ValueError(f"exit code {done.returncode}: {' '.join(last)}")
        return done.stdout.decode(errors="replace")

    return judge


def failures(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """Return the facts of the cases that failed."""
    return [
        {"case": each.case.name, "differences": list(each.differences), "why": each.case.why}
        for each in outcomes
        if each.differences
    ]


def _read(folder: Path, name: str) -> VectorCase:
    state = json.loads((folder / "trusted.json").read_text(encoding="utf-8"))
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    if not isinstance(state, dict) or not isinstance(expected, dict):
        raise TypeError(_("not a JSON object"))
    state["bundle"] = (folder / "bundle.cbor").read_bytes().hex()
    why = (folder / "why.txt").read_text(encoding="utf-8").strip()
    return VectorCase(name, json.dumps(state, ensure_ascii=False), expected, why)


def _compare(case: VectorCase, judge: Judge) -> tuple[str, ...]:
    try:
        verdict = json.loads(judge(case.request))
    except (ValueError, FormatError) as error:
        return (f"no verdict: {error}",)
    if not isinstance(verdict, dict):
        return ("the verdict is no JSON object",)
    return tuple(differences(case.expected, verdict))
