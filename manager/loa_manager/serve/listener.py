"""The HTTPS listener: TLS 1.3, an optional client certificate, and no patience with dawdlers.

uvicorn serves the requests, but hands no client certificate on and lets a connection dawdle; both
are added here, in a subclass of its h11 protocol (see the decision record on client certificates).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Generator, MutableMapping
from functools import partial
from typing import Any, Final, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from loa_manager.serve.gate import Gate
from loa_manager.serve.message_plane import ServerTls
from loa_protocol.errors import ConfigError

PEER: Final = "loa.peer"  # key of the scope's state: DER of the client certificate, or None
REQUEST_S: Final = 15.0  # from the first byte (or the handshake) to the end of a request
IDLE_S: Final = 75.0  # a board that polls every 30 s keeps its connection
STALLED_S: Final = 60.0  # without 48 KiB read by the client: below 0.8 kB/s it is cut
MAX_HEADER: Final = 16 * 1024
MAX_CONNECTIONS: Final = 2000  # about 0.3 MB each in asyncio's TLS
STOP_S: Final = 5
_WRITE_BUFFER: Final = 64 * 1024


def peer_certificate(scope: MutableMapping[str, Any]) -> bytes | None:
    """Return the client certificate (DER) that the TLS layer of this connection has verified."""
    return cast("bytes | None", scope["state"].get(PEER))


class PeerProtocol(H11Protocol):
    """uvicorn's protocol, which also knows its peer and cuts who dawdles."""

    _deadline: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None
    _idle_since: float = 0.0
    _is_cut: bool = False

    def __init__(self, *given: Any, entered: Callable[[int], None], **named: Any) -> None:  # noqa: ANN401 - uvicorn's own
        """Begin a connection; *entered* is told its descriptor when the handshake is over."""
        super().__init__(*given, **named)
        self._entered = entered

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        """Take the verified certificate from the TLS layer, before any byte of a request."""
        self._entered(transport.get_extra_info("socket").fileno())
        super().connection_made(transport)
        secured = transport.get_extra_info("ssl_object")
        # each request gets a copy of this state, so nothing a client sends can put it there
        self.app_state = {**self.app_state, PEER: secured.getpeercert(binary_form=True)}
        transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        self._idle_since = self.loop.time()
        self._await_request()
        if len(self.connections) > MAX_CONNECTIONS:
            self._make_room()

    def on_response_complete(self) -> None:
        """Count idleness from the end of an answer."""
        self._idle_since = self.loop.time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        self._disarm()
        self._let_go()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Give a request that begins a deadline, and lift it once the request is complete."""
        if self._deadline is None and not self._is_answering():
            self._await_request()
        super().data_received(data)
        if self._is_answering() and not self.cycle.more_body:
            self._disarm()

    def pause_writing(self) -> None:
        """Give the client time to read."""
        super().pause_writing()
        self._stall = self._stall or self.loop.call_later(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read."""
        self._let_go()
        super().resume_writing()

    def _make_room(self) -> None:
        """Cut who has been idle longest: whoever hoards connections loses them to who asks.

        Strangers go before boards. With everybody being answered it is the newcomer who goes.
        """
        others = [each for each in self.connections if isinstance(each, PeerProtocol)]
        idle = [each for each in others if not (each._is_cut or each._is_answering())]
        oldest = min(idle, key=lambda each: (each._is_known, each._idle_since), default=self)
        oldest._is_cut = True
        oldest.transport.abort()

    @property
    def _is_known(self) -> bool:
        return self.app_state[PEER] is not None

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_request(self) -> None:
        self._deadline = self.loop.call_later(REQUEST_S, self.transport.abort)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _let_go(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_open = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say when the listener is open."""
        await super().startup(sockets)
        self.is_open.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals to the process that we are a part of."""
        yield


class Listener:
    """One HTTPS listener around an application."""

    def __init__(self, app: ASGIApp, tls: ServerTls, host: str, port: int) -> None:
        """Take the port, answer nobody yet.

        Raises:
            ConfigError: the port is taken or not allowed; the text says which.
        """
        self._socket = Gate(_bind(host, port))
        context = tls.server_context()
        config = uvicorn.Config(
            app,
            # a class to uvicorn; each connection of this listener goes through its gate
            http=cast(
                "type[asyncio.Protocol]", partial(PeerProtocol, entered=self._socket.entered)
            ),
            ws="none",
            lifespan="off",
            loop="asyncio",
            interface="asgi3",
            ssl_context_factory=lambda _config, _default: context,
            log_config=None,
            access_log=False,
            proxy_headers=False,  # nobody in between is believed
            server_header=False,
            h11_max_incomplete_event_size=MAX_HEADER,
            timeout_keep_alive=int(IDLE_S),
            timeout_graceful_shutdown=STOP_S,
            backlog=1024,
        )
        self._server = _Server(config)

    @property
    def port(self) -> int:
        """The port we listen on."""
        return int(self._socket.getsockname()[1])

    async def run(self, ready: asyncio.Event) -> None:
        """Serve until cancelled; then let requests under way end within STOP_S."""
        serving = asyncio.create_task(self._server.serve([self._socket]))
        try:
            await self._server.is_open.wait()
            ready.set()
            await asyncio.shield(serving)
        finally:
            self._server.should_exit = True
            await serving


def _bind(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        both = host == "::"  # as the broker does
        return socket.create_server((host, port), family=family, backlog=1024, dualstack_ipv6=both)
    except OSError as error:
        raise ConfigError(f"{host}:{port}", [error.strerror or str(error)]) from None
