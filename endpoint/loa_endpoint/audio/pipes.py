"""The player's end of the two pipes to the agent, neither of which may ever make it wait."""

from __future__ import annotations

import os
import select
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from loa_endpoint.audio.messages import (
    Beat,
    Command,
    Event,
    LineInLevel,
    LineSplitter,
    encode,
    parse_command,
)
from loa_protocol.errors import MessageError

BACKLOG: Final = 256
"""Events kept for an agent that does not read; the oldest are lost, signs of life before any."""
READ_BYTES: Final = 65_536
ROOM: Final = 2048
"""Bytes after which no line is added to a write: POLLOUT promises 4,096."""


class CommandPipe:
    """Commands, as they come.

    Attributes:
        closed: The agent has closed its end, or is gone.
        refused: What was wrong with the lines that were not commands, oldest first.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        self._lines = LineSplitter()
        self.closed = False
        self.refused: list[str] = []

    def take(self, wait_ms: float) -> list[Command]:
        """Return the commands that have arrived, waiting at most *wait_ms* for the first."""
        if not self._poll.poll(wait_ms):
            return []
        data = os.read(self._fd, READ_BYTES)
        if not data:
            self.closed = True
            self._poll.unregister(self._fd)  # else a closed pipe would end every wait at once
            return []
        return self._parse(self._lines.feed(data))

    def take_all(self) -> list[Command]:
        """Return every command up to the end of the input."""
        commands: list[Command] = []
        while not self.closed:
            commands += self.take(1000)
        return commands

    def _parse(self, lines: list[bytes]) -> list[Command]:
        commands = []
        for line in lines:
            try:
                commands.append(parse_command(line))
            except MessageError as error:
                self.refused.append(str(error)[:500])
        return commands


class EventPipe:
    """Events to the agent, written only while there is room in the pipe."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)
        self._waiting: deque[Event] = deque()
        self._is_gathering = False

    def send(self, event: Event) -> None:
        """Write *event*, or keep it until there is room.

        Raises:
            BrokenPipeError: The agent does not listen any more.
        """
        self._waiting.append(event)
        if not self._is_gathering:
            self.flush()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write what is sent inside at its end, all at once: each write wakes the agent.

        Raises:
            BrokenPipeError: The agent does not listen any more.
        """
        self._is_gathering = True
        try:
            yield
        finally:
            self._is_gathering = False
            self.flush()

    def flush(self) -> None:
        """Write what was kept, as far as there is room.

        Raises:
            BrokenPipeError: The agent does not listen any more.
        """
        while self._waiting and self._poll.poll(0):
            lines, size = [encode(self._waiting.popleft())], 0
            while self._waiting and (size := size + len(lines[-1])) < ROOM:
                lines.append(encode(self._waiting.popleft()))
            os.write(self._fd, b"".join(lines))
        if self._waiting:  # nobody reads: signs of life will be of no use by then
            staying = (each for each in self._waiting if not isinstance(each, Beat | LineInLevel))
            self._waiting = deque(staying, maxlen=BACKLOG)
