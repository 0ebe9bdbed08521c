"""A process that is ready to become a player: everything is imported, so that a start is a fork.

Importing numpy and av takes 0.3 s on a desk machine and seconds on a small board, and a player that
was killed must sound again within one. The launcher costs little: its pages are the player's.

It is talked to over the socket that is its standard input: a JSON list of the player's arguments
with two descriptors (the player's standard input and output) is answered by the player's pid. It
ends when the socket closes. It starts no thread and opens no device, so that forking is safe.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from typing import Final, NoReturn

from loa_endpoint.audio import player
from loa_endpoint.memory import settle

MAX_REQUEST: Final = 16_384


def serve(control: socket.socket) -> None:
    """Fork a player for each request, until the other side closes."""
    settle()  # so that a collection in the player does not copy every page
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, MAX_REQUEST, 2)
        _reap(wait=not data)
        if not data:
            return
        pid = os.fork()
        if pid == 0:
            control.close()
            _become_player(json.loads(data), *descriptors)  # never returns
        for descriptor in descriptors:
            os.close(descriptor)
        control.send(str(pid).encode())


def _reap(*, wait: bool) -> None:
    """Collect the players that have ended; not before, as their pids may still be killed."""
    try:
        while os.waitpid(-1, 0 if wait else os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _become_player(arguments: list[str], stdin: int, stdout: int) -> NoReturn:
    """Run the player in this forked process, and end it."""
    os.dup2(stdin, sys.stdin.fileno())
    os.dup2(stdout, sys.stdout.fileno())
    os.close(stdin)
    os.close(stdout)
    player.end_process(player.main(arguments))


def main() -> None:
    """Serve the socket on standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the agent's to answer
    control = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, sys.stdin.fileno())
    os.close(null)
    serve(control)


if __name__ == "__main__":
    main()
