"""Somebody at a terminal: a command on a pseudo-terminal, its questions, and what is typed."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

_WITHIN_S = 30.0
_PATIENCE_S = 3.0  # before somebody presses Ctrl-C again


@dataclass
class Typist:
    """One command at a terminal."""

    process: subprocess.Popen[bytes]
    terminal: int
    seen: str = ""
    read: int = 0  # up to here the questions were answered

    def answer(self, question: str, text: str) -> None:
        """Wait until *question* is shown, then type *text* and Enter."""
        self.wait_for(question)
        os.write(self.terminal, text.encode() + b"\n")

    def interrupt(self, question: str, told: str) -> None:
        """Press Ctrl-C at *question* until *told* is shown: one may fall between two prompts."""
        self.wait_for(question)
        deadline = time.monotonic() + _WITHIN_S
        while told not in self.seen[self.read :]:
            assert time.monotonic() < deadline, self.seen
            os.write(self.terminal, b"\x03")
            while told not in self.seen[self.read :] and self._more(_PATIENCE_S):
                pass

    def wait_for(self, text: str) -> None:
        """Wait until *text* is shown after what was answered last."""
        deadline = time.monotonic() + _WITHIN_S
        while text not in self.seen[self.read :]:
            assert time.monotonic() < deadline, self.seen
            assert self._more(), f"it ended before {text!r}: {self.seen}"
        self.read = self.seen.index(text, self.read) + len(text)

    def ends(self) -> int:
        """Read the rest and return the exit code."""
        while self._more():
            pass
        return self.process.wait(_WITHIN_S)

    def _more(self, within_s: float = _WITHIN_S) -> bool:
        if not select.select([self.terminal], [], [], within_s)[0]:
            return False
        try:
            data = os.read(self.terminal, 4096)
        except OSError:  # the other end is closed
            return False
        self.seen += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


@contextmanager
def typing(command: Sequence[object], environment: Mapping[str, str]) -> Iterator[Typist]:
    """Start *command* at a terminal of its own."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        # a terminal of its own, so that Ctrl-C works, also where whoever started us ignores it
        ["env", "--default-signal=INT", "setsid", "--ctty", *map(str, command)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, **environment},
    )
    os.close(slave)
    try:
        yield Typist(process, master)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
        os.close(master)
