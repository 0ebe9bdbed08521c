"""The card's plug-in of the ALSA library: compiled on first use, and kept."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from loa_protocol.errors import ConfigError

SOURCE: Final = Path(__file__).with_name("loa_card.c")
COMMAND: Final = ("gcc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-DPIC")
PACKAGES: Final = "gcc libasound2-dev"


def cache_folder() -> Path:
    """Return where compiled plug-ins are kept: under ``XDG_CACHE_HOME``, else ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "loa"


def build_plugin(cache: Path | None = None) -> Path:
    """Return the plug-in, compiled unless it is in *cache* already.

    Raises:
        ConfigError: It does not compile; the packages that are missing are named.
    """
    source = SOURCE.read_bytes()
    kept = hashlib.sha256(source + " ".join(COMMAND).encode()).hexdigest()[:16]
    folder = cache_folder() if cache is None else cache
    plugin = folder / f"loa_card-{kept}.so"
    if plugin.exists():
        return plugin
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            made = Path(scratch) / plugin.name
            _compile(made)
            made.replace(plugin)  # whole, or not there: others may be looking for it
    except OSError as error:
        raise ConfigError("sound card", [f"{error}; it needs {PACKAGES}"]) from error
    return plugin


def _compile(plugin: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "-o", str(plugin), str(SOURCE), "-lasound"],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise ConfigError("sound card", [f"needs {PACKAGES}", done.stderr[-2000:]])
