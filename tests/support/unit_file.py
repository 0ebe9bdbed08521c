"""What the unit of the agent says of its process, for whoever starts one as a board would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

UNIT = Path(__file__).parents[2] / "endpoint" / "systemd" / "loa-endpoint.service"
_BYTECODE = "/opt/loa/bytecode"
COMPILE = "import loa_endpoint.__main__, loa_endpoint.audio.launcher"  # docs/operations.md


def environment(bytecode: Path) -> dict[str, str]:
    """Return the variables that the unit sets, with *bytecode* for the folder of a board."""
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    said = " ".join(line[12:] for line in lines if line.startswith("Environment="))
    pairs = (word.partition("=") for word in said.split())
    return {name: value.replace(_BYTECODE, str(bytecode)) for name, _, value in pairs}


def compile_as_installed(bytecode: Path) -> dict[str, str]:
    """Compile into *bytecode* as a board does when it is installed; return `environment`."""
    variables = environment(bytecode)
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", COMPILE], env=kept | variables, check=True)
    return variables
