"""A radio station's web server: files by path, and answers that lead on."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Station(BaseHTTPRequestHandler):
    """A web server with files; what begins with /to/ leads on."""

    files: dict[str, bytes]

    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        data = self.files.get(self.path)
        self.send_response(404 if data is None else 200)
        kind = "application/vnd.apple.mpegurl" if self.path.endswith("m3u8") else "audio/mpeg"
        self.send_header("Content-Type", kind)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(data or b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def station(files: dict[str, bytes], context: ssl.SSLContext | None = None) -> Iterator[str]:
    handler = type("Handler", (Station,), {"files": files})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        scheme = "http" if context is None else "https"
        yield f"{scheme}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
