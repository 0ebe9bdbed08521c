"""The serial line of the bench: opened raw, and answered on until it hangs up."""

from __future__ import annotations

import os
import select
import termios
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Final

from loa_endpoint.bench.server import BenchServer
from loa_protocol.conversation import Conversation, Effect, GaveUp, Received, Write
from loa_protocol.errors import PeerError
from loa_protocol.frames import Side
from loa_protocol.trust import Now

_CHUNK: Final = 4096
_ROUND_MS: Final = 250
_DRAIN_S: Final = 5.0


def open_line(path: Path) -> int:
    """Open the serial line *path* raw, 115,200 baud, 8N1, and return its descriptor.

    Modem lines are left alone: pseudo-terminals have none, and on many boards they reset.

    Raises:
        PeerError: it is not there, or is no serial line.
    """
    line = -1
    try:
        line = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        tty.setraw(line, termios.TCSANOW)
        modes = termios.tcgetattr(line)
        modes[2] = (modes[2] | termios.CLOCAL) & ~termios.HUPCL
        modes[4] = modes[5] = termios.B115200
        termios.tcsetattr(line, termios.TCSANOW, modes)
    except (OSError, termios.error) as error:
        if line >= 0:
            os.close(line)
        raise PeerError(f"{path}: {error.args[-1]}") from None
    return line


def serve_line(
    line: int,
    server: BenchServer,
    *,
    now: Callable[[], Now],
    monotonic_ms: Callable[[], int],
    until: Callable[[], bool],
) -> None:
    """Answer on the open descriptor *line* until *until* says so, or the line hangs up.

    Args:
        line: A raw, non-blocking serial line.
        server: Who answers.
        now: Reads the time as far as it is known.
        monotonic_ms: Reads a clock that never goes back.
        until: Asked four times a second, but not while an answer is on its way.
    """
    conversation = Conversation(Side.BOARD)
    while conversation.next_deadline() is not None or not until():
        deadline = conversation.next_deadline()
        left = 250 if deadline is None else min(250, max(0, deadline - monotonic_ms()))
        readable, _writable, _errors = select.select([line], [], [], left / 1000)
        effects: list[Effect] = []
        if readable:
            try:
                data = os.read(line, _CHUNK)
            except BlockingIOError:
                continue
            except OSError:  # EIO: the other end of the cable is gone
                return
            if not data:
                return
            effects += conversation.feed(data, monotonic_ms())
        effects += conversation.tick(monotonic_ms())
        while effects:
            match effects.pop(0):
                case Write(data=data):
                    if not _write(line, data):
                        return
                case Received(payload=payload):
                    answer = server.handle(payload, now())
                    effects += conversation.send(answer, monotonic_ms())
                case GaveUp():
                    pass  # the tool went away; it asks again when it is back


def _write(line: int, data: bytes) -> bool:
    """Write all of *data*, waiting for a slow line; tell whether the line is still there."""
    try:
        while data:
            try:
                data = data[os.write(line, data) :]
            except BlockingIOError:
                if not select.select([], [line], [], 5.0)[1]:
                    return True  # nobody drains it: the frame is lost, and is repeated
    except OSError:
        return False
    return True
