"""A real HTTPS server whose every answer a test can spoil."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

from support.tls_lab import Authority, Issued, server_context


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    client: str  # common name of the client's certificate


_numbers = itertools.count(1)  # of connections; an address in memory may come again
Trick = Callable[["Handler"], None]
Post = Callable[[Asked], tuple[int, bytes]]


@dataclass
class WebServer:
    """Serves *files* by path, unless a trick is set for the path."""

    port: int
    authority: Authority
    files: dict[str, bytes] = field(default_factory=dict)
    tricks: dict[str, Trick] = field(default_factory=dict)
    posts: dict[str, Post] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        """Where it is."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        """The paths asked for, in order."""
        return [each.path for each in self.asked]

    @property
    def connections(self) -> int:
        """How many connections asked for something."""
        return len({each.connection for each in self.asked})


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    timeout = 20
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """Begin a connection."""
        self.number = next(_numbers)
        super().setup()

    @property
    def site(self) -> WebServer:
        """What it serves."""
        return cast("_Server", self.server).site

    def do_GET(self) -> None:
        self._note(b"")
        trick = self.site.tricks.get(self.path)
        if trick is not None:
            with contextlib.suppress(OSError):
                trick(self)
            return
        content = self.site.files.get(self.path)
        if content is None:
            self.answer(404, b"not here")
        else:
            self.serve(content)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = self._note(body)
        post = self.site.posts.get(self.path)
        self.answer(*(post(asked) if post is not None else (404, b"")))

    def serve(self, content: bytes) -> None:
        """Answer as an honest static server does: entity tag, range."""
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        if self.headers.get("If-None-Match") == tag:
            self.answer(304, b"", tag)
            return
        asked = self.headers.get("Range")
        if asked is None:
            self.answer(200, content, tag)
            return
        first = int(asked.removeprefix("bytes=").rstrip("-"))
        if first >= len(content):
            self.answer(416, b"")
            return
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.finish_headers(content[first:], tag)

    def answer(self, status: int, body: bytes, tag: str = "") -> None:
        """Send a whole answer."""
        self.send_response(status)
        self.finish_headers(body, tag)

    def finish_headers(self, body: bytes, tag: str) -> None:
        """Send the length, the tag and the body."""
        self.send_header("Content-Length", str(len(body)))
        if tag:
            self.send_header("ETag", tag)
        self.end_headers()
        self.wfile.write(body)

    def drip(self, pieces: Iterator[bytes], pause_s: float) -> None:
        """Send bytes slowly, for as long as the client listens and the test runs."""
        with contextlib.suppress(OSError):
            for piece in pieces:
                self.wfile.write(piece)
                self.wfile.flush()
                if self.site.stopping.wait(pause_s):
                    break
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def _note(self, body: bytes) -> Asked:
        certificate = cast("ssl.SSLSocket", self.connection).getpeercert() or {}
        subject = cast("tuple[tuple[tuple[str, str]]]", certificate.get("subject", ()))
        names = [value for ((_, value),) in subject]
        asked = Asked(
            method=self.command,
            path=self.path,
            headers=dict(self.headers),
            body=body,
            connection=self.number,
            client=names[0] if names else "",
        )
        self.site.asked.append(asked)
        return asked


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    site: WebServer

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is nothing to tell about."""


@contextlib.contextmanager
def web_server(
    folder: Path,
    authority: Authority,
    *,
    issued: Issued | None = None,
    wants_client: bool = False,
    port: int = 0,
) -> Iterator[WebServer]:
    """Run a server; with *wants_client* it asks for a certificate, and takes none for an answer."""
    context: ssl.SSLContext = server_context(
        folder,
        issued or authority.server(),
        clients=authority if wants_client else None,
        required=False,
    )
    server = _Server(("127.0.0.1", port), Handler)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    site = WebServer(server.server_address[1], authority)
    server.site = site
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        site.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
