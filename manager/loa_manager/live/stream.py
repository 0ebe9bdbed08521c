"""A stream of bytes that somebody else sends into samples: MP3, AAC or Ogg, as it comes.

FFmpeg sees the bytes that are read here and opens nothing by itself: whoever sends a stream that
calls itself a playlist gets nothing fetched. What is decoded waits in a reservoir, from which sound
is taken at the clock's pace; so bursts become sound in time, and a gap shorter than what is held is
not heard.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Final, Protocol

import av
import numpy as np

from loa_manager.live.played import Due
from loa_protocol.errors import FormatError
from loa_sound.blocks import RATE, Samples
from loa_sound.resampler import Resampler, bound

PROBE_BYTES: Final = 4096
"""So little is looked at before it sounds: 41 ms of delay, where FFmpeg's own figure costs 2 s."""
MAX_CHANNELS: Final = 8
MOST_BAD: Final = 25  # packets in a row that do not decode: half a second
_OPTIONS: Final = {
    "format_whitelist": "mp3,ogg,aac,mpegts,mov",
    "codec_whitelist": "mp3float,mp3,aac,opus,vorbis,flac",
    "protocol_whitelist": "pipe",
}
_AT_ONCE: Final = {"fflags": "nobuffer"}  # what was looked at to begin with is not played


class StreamError(FormatError):
    """What comes is no sound that Loa plays; the text says why."""


class ByteStream(Protocol):
    """Bytes that come as they come."""

    def read(self, count: int, /) -> bytes:
        """Return up to *count* bytes, waiting for the first; none at the end.

        Raises:
            OSError: the connection is lost, or silent for too long.
        """


def decode_stream(stream: ByteStream, *, probe: int = PROBE_BYTES) -> Iterator[Samples]:
    """Give the sound in *stream*, mono at 48 kHz, as it arrives; ends where the stream does.

    Raises:
        StreamError: it is no sound that Loa plays, or stops being any.
        OSError: as the stream's own ``read``.
    """
    options = {**_OPTIONS, **(_AT_ONCE if probe == PROBE_BYTES else {}), "probesize": str(probe)}
    try:
        with av.open(stream, mode="r", options=options, metadata_errors="ignore") as container:
            yield from _decode(container)
    except av.error.EOFError:
        return
    except av.error.FFmpegError as error:
        if isinstance(error, (ConnectionError, TimeoutError)):
            raise
        raise StreamError(error.strerror or "does not decode") from None


def _decode(container: av.container.InputContainer) -> Iterator[Samples]:
    if not container.streams.audio:
        raise StreamError("holds no sound")
    chosen = container.streams.audio[0]
    if chosen.codec_context is None or not 0 < chosen.codec_context.channels <= MAX_CHANNELS:
        raise StreamError("the codec is not one that Loa plays")
    chosen.codec_context.thread_count = 1
    resampler: Resampler | None = None
    bad = 0
    for packet in container.demux(chosen):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:  # a tag between segments, or a frame that was cut
            bad += 1
            if bad > MOST_BAD:
                raise
            continue
        bad = 0
        for frame in frames:
            assert isinstance(frame, av.AudioFrame)  # of an audio stream
            resampler = resampler or Resampler(frame)
            resampler.push(frame)
            while (samples := resampler.pull()) is not None:
                yield bound(samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much a reservoir holds.

    Attributes:
        before_s: Held before the first sample is given, and again where it ran dry.
        most_s: More than this is too late to be of use: the oldest goes.
    """

    before_s: float
    most_s: float


class Reservoir:
    """Samples between whoever decodes them and whoever takes them at the clock's pace."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._lock = Lock()
        self._pieces: deque[Samples] = deque()
        self._held = 0
        self._due = Due()
        self._is_filling = True
        self.dropped = 0  # samples that were too many
        self.dry = 0  # times that nothing was left

    @property
    def held_s(self) -> float:
        """Seconds that wait."""
        return self._held / RATE

    @property
    def is_full(self) -> bool:
        """Whether whoever fills it may as well wait."""
        return self._held >= self._room.most_s * RATE

    def put(self, samples: Samples) -> None:
        """Add what was decoded; what is too much goes, the oldest first."""
        with self._lock:
            self._pieces.append(samples)
            self._held += len(samples)
            while self._held > self._room.most_s * RATE and len(self._pieces) > 1:
                gone = len(self._pieces.popleft())
                self._held -= gone
                self.dropped += gone

    def take(self, now_s: float) -> Samples:
        """Return what is due at *now_s*, monotonic seconds; nothing while it fills."""
        with self._lock:
            if self._is_filling:
                if self._held < self._room.before_s * RATE or not self._held:
                    return np.zeros(0, dtype=np.float32)
                self._is_filling, self._due = False, Due()
            due = self._due.count(now_s)
            taken = self._cut(due)
            self._due.took(len(taken), due)
            if len(taken) < due:
                self.dry += 1
                self._is_filling = True
            return taken

    def clear(self) -> None:
        """Forget what is held, and fill anew."""
        with self._lock:
            self._pieces.clear()
            self._held, self._is_filling = 0, True

    def _cut(self, count: int) -> Samples:
        parts: list[Samples] = []
        while count > 0 and self._pieces:
            piece = self._pieces.popleft()
            if len(piece) > count:
                self._pieces.appendleft(piece[count:])
                piece = piece[:count]
            parts.append(piece)
            count -= len(piece)
            self._held -= len(piece)
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)
