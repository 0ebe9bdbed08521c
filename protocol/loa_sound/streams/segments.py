"""The segments of an HLS stream, one after the other, as one run of bytes."""

from __future__ import annotations

import threading
import time
from typing import Final

from loa_protocol.errors import MessageError
from loa_sound.streams.fetching import MAX_SEGMENT, Way
from loa_sound.streams.hls import MAX_BYTES, MediaList, Segment, parse_playlist

STALLED_S: Final = 30.0  # an HLS playlist in which nothing new stands for so long is dead


class Segments:
    """A :class:`loa_sound.streams.decoding.ByteStream` out of an HLS playlist."""

    def __init__(self, url: str, way: Way, is_closed: threading.Event) -> None:
        """Begin near the live edge of the playlist at *url*; *is_closed* ends it."""
        self._url, self._way, self._is_closed = url, way, is_closed
        self._last: int | None = None
        self._init: str | None = None
        self._rest = memoryview(b"")
        self._waiting: list[Segment] = []
        self._is_over = False
        self._new_s = time.monotonic()

    def read(self, count: int, /) -> bytes:
        """Return up to *count* bytes, waiting for the next segment; none at the end.

        Raises:
            FetchError: a segment or the playlist is not there.
            MessageError: the playlist is none that is played, or nothing new comes.
        """
        while not self._rest:
            if not self._waiting and not self._look():
                return b""
            self._rest = memoryview(self._fetch(self._waiting.pop(0)))
        taken, self._rest = self._rest[:count], self._rest[count:]
        return bytes(taken)

    def _fetch(self, segment: Segment) -> bytes:
        self._last = segment.number
        data = self._way.fetch(segment.url, MAX_SEGMENT)
        if segment.init is not None and segment.init != self._init:
            self._init = segment.init
            return self._way.fetch(segment.init, MAX_SEGMENT) + data
        return data

    def _look(self) -> bool:
        """Wait for new segments; tell whether there are any."""
        while not self._is_closed.is_set() and not self._is_over:
            listed = self._listed()
            self._is_over = listed.is_over
            self._waiting = list(listed.after(self._last))
            if self._waiting:
                self._new_s = time.monotonic()
                return True
            if time.monotonic() - self._new_s > STALLED_S:
                raise MessageError("nothing new in the playlist")
            self._is_closed.wait(max(0.5, listed.target_s / 2))
        return False

    def _listed(self) -> MediaList:
        for _step in range(3):
            found = parse_playlist(self._way.fetch(self._url, MAX_BYTES), self._url)
            if isinstance(found, MediaList):
                return found
            self._url = found
        raise MessageError("playlists that lead to playlists")
