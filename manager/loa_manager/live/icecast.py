"""A small server on loopback that takes what an encoder sends to an Icecast server.

ffmpeg, butt and their like stream to it as they would to a radio's server. It listens on this
machine only, one encoder at a time, and its password is made anew each time it starts.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import socket
from collections.abc import Callable
from threading import Thread
from typing import Final

from loa_manager.live.request_head import END, MAX_HEAD, SourceHead, parse_head
from loa_protocol.errors import ConfigError, MessageError
from loa_protocol.language import translator
from loa_sound.blocks import Samples
from loa_sound.streams.decoding import StreamError, decode_stream
from loa_sound.streams.reservoir import Reservoir, Room

_ = translator("loa_manager")

LOOPBACK: Final = "127.0.0.1"
HEAD_S: Final = 5.0  # for the head of a request
SILENT_S: Final = 10.0  # without a byte: the encoder is gone
ROOM: Final = Room(before_s=0.2, most_s=2.0)
"""What jitters on one machine is little; an encoder that is ahead by more is brought back."""
_MOST_LINE: Final = 64
_HEX: Final = re.compile(rb"[0-9a-fA-F]{1,8}")
_REFUSED: Final = (
    b"HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm=loa\r\nContent-Length: 0\r\n\r\n"
)
_BUSY: Final = b"HTTP/1.0 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
_TAKEN: Final = b"HTTP/1.0 200 OK\r\n\r\n"
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class IcecastSource:
    """Sound from the encoder that is connected, if one is."""

    is_over = False

    def __init__(self, port: int, mount: str) -> None:
        """Listen on *port* of loopback (0: any) for *mount*.

        Raises:
            ConfigError: the port is taken.
        """
        try:
            self._server = socket.create_server((LOOPBACK, port), backlog=2)
        except OSError as error:
            raise ConfigError(f"{LOOPBACK}:{port}", [error.strerror or str(error)]) from None
        self._mount = mount
        self.password = secrets.token_urlsafe(9)
        self._reservoir = Reservoir(ROOM)
        self._encoder: socket.socket | None = None
        self._trouble = ""
        Thread(target=self._accept, name="icecast", daemon=True).start()

    @property
    def address(self) -> str:
        """What the encoder is told: user, password, host, port and mount."""
        port = self._server.getsockname()[1]
        return f"icecast://source:{self.password}@{LOOPBACK}:{port}{self._mount}"

    @property
    def trouble(self) -> str:
        """What is wrong: no encoder, or one that sends no sound."""
        return self._trouble or ("" if self._encoder is not None else _("no encoder is connected"))

    def take(self, now_s: float) -> Samples:
        """Return what is due."""
        return self._reservoir.take(now_s)

    def close(self) -> None:
        """Listen no more, and let the encoder go."""
        for each in (self._server, self._encoder):
            if each is not None:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed: that is the end
            while True:
                line, _address = self._server.accept()
                Thread(target=self._serve, args=(line,), name="encoder", daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with line:
            try:
                line.settimeout(HEAD_S)
                head, rest = _read_head(line)
                if not self._let_in(line, head):
                    return
                line.settimeout(SILENT_S)
                self._play(_Body(line, rest, is_chunked=head.is_chunked))
            except (OSError, MessageError):
                return
            finally:
                if self._encoder is line:
                    self._encoder = None

    def _let_in(self, line: socket.socket, head: SourceHead) -> bool:
        if not head.is_let_in(self._mount, self.password):
            line.sendall(_REFUSED)
            return False
        if self._encoder is not None:
            line.sendall(_BUSY)
            return False
        self._encoder, self._trouble = line, ""
        line.sendall(_CONTINUE if head.waits else _TAKEN)
        return True

    def _play(self, body: _Body) -> None:
        self._reservoir.clear()
        try:
            for samples in decode_stream(body):
                self._reservoir.put(samples)
        except StreamError as error:
            self._trouble = str(error)


class _Body:
    """What follows the head, without HTTP's chunks where it comes in them."""

    def __init__(self, line: socket.socket, rest: bytes, *, is_chunked: bool) -> None:
        self._line, self._rest = line, rest
        self._left = 0  # of the chunk at hand
        self.read: Callable[[int], bytes] = self._read_chunked if is_chunked else self._read_plain

    def _read_plain(self, count: int) -> bytes:
        if self._rest:
            taken, self._rest = self._rest[:count], self._rest[count:]
            return taken
        return self._line.recv(count)

    def _read_chunked(self, count: int) -> bytes:
        if not self._left:
            size = self._size_line()
            if not size:
                return b""
            self._left = size
        taken = self._read_plain(min(count, self._left))
        self._left -= len(taken)
        if not self._left:
            self._size_line(is_end=True)
        return taken

    def _size_line(self, *, is_end: bool = False) -> int:
        line = b""
        while not line.endswith(b"\r\n"):
            byte = self._read_plain(1)
            if not byte or len(line) > _MOST_LINE:
                return 0
            line += byte
        if is_end:
            return 0
        text = line.split(b";")[0].strip()
        return int(text, 16) if _HEX.fullmatch(text) else 0


def _read_head(line: socket.socket) -> tuple[SourceHead, bytes]:
    data = b""
    while END not in data:
        more = line.recv(2048)
        if not more or len(data) > MAX_HEAD:
            raise MessageError("no head of a request")
        data += more
    head, _end, rest = data.partition(END)
    return parse_head(head + END), rest
