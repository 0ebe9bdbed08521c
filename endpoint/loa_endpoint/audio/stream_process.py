"""Somebody's stream, fetched and decoded by a small process of its own.

    python -m loa_endpoint.audio.stream_process https://radio.example.vn/live [DESCRIPTOR]

What strangers send is read here, in a process that is given no key and no way to the agent, may
hold little memory, and reads and writes no file but programs and certificates, which the kernel
sees to where it has Landlock. It believes the system's certificates (those of OpenSSL's
``SSL_CERT_FILE`` where that is set), and asks no other host than the one that it was given. It
writes raw signed 16-bit samples, mono at 48 kHz, to its standard output at the clock's pace, and
lines of :class:`loa_endpoint.audio.stream_words.StreamWords` to DESCRIPTOR. It ends when nobody
reads it, and a moment after the stream: what it holds by then still sounds.
"""

from __future__ import annotations

import os
import resource
import select
import sys
import threading
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from loa_endpoint.audio.child import end_with_parent
from loa_endpoint.audio.confinement import confine, may_read
from loa_endpoint.audio.stream_words import BYTES, END, NO_BYTES
from loa_protocol.errors import ConfigError, MessageError
from loa_protocol.language import choose_language
from loa_protocol.stream_url import stream_host
from loa_sound.pcm import to_pcm
from loa_sound.streams.fetching import Way
from loa_sound.streams.filling import Filling

STEP_S: Final = 0.02
QUIET_S: Final = 1.0
"""Nothing for a second, and bytes are said to come no more."""
PLENTY_S: Final = 6.0
"""But not while so much is held: segments of HLS come whole, seconds apart."""
MEMORY: Final = 256 << 20
"""Bytes of data: it takes about 60 MB, and what a stranger sends must not take the board's."""


@dataclass(slots=True)
class Copy:
    """One stream on its way from an address to a descriptor."""

    filling: Filling
    samples: int  # the descriptor of the samples
    words: int  # and of what is said about them; negative: nobody wants to know
    why: str = ""  # the stream ended
    _receives: bool = False

    def run(self) -> None:
        """Write until the stream is over and has sounded.

        Raises:
            OSError: nobody reads it any more.
        """
        threading.Thread(target=self._fill, name="stream", daemon=True).start()
        reader = select.poll()
        reader.register(self.samples, 0)  # only what is reported always: that it hung up
        while not reader.poll(0):
            now_s, why = time.monotonic(), self.why
            taken = self.filling.reservoir.take(now_s)
            if len(taken):
                _write(self.samples, to_pcm(taken))
            self._tell_flow(now_s)
            if why and not len(taken):
                self._say(f"{END} {' '.join(why.split())[:300]}")
                return
            time.sleep(STEP_S)

    def _fill(self) -> None:
        try:
            self.why = self.filling.run() or "over"
        except MemoryError:
            self.why = "it takes too much memory"

    def _tell_flow(self, now_s: float) -> None:
        filling = self.filling
        is_fresh = now_s - filling.received_s < QUIET_S
        receives = not self.why and (is_fresh or filling.reservoir.held_s >= PLENTY_S)
        if receives != self._receives:
            self._receives = receives
            self._say(BYTES if receives else NO_BYTES)

    def _say(self, line: str) -> None:
        if self.words >= 0:
            _write(self.words, line.encode() + b"\n")


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _give_up_what_is_not_needed(url: str) -> None:
    end_with_parent()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # pipes are no files
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    confine(may_read(), [urlsplit(url).port or 443])


def main(arguments: list[str]) -> int:
    """Run the process."""
    choose_language("en")  # what it says goes into records
    url, words = arguments[0], int(arguments[1]) if len(arguments) > 1 else -1
    try:
        host = stream_host(url)
        _give_up_what_is_not_needed(url)
        way = Way.by(None, takes_plain=False, hosts=frozenset({host}))
        Copy(Filling(url, way, threading.Event()), 1, words).run()
    except (ConfigError, MessageError, OSError):
        return 1
    return 0


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # a thread may wait for a server, and need not be waited for
