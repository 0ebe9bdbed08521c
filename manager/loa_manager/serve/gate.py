"""A listening socket that bounds those who have come and not yet said a word of TLS.

Each costs 0.3 MB in asyncio before anything is known of them, and for a minute: without a bound,
whoever merely connects could take the server's memory.
"""

from __future__ import annotations

import contextlib
import resource
import socket
from typing import Any, Final

MAX_OPENING: Final = 500  # in the handshake at once; a bad 3G link takes about three seconds

FILES: Final = 65_536  # as the systemd unit allows


def allow_files(wanted: int = FILES) -> None:
    """Let this process open *wanted* files, where its hard limit does.

    A shell's usual 1,024 are fewer than the connections that we take, and who runs out of files
    cannot read its own either.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class Gate(socket.socket):
    """The socket that clients come through. Where too many are on their way in, the first goes."""

    def __init__(self, listening: socket.socket) -> None:
        """Take over *listening*, which is of no use to others from then on."""
        family, kind, proto = listening.family, listening.type, listening.proto
        super().__init__(family, kind, proto, fileno=listening.detach())
        self._opening: dict[int, socket.socket] = {}  # by descriptor, the oldest first

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept one connection; where it is one too many, shut the oldest."""
        connection, address = super().accept()
        self._opening.pop(connection.fileno(), None)  # of one that was closed since
        self._opening[connection.fileno()] = connection
        if len(self._opening) > MAX_OPENING:
            self._make_room()
        return connection, address

    def entered(self, descriptor: int) -> None:
        """Note that the connection has finished its handshake."""
        self._opening.pop(descriptor, None)

    def _make_room(self) -> None:
        self._opening = {fd: each for fd, each in self._opening.items() if each.fileno() == fd}
        while len(self._opening) > MAX_OPENING:
            oldest = self._opening.pop(next(iter(self._opening)))
            with contextlib.suppress(OSError):  # it went by itself
                oldest.shutdown(socket.SHUT_RDWR)  # asyncio sees its end, and lets go of it
