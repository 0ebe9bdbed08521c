"""How the agent is installed on a board and what its unit says of its process, from those texts."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

_HOUSE = Path(__file__).parents[2]
UNIT = _HOUSE / "endpoint" / "systemd" / "loa-endpoint.service"
DOCS = _HOUSE / "docs" / "operations.md"
_BYTECODE = "/opt/loa/bytecode"
_COMPILER = "/opt/loa/bin/python -m compileall"
_LIST = """
import sys, loa_endpoint.__main__, loa_endpoint.audio.launcher
print(*{getattr(each, "__file__", None) or "" for each in sys.modules.values()}, sep="\\n")
"""


def environment(bytecode: Path) -> dict[str, str]:
    """Return the variables that the unit sets, with *bytecode* for the folder of a board."""
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    said = " ".join(line[12:] for line in lines if line.startswith("Environment="))
    pairs = (word.partition("=") for word in said.split())
    return {name: value.replace(_BYTECODE, str(bytecode)) for name, _, value in pairs}


def compile_as_installed(bytecode: Path) -> dict[str, str]:
    """Compile into *bytecode* by the line of the docs; return `environment`."""
    variables = environment(bytecode)
    lines = DOCS.read_text(encoding="utf-8").splitlines()
    (line,) = (each for each in lines if each.startswith(_COMPILER))
    here = {
        "/opt/loa/bin/python": [sys.executable],
        "/usr/lib/python3*": [sysconfig.get_path("stdlib")],
        "/opt/loa/lib": _packages(),
    }
    command = [part for word in shlex.split(line) for part in here.pop(word, [word])]
    if here:
        raise ValueError(f"the line of the docs does not name {', '.join(here)}")
    subprocess.run(
        command,
        env={**os.environ, **variables, "PYTHONDONTWRITEBYTECODE": ""},
        check=True,
    )
    return variables


def _packages() -> list[str]:
    """Return where the packages are that an agent imports: here, others lie beside them."""
    said = subprocess.run([sys.executable, "-c", _LIST], capture_output=True, text=True, check=True)
    places = (sysconfig.get_path("purelib"), _HOUSE / "endpoint", _HOUSE / "protocol")
    found = set[str]()
    for file in said.stdout.splitlines():
        found |= {
            str(Path(place, Path(file).relative_to(place).parts[0]))
            for place in places
            if Path(file).is_relative_to(place)
        }
    return sorted(found)
