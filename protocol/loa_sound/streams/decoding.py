"""A stream of bytes that somebody else sends into samples: MP3, AAC or Ogg, as it comes.

FFmpeg sees the bytes that are read here and opens nothing by itself: whoever sends a stream that
calls itself a playlist gets nothing fetched.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

import av

from loa_protocol.errors import FormatError
from loa_sound.blocks import Samples
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
    shape = None
    for frame in _frames(container, chosen):
        found = frame.sample_rate, frame.format.name, frame.layout.name
        if resampler is None or found != shape:  # a programme of another rate, say
            yield from _rest(resampler)
            resampler, shape = Resampler(frame), found
        resampler.push(frame)
        while (samples := resampler.pull()) is not None:
            yield bound(samples)
    yield from _rest(resampler)


def _frames(
    container: av.container.InputContainer, chosen: av.AudioStream
) -> Iterator[av.AudioFrame]:
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
            yield frame


def _rest(resampler: Resampler | None) -> Iterator[Samples]:
    """Give what *resampler* has held back; it takes nothing any more."""
    if resampler is not None:
        resampler.push(None)
        while (samples := resampler.pull()) is not None:
            yield bound(samples)
