"""The crew: runs the project's own commands as processes, as a person would type them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loa_protocol.errors import PeerError

PROGRAMS = {
    "loa": "loa_manager",
    "loa-endpoint": "loa_endpoint",
    "loa-sim": "loa_lab",
    "captured": "loa_lab.village.captured_server",  # loa, as the attacker has it
}
_STOP_S = 10.0


class CommandError(PeerError):
    """A command of the village failed; *said* is the end of what it printed."""

    def __init__(self, command: Sequence[str], code: int, said: str) -> None:
        super().__init__(f"{' '.join(command)}: exit code {code}\n{said}")
        self.command, self.code, self.said = tuple(command), code, said


@dataclass(slots=True)
class Crew:
    """Everyone who is at work; leaving the ``with`` block sends all of them home."""

    logs: Path
    language: str
    _working: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, program: str, *arguments: str | Path, timeout_s: float = 60.0) -> str:
        """Run one command to its end and return what it printed.

        Raises:
            CommandError: its exit code is not 0.
        """
        command = _command(program, arguments)
        done = subprocess.run(
            command, capture_output=True, timeout=timeout_s, env=self._environment(), check=False
        )
        said = done.stdout.decode(errors="replace")
        if done.returncode:
            end = (said + done.stderr.decode(errors="replace"))[-2000:]
            raise CommandError([program, *map(str, arguments)], done.returncode, end)
        return said

    def facts(self, program: str, *arguments: str | Path) -> Any:  # noqa: ANN401 - any JSON
        """Run one command with ``--json`` and return what it says."""
        return json.loads(self.run(program, *arguments, "--json"))

    def start(self, name: str, program: str, *arguments: str | Path) -> subprocess.Popen[bytes]:
        """Start a process that stays; its output goes to ``logs/<name>.log``."""
        with (self.logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                _command(program, arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment(),
            )
        self._working.append(process)
        return process

    def send_home(self, processes: Sequence[subprocess.Popen[bytes]] | None = None) -> None:
        """End *processes* (all of them where none are named) in order, then by force."""
        leaving = list(processes if processes is not None else reversed(self._working))
        for process in leaving:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in leaving:
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process in self._working:
                self._working.remove(process)

    def log(self, name: str) -> str:
        """Return what the process *name* has written."""
        return (self.logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def check(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Raise CommandError where a process that should stay has ended."""
        if process.poll() is not None:
            raise CommandError([name], process.returncode, self.log(name)[-2000:])

    def _environment(self) -> dict[str, str]:
        return os.environ | {"LOA_LANG": self.language, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}


@contextlib.contextmanager
def crew(logs: Path, language: str) -> Iterator[Crew]:
    """Give a crew whose processes all end with the block."""
    logs.mkdir(parents=True, exist_ok=True)
    people = Crew(logs, language)
    try:
        yield people
    finally:
        people.send_home()


def wait_for(what: str, is_so: Callable[[], bool], within_s: float) -> None:
    """Wait until *is_so*.

    Raises:
        PeerError: it did not come to that in time.
    """
    until = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > until:
            raise PeerError(f"{what}: not within {within_s:g} s")
        time.sleep(0.05)


def _command(program: str, arguments: Sequence[str | Path]) -> list[str]:
    return [sys.executable, "-m", PROGRAMS[program], *map(str, arguments)]
