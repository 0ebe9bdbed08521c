"""Which files a Python process and its children open: an audit hook, put in by sitecustomize.

No tracer is needed. The hook writes the path of every ``open`` into one file a process.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

_HOOK = """
import os, sys
_log = os.open(
    os.path.join({folder!r}, f"opened.{{os.getpid()}}"), os.O_WRONLY | os.O_CREAT | os.O_APPEND
)
def _note(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], (str, bytes)):
        os.write(_log, os.fsencode(arguments[0]) + b"\\n")
sys.addaudithook(_note)
"""


@dataclass
class OpenedFiles:
    """The log of what was opened."""

    folder: Path

    def environment(self) -> dict[str, str]:
        """Return what the watched process is started with."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "sitecustomize.py").write_text(_HOOK.format(folder=str(self.folder)))
        return {"PYTHONPATH": os.pathsep.join([str(self.folder), *sys.path])}

    def paths(self) -> set[Path]:
        """Return everything that was opened so far."""
        return {
            Path(line).absolute()
            for log in self.folder.glob("opened.*")
            for line in log.read_text().splitlines()
        }

    def below(self, folder: Path) -> set[Path]:
        """Return what was opened in *folder* or below."""
        return {path for path in self.paths() if path.is_relative_to(folder)}
