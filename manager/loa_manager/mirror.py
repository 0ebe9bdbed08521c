"""A carried content tree over plain HTTP, for the boards of one local network.

Read only, and only files of the tree's own forms. What it serves is signed or named by hash; who
serves it decides nothing but whether it comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from loa_manager.serve.content_route import locate, serve_content
from loa_protocol.errors import ConfigError

_MOST_AT_ONCE: Final = 200
_IDLE_S: Final = 75
_STOP_S: Final = 5


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals to the command."""
        yield


class Mirror:
    """One folder on one port."""

    def __init__(self, root: Path, host: str, port: int) -> None:
        """Take the port; answer nobody yet.

        Raises:
            ConfigError: the port is taken or not allowed.
        """
        self._root = root.resolve()
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._socket = socket.create_server((host, port), family=family)
        except OSError as error:
            raise ConfigError(f"{host}:{port}", [error.strerror or str(error)]) from None
        config = uvicorn.Config(
            Starlette(routes=[Route("/{path:path}", self._answer)]),
            http="h11",
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=_MOST_AT_ONCE,
            timeout_keep_alive=_IDLE_S,
            timeout_graceful_shutdown=_STOP_S,
        )
        self._server = _Server(config)

    @property
    def port(self) -> int:
        """The port we listen on."""
        return int(self._socket.getsockname()[1])

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until *stop* is set."""
        serving = asyncio.create_task(self._server.serve([self._socket]))
        await stop.wait()
        self._server.should_exit = True
        await serving

    async def _answer(self, request: Request) -> Response:
        place = locate(request.path_params["path"])
        # a link on a stick could lead to any file of this machine
        if place is None or not (self._root / place.path).resolve().is_relative_to(self._root):
            raise HTTPException(404, "not_here")
        return serve_content(self._root, request)
