"""The segments of an HLS stream, as runs of bytes that a decoder each can make sound of.

A run ends where the form may change (EXT-X-DISCONTINUITY, or another EXT-X-MAP: an advertisement,
say), and where segments were missed. RFC 8216 section 4.3.2.3 asks for a new beginning there.
"""

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
        self._last: Segment | None = None
        self._is_begun = False
        self._rest = memoryview(b"")
        self._waiting: list[Segment] = []
        self._is_over = False
        self._new_s = time.monotonic()

    def begin(self) -> bool:
        """Begin the next run; tell whether there is one, for which it waits."""
        self._is_begun = False
        return bool(self._waiting) or self._look()

    def read(self, count: int, /) -> bytes:
        """Return up to *count* bytes, waiting for the next segment; none at the end of the run.

        Raises:
            FetchError: a segment or the playlist is not there.
            MessageError: the playlist is none that is played, or nothing new comes.
        """
        while not self._rest:
            if not self._waiting and not self._look():
                return b""
            if self._is_begun and self._is_cut(self._waiting[0]):
                return b""
            self._rest = memoryview(self._fetch(self._waiting.pop(0)))
        taken, self._rest = self._rest[:count], self._rest[count:]
        return bytes(taken)

    def _is_cut(self, segment: Segment) -> bool:
        last = self._last
        return last is not None and (
            segment.is_cut or segment.init != last.init or segment.number != last.number + 1
        )

    def _fetch(self, segment: Segment) -> bytes:
        before = b""
        if segment.init is not None and not self._is_begun:
            before = self._way.fetch(segment.init, MAX_SEGMENT)
        self._last, self._is_begun = segment, True
        return before + self._way.fetch(segment.url, MAX_SEGMENT)

    def _look(self) -> bool:
        """Wait for new segments; tell whether there are any."""
        while not self._is_closed.is_set() and not self._is_over:
            listed = self._listed()
            self._is_over = listed.is_over
            self._waiting = list(listed.after(None if self._last is None else self._last.number))
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
