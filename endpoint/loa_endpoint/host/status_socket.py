"""The local status socket: one JSON document to whoever of this machine asks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pathlib
import socket
from collections.abc import Callable, Mapping

from loa_protocol.errors import MessageError, SilentError

NAME = "agent.sock"
_LIMIT = 1 << 20


class StatusSocket:
    """Answers each connection with the present status, and closes it."""

    def __init__(self, home: pathlib.Path, status: Callable[[], Mapping[str, object]]) -> None:
        self._path, self._status = home / NAME, status
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Begin to answer; a socket left by a killed agent is replaced."""
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._answer, path=str(self._path))
        self._path.chmod(0o600)

    async def close(self) -> None:
        """Stop answering."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _answer(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(self._status(), ensure_ascii=False).encode())
        with contextlib.suppress(ConnectionError):  # whoever asked did not wait for the answer
            await writer.drain()
        writer.close()


def ask(home: pathlib.Path, timeout_s: float = 2.0) -> dict[str, object]:
    """Return the status of the agent whose home is *home*.

    Raises:
        SilentError: no agent answers there.
        MessageError: what answered is no agent.
    """
    path = home / NAME
    data = b""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(timeout_s)
            channel.connect(str(path))
            while (part := channel.recv(65_536)) and len(data) < _LIMIT:
                data += part
    except OSError:
        raise SilentError(str(path), timeout_s) from None
    try:
        answer = json.loads(data)
    except ValueError:
        raise MessageError(f"{path}: not an agent's status") from None
    if not isinstance(answer, dict):
        raise MessageError(f"{path}: not an agent's status")
    return answer
