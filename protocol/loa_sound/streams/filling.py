"""One connection to somebody's stream, decoded into a reservoir until it ends."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from loa_protocol.errors import ConfigError, FetchError, MessageError
from loa_protocol.language import translator
from loa_sound.blocks import Samples
from loa_sound.streams.decoding import PROBE_BYTES, ByteStream, StreamError, decode_stream
from loa_sound.streams.fetching import Way
from loa_sound.streams.reservoir import Reservoir, Room
from loa_sound.streams.segments import Segments

_ = translator("loa_protocol")

ICECAST_ROOM: Final = Room(before_s=2.0, most_s=6.0)
"""Two seconds bridge what a mobile network leaves out; a server's burst of old sound is cut."""
HLS_ROOM: Final = Room(before_s=2.0, most_s=40.0)
"""Segments come whole, up to 10 s each and three at once."""
HLS_KINDS: Final = frozenset(
    {"application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl"}
)
HLS_PROBE: Final = 128 * 1024  # segments are there at once, and MPEG-TS says late what is in it
_LOOK_S: Final = 0.1


class Filling:
    """What fills a reservoir from an address, once; who wants it again makes another.

    Attributes:
        reservoir: Where the sound is; another one as soon as the kind of the stream is known.
        received_s: Monotonic seconds of the last bytes that came.
    """

    def __init__(
        self, url: str, way: Way, is_closed: threading.Event, room: Room | None = None
    ) -> None:
        """Fill from *url*; *room* in place of the one that fits its kind; *is_closed* ends it."""
        self._url, self._way, self._is_closed, self._asked_room = url, way, is_closed, room
        self.reservoir = Reservoir(room or ICECAST_ROOM)
        self.received_s = time.monotonic()

    def run(self, on_open: Callable[[], None] = lambda: None) -> str:
        """Fill until it ends, in the caller's thread; return why it did.

        Args:
            on_open: Called when the first sound is there.
        """
        try:
            body = self._way.open(self._url)
            with contextlib.closing(body):
                is_hls = body.kind in HLS_KINDS or ".m3u8" in self._url
                self.reservoir = Reservoir(
                    self._asked_room or (HLS_ROOM if is_hls else ICECAST_ROOM)
                )
                if is_hls:
                    segments = Segments(self._url, self._way, self._is_closed)
                    self._put(self._runs(segments), on_open, ahead_s=HLS_ROOM.most_s)
                else:
                    sound = decode_stream(self._counted(body), probe=PROBE_BYTES)
                    self._put(sound, on_open)
        except (FetchError, ConfigError, MessageError, StreamError) as error:
            return str(error)
        except OSError as error:
            return error.strerror or str(error) or type(error).__name__
        return _("the stream has ended")

    def _runs(self, segments: Segments) -> Iterator[Samples]:
        while segments.begin():
            yield from decode_stream(self._counted(segments), probe=HLS_PROBE)

    def _counted(self, body: ByteStream) -> _Counted:
        return _Counted(body, self, self._is_closed)

    def _put(
        self, sound: Iterator[Samples], on_open: Callable[[], None], *, ahead_s: float = 0.0
    ) -> None:
        """Fill the reservoir; where *ahead_s* is given, wait while so much is held."""
        is_told = False
        for samples in sound:
            if not is_told:
                is_told = True
                on_open()
            self.reservoir.put(samples)
            while ahead_s and self.reservoir.held_s > ahead_s / 2:
                if self._is_closed.wait(_LOOK_S):
                    return


@dataclass(slots=True)
class _Counted:
    """Bytes that end when nobody wants them any more, and are noted as they come."""

    body: ByteStream
    filling: Filling
    is_closed: threading.Event

    def read(self, count: int, /) -> bytes:
        if self.is_closed.is_set():
            return b""
        data = self.body.read(count)
        self.filling.received_s = time.monotonic()
        return data
