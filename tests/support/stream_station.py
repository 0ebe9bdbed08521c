"""A radio that streams over TLS at the pace of its sound, and can be made to misbehave.

It repeats a piece for ever, as an Icecast mount does: a new listener gets a burst of what is held,
and then what comes. From the outside it can fall silent, stall with an open line, or vanish.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import numpy as np

from support.sound_files import Wave, write

BIT_RATE = 64_000
STEP_S = 0.05


@dataclass
class Radio:
    """What the station sends, MP3 at a constant rate, and how it behaves just now."""

    sound: bytes
    silence: bytes
    port: int = 0
    burst_s: float = 0.0  # what a listener gets at once
    is_silent: bool = False
    is_stalled: bool = False
    is_over: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)  # under which host, each time

    @property
    def url(self) -> str:
        """Where it is heard."""
        return f"https://localhost:{self.port}/live"

    def vanish(self) -> None:
        """End every line, and refuse new ones."""
        self.is_over.set()


class _Listener(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        radio = cast("_Server", self.server).radio
        radio.asked.append(self.headers.get("Host", "").partition(":")[0])
        if radio.is_over.is_set():
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Type", "audio/mpeg")
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(OSError):
            self._stream(radio)

    def _stream(self, radio: Radio) -> None:
        began, sent = time.monotonic(), 0
        while not radio.is_over.wait(STEP_S):
            if radio.is_stalled:
                continue
            due = int((time.monotonic() - began + radio.burst_s) * BIT_RATE / 8)
            while sent < due:
                source = radio.silence if radio.is_silent else radio.sound
                at = sent % len(source)
                piece = source[at : at + due - sent]
                self.wfile.write(piece)
                sent += len(piece)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    radio: Radio

    def handle_error(self, *_: object) -> None:
        """A listener that hangs up, or trusts nobody, is no news."""


@contextlib.contextmanager
def radio_on_air(folder: Path, sound: Wave, context: ssl.SSLContext) -> Iterator[Radio]:
    """Stream *sound*, over and over, until the block ends."""
    silence = np.zeros(len(sound), dtype=np.float32)
    radio = Radio(_encode(folder, sound), _encode(folder, silence))
    server = _Server(("127.0.0.1", 0), _Listener)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    server.radio, radio.port = radio, server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield radio
    finally:
        radio.vanish()
        server.shutdown()
        thread.join()
        server.server_close()


def _encode(folder: Path, sound: Wave) -> bytes:
    """Return MP3 frames that can be cut and joined anywhere between two of them."""
    path = write(folder / "air.mp3", sound, bit_rate=BIT_RATE, write_xing=0, reservoir=0)
    return path.read_bytes()
