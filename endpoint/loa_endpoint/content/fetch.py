"""HTTPS from servers that nobody trusts: bounded in bytes and in time, no redirects followed.

Plain HTTP where the address says so, which only one in the local network may (`core/address.py`).

One thread with one kept connection for each server: what TLS costs is paid once. The thread is
never waited for beyond a request's time limit: its connection is shut down under it.

TLS itself comes from the wiring (contexts of ``uplink/tls.py``).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, TypeVar

from loa_endpoint.core.address import Address
from loa_endpoint.core.want import STALL_S, Limit
from loa_protocol.errors import FetchError

DEFAULT_PORT: Final = 443
_CHUNK: Final = 65_536
_REUSE_S: Final = 55.0  # servers commonly end quiet connections after a minute
_Result = TypeVar("_Result")


class Sink(Protocol):
    """Where a body goes, piece by piece, in the fetching thread."""

    @property
    def offset(self) -> int:
        """How many bytes of the file are there already."""

    def write(self, data: bytes) -> None:
        """Take the next bytes; may raise StoreError."""

    def restart(self) -> None:
        """Forget all bytes: the server begins at the first."""


@dataclass
class Memory:
    """A sink in memory."""

    data: bytearray = field(default_factory=bytearray)

    @property
    def offset(self) -> int:
        """Always from the start."""
        return 0

    def write(self, data: bytes) -> None:
        """Append."""
        self.data += data

    def restart(self) -> None:
        """Begin anew."""
        self.data.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to ask for; *path* begins with a slash."""

    address: Address
    path: str
    limit: Limit
    method: str = "GET"
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The whole of it, as errors name it."""
        return f"{self.address.origin}{self.address.path}{self.path}"


class Trip(NamedTuple):
    """When a question left and when its answer began to come, monotonic ms.

    Taken in the fetching thread: a busy event loop makes neither later.
    """

    asked_ms: int
    answered_ms: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: 200, 206 or 304, the body where it went to memory, and the entity tag."""

    status: int
    body: bytes
    etag: str
    trip: Trip | None = None  # None where it came over no line


class Fetcher:
    """Fetches one thing at a time; its methods belong to the event loop's thread."""

    def __init__(self, context: Callable[[Address], ssl.SSLContext]) -> None:
        """Ask *context* anew for each connection."""
        self._context = context
        self._pool = concurrent.futures.ThreadPoolExecutor(1, "fetch")
        self._lines: dict[tuple[str, bool], _Line] = {}

    async def fetch(self, request: Request, sink: Sink | None = None) -> Answer:
        """Carry out *request*; the body goes to *sink*, or into the answer without one.

        Raises:
            FetchError: nothing acceptable came; ``status`` is 0 where there was no answer.
            StoreError: the sink could not keep it.
        """
        line = self._line(request)
        return await self._within(request, line, lambda: _fetch(line, request, sink))

    async def connect(self, request: Request) -> None:
        """Open the connection for *request*, so that its round trip is one of the line alone.

        Raises:
            FetchError: the server cannot be reached or trusted.
        """
        line = self._line(request)
        await self._within(request, line, lambda: _connect(line, request))

    def close(self) -> None:
        """End all connections and the thread."""
        for line in self._lines.values():
            line.abandon()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _line(self, request: Request) -> _Line:
        place = _place(request)
        if place not in self._lines:
            self._lines[place] = _Line(request.address, self._context)
        return self._lines[place]

    async def _within(self, request: Request, line: _Line, work: Callable[[], _Result]) -> _Result:
        """Run *work* in the thread; shut its connection down when the time is over."""
        running = asyncio.get_running_loop().run_in_executor(self._pool, work)
        try:
            async with asyncio.timeout(request.limit.seconds):
                return await asyncio.shield(running)
        except TimeoutError:
            why = f"not done after {request.limit.seconds:g} s"
            raise FetchError(request.url, 0, why) from None
        finally:
            if not running.done():
                running.cancel()  # where it has not begun; nobody waits for its end in any case
                line.abandon()
                self._lines.pop(_place(request), None)


def _place(request: Request) -> tuple[str, bool]:
    """Return by what a kept connection is known: whom it proved itself to counts."""
    return request.address.origin, request.address.uses_system_roots


class _Line:
    """The kept connection to one server."""

    def __init__(self, address: Address, context: Callable[[Address], ssl.SSLContext]) -> None:
        self.is_abandoned = False
        self._address, self._context = address, context
        self._connection: http.client.HTTPConnection | None = None
        self._socket: socket.socket | None = None  # also where http.client has let go of it
        self._used_at = 0.0

    def ask(self, request: Request, offset: int) -> tuple[http.client.HTTPResponse, Trip]:
        """Send *request*; return the head of the answer, and how long it took to come."""
        headers = {"User-Agent": "loa-endpoint", **request.headers}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        is_fresh = False
        while True:
            is_fresh = self.open() or is_fresh
            assert self._connection is not None
            asked_ms = _now_ms()
            try:
                path = f"{request.address.path}{request.path}"
                self._connection.request(request.method, path, request.body, headers)
                response = self._connection.getresponse()
            except (ConnectionError, http.client.BadStatusLine, ssl.SSLError):
                self.close()
                if is_fresh:
                    raise  # a kept one may have ended while nobody looked: then a new one is tried
            else:
                self._used_at = time.monotonic()
                return response, Trip(asked_ms, _now_ms())

    def open(self) -> bool:
        """Connect, unless a connection is there; return whether it is new."""
        if self._connection is not None and time.monotonic() - self._used_at > _REUSE_S:
            self.close()
        if self._connection is not None and self._connection.sock is not None:
            return False
        self._connection = self._made()
        self._check_wanted()
        self._connection.connect()
        self._socket = self._connection.sock
        self._check_wanted()  # it may have been abandoned before there was anything to shut down
        self._used_at = time.monotonic()
        return True

    def _made(self) -> http.client.HTTPConnection:
        host, port = self._address.host, self._address.port
        if self._address.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=STALL_S)
        context = self._context(self._address)
        return http.client.HTTPSConnection(host, port, timeout=STALL_S, context=context)

    def abandon(self) -> None:
        """End the connection under whoever reads it, from any thread, for good."""
        self.is_abandoned = True
        connection = self._connection
        line = self._socket or (connection.sock if connection is not None else None)
        if line is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(line, socket.SHUT_RDWR)  # past TLS: no state is touched

    def close(self) -> None:
        """Let go of the connection, in the fetching thread."""
        connection, self._connection, self._socket = self._connection, None, None
        if connection is not None:
            connection.close()

    def _check_wanted(self) -> None:
        if self.is_abandoned:
            raise ConnectionAbortedError("given up")


def _connect(line: _Line, request: Request) -> None:
    try:
        line.open()
    except _FAILURES as error:
        line.close()
        raise _fetch_error(request, error) from error


def _fetch(line: _Line, request: Request, sink: Sink | None) -> Answer:
    memory = Memory()
    sink = sink or memory
    try:
        response, trip = line.ask(request, sink.offset)
        _check(request, response, sink)
        _read(request, response, sink)
        response.close()  # the answer, not the connection
    except _AbsentError as error:
        raise FetchError(request.url, error.status) from None
    except _FAILURES as error:
        line.close()
        raise _fetch_error(request, error) from error
    except BaseException:
        line.close()  # its answer was not read to the end
        raise
    return Answer(response.status, bytes(memory.data), response.getheader("ETag") or "", trip)


_FAILURES: Final = (http.client.HTTPException, OSError, ValueError)


class _AbsentError(Exception):
    """The server has no such file; the connection is good for the next."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def _fetch_error(request: Request, error: Exception) -> FetchError:
    return FetchError(request.url, 0, str(error) or type(error).__name__)


def _check(request: Request, response: http.client.HTTPResponse, sink: Sink) -> None:
    """Refuse an answer by its head; see that the sink fits it."""
    status, url = response.status, request.url
    if status == http.client.NOT_MODIFIED:
        return
    if 300 <= status < 400:
        raise FetchError(url, status, "redirects are not followed")
    if status == http.client.PARTIAL_CONTENT:
        said = response.getheader("Content-Range") or ""
        if not sink.offset or not said.startswith(f"bytes {sink.offset}-"):
            raise FetchError(url, status, f"another part than was asked for: {said:.60}")
    elif status == http.client.OK:
        if sink.offset:
            sink.restart()
    elif status == http.client.NOT_FOUND and len(response.read(_CHUNK)) < _CHUNK:
        response.close()
        raise _AbsentError(status)
    else:
        if status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            sink.restart()  # what is there is longer than the server's file
        raise FetchError(url, status)
    length = response.length
    if length is not None and length > request.limit.bytes - sink.offset:
        raise FetchError(url, status, f"longer than {request.limit.bytes} bytes")


def _read(request: Request, response: http.client.HTTPResponse, sink: Sink) -> None:
    room = request.limit.bytes - sink.offset
    while data := response.read1(min(_CHUNK, room + 1)):
        room -= len(data)
        if room < 0:
            raise FetchError(request.url, response.status, f"more than {request.limit.bytes} bytes")
        sink.write(data)
    if response.length:
        raise FetchError(request.url, response.status, f"cut short by {response.length} bytes")


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000
