"""Somebody else's stream as a source: connected, decoded, asked for again when it is lost."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from loa_manager.live.fetching import MAX_SEGMENT, Body, Way
from loa_manager.live.hls import MAX_BYTES, MediaList, Segment, parse_playlist
from loa_manager.live.stream import PROBE_BYTES, Reservoir, Room, StreamError, decode_stream
from loa_manager.live.watch import BackOff
from loa_protocol.errors import ConfigError, FetchError, MessageError
from loa_protocol.language import translator
from loa_sound.blocks import Samples

_ = translator("loa_manager")

ICECAST_ROOM: Final = Room(before_s=2.0, most_s=6.0)
"""Two seconds bridge what a mobile network leaves out; a server's burst of old sound is cut."""
HLS_ROOM: Final = Room(before_s=2.0, most_s=40.0)
"""Segments come whole, up to 10 s each and three at once."""
HLS_KINDS: Final = frozenset(
    {"application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl"}
)
HLS_PROBE: Final = 128 * 1024  # segments are there at once, and MPEG-TS says late what is in it
STALLED_S: Final = 30.0  # an HLS playlist in which nothing new stands for so long is dead
_LOOK_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that a relay tells."""

    event: str  # stable: stream_open, stream_lost
    detail: str = ""
    next_try_s: float | None = None


class Upstream:
    """A :class:`loa_manager.live.source.Source` out of an address."""

    is_over = False

    def __init__(self, url: str, way: Way, room: Room | None = None) -> None:
        """Begin to fetch *url*; raises ConfigError where it may not be fetched."""
        way.check(url)
        self._url, self._way, self._asked_room = url, way, room
        self._reservoir = Reservoir(room or ICECAST_ROOM)
        self._is_closed = threading.Event()
        self._news: list[Happening] = []
        self.trouble = _("connecting")
        self._thread = threading.Thread(target=self._work, name="upstream", daemon=True)
        self._thread.start()

    def take(self, now_s: float) -> Samples:
        """Return what is due."""
        return self._reservoir.take(now_s)

    def news(self) -> list[Happening]:
        """Return what has happened since the last call."""
        told, self._news = self._news, []
        return told

    def close(self) -> None:
        """Ask no more; what is being read ends by its own limit."""
        self._is_closed.set()

    def _work(self) -> None:
        back_off = BackOff()
        while not self._is_closed.is_set():
            began_s = time.monotonic()
            why = self._play()
            delay_s = back_off.failed(random.random(), lasted_s=time.monotonic() - began_s)
            self.trouble = why
            self._news.append(Happening("stream_lost", why, round(delay_s, 1)))
            self._is_closed.wait(delay_s)

    def _play(self) -> str:
        """Play until it ends; return why it did."""
        try:
            body = self._way.open(self._url)
            with contextlib.closing(body):
                is_hls = body.kind in HLS_KINDS or ".m3u8" in self._url
                self._use(HLS_ROOM if is_hls else ICECAST_ROOM)
                if is_hls:
                    segments = _Segments(self._url, self._way, self._is_closed)
                    self._put(decode_stream(segments, probe=HLS_PROBE), ahead_s=HLS_ROOM.most_s)
                else:
                    self._put(decode_stream(_Open(body, self._is_closed), probe=PROBE_BYTES))
        except (FetchError, ConfigError, MessageError, StreamError) as error:
            return str(error)
        except OSError as error:
            return error.strerror or str(error) or type(error).__name__
        return _("the stream has ended")

    def _use(self, room: Room) -> None:
        self._reservoir = Reservoir(self._asked_room or room)

    def _put(self, sound: Iterator[Samples], *, ahead_s: float = 0.0) -> None:
        """Fill the reservoir; where *ahead_s* is given, wait while so much is held."""
        is_told = False
        for samples in sound:
            if not is_told:
                is_told, self.trouble = True, ""
                self._news.append(Happening("stream_open", self._url))
            self._reservoir.put(samples)
            while ahead_s and self._reservoir.held_s > ahead_s / 2:
                if self._is_closed.wait(_LOOK_S):
                    return


@dataclass(slots=True)
class _Open:
    """A body that ends when nobody wants it any more."""

    body: Body
    is_closed: threading.Event

    def read(self, count: int) -> bytes:
        return b"" if self.is_closed.is_set() else self.body.read(count)


class _Segments:
    """The segments of an HLS stream, one after the other, as one run of bytes."""

    def __init__(self, url: str, way: Way, is_closed: threading.Event) -> None:
        self._url, self._way, self._is_closed = url, way, is_closed
        self._last: int | None = None
        self._init: str | None = None
        self._rest = memoryview(b"")
        self._waiting: list[Segment] = []
        self._is_over = False
        self._new_s = time.monotonic()

    def read(self, count: int) -> bytes:
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
