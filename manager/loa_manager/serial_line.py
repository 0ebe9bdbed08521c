"""The technician's end of the serial line: asks one question, waits for its answer."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import select
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from loa_protocol import bench
from loa_protocol.conversation import Conversation, Effect, GaveUp, Received, Timing, Write
from loa_protocol.errors import PeerError, SilentError
from loa_protocol.frames import Side
from loa_protocol.language import translator

_ = translator("loa_manager")

_CHUNK: Final = 4096
_ASKED: Final = 2  # a board that restarts in the middle hears the question again


class SerialLine:
    """An open line with a board on its other end."""

    def __init__(self, port: str, descriptor: int, timing: Timing | None = None) -> None:
        """Use :func:`open_line`."""
        self.port, self._line = port, descriptor
        self._conversation = Conversation(
            Side.TOOL, session=secrets.randbits(32), timing=timing or Timing()
        )

    def ask(self, question: bench.Question) -> bench.Answer:
        """Return the board's answer.

        Raises:
            SilentError: none came, however often it was asked.
            PeerError: the line hung up.
            FormatError: what came is no answer.
        """
        data = bench.encode(question)
        waited_ms = 0
        for _attempt in range(_ASKED):
            effects = self._conversation.send(data, _now_ms())
            outcome = self._run(effects)
            if isinstance(outcome, Received):
                return bench.parse_answer(outcome.payload)
            waited_ms += outcome.after_ms
        raise SilentError(self.port, waited_ms / 1000)

    def _run(self, effects: list[Effect]) -> Received | GaveUp:
        while True:
            for effect in effects:
                if isinstance(effect, Write):
                    self._write(effect.data)
                else:
                    return effect
            deadline = self._conversation.next_deadline()
            left_ms = 0 if deadline is None else max(0, deadline - _now_ms())
            readable, _writable, _errors = select.select([self._line], [], [], left_ms / 1000)
            data = self._read() if readable else b""
            effects = self._conversation.feed(data, _now_ms()) if data else []
            effects += self._conversation.tick(_now_ms())

    def _read(self) -> bytes:
        with self._naming_hang_up():
            data = os.read(self._line, _CHUNK)
            if data:
                return data
        raise PeerError(_("{port}: the cable was pulled").format(port=self.port))

    def _write(self, data: bytes) -> None:
        with self._naming_hang_up():
            while data:
                select.select([], [self._line], [])
                data = data[os.write(self._line, data) :]

    @contextlib.contextmanager
    def _naming_hang_up(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:  # EIO where a pseudo-terminal or a USB line went away
            raise PeerError(_("{port}: the cable was pulled").format(port=self.port)) from error


@contextlib.contextmanager
def open_line(path: Path, timing: Timing | None = None) -> Iterator[SerialLine]:
    """Give the board on the serial line *path*.

    Raises:
        PeerError: it is not there, is no serial line, or another program has it.
    """
    with raw_line(path) as line:
        yield SerialLine(str(path), line, timing)


@contextlib.contextmanager
def raw_line(path: Path) -> Iterator[int]:
    """Give the descriptor of the serial line *path*, raw, 115,200 baud, 8N1, for us alone.

    Modem lines are left alone: pseudo-terminals have none, and on many boards they reset.

    Raises:
        PeerError: it is not there, is no serial line, or another program has it.
    """
    line = -1
    try:
        line = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.flock(line, fcntl.LOCK_EX | fcntl.LOCK_NB)
        tty.setraw(line, termios.TCSANOW)
        modes = termios.tcgetattr(line)
        modes[2] = (modes[2] | termios.CLOCAL) & ~termios.HUPCL
        modes[4] = modes[5] = termios.B115200
        termios.tcsetattr(line, termios.TCSANOW, modes)
        termios.tcflush(line, termios.TCIFLUSH)  # what a tool before us left unread
    except BlockingIOError:
        os.close(line)
        raise PeerError(_("{port}: another program has it open").format(port=path)) from None
    except (OSError, termios.error) as error:
        if line >= 0:
            os.close(line)
        raise PeerError(f"{path}: {_(str(error.args[-1]))}") from None
    try:
        yield line
    finally:
        os.close(line)


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
