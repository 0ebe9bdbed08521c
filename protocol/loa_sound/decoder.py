"""Sound files into mono float32 at 48 kHz, at exact positions.

A position is a number of samples at 48 kHz from the start of the sound. FFmpeg does the work; this
module decides what may be opened at all (a playlist or a concat script that calls itself .mp3 would
make FFmpeg read other files), where a position lies, and when a file is not what it says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from math import gcd
from pathlib import Path
from typing import Final

import av
import numpy as np

from loa_sound.blocks import BLOCK, RATE, Samples
from loa_sound.container import check_whole, is_length_declared, looks_like_sound
from loa_sound.errors import Reason, SoundError
from loa_sound.resampler import Resampler, bound, cut_frame

MAX_FILE_BYTES: Final = 512 * 2**20
MAX_SECONDS: Final = 6 * 3600
MAX_CHANNELS: Final = 8
RATES: Final = range(8_000, 192_001)

PREROLL: Final = RATE * 3 // 10
"""Decoded and thrown away after a seek: Opus asks for 80 ms (RFC 7845 section 4.6), MP3's bit
reservoir reaches back some frames, and the resampler has to fill its filter."""
NEAR: Final = 2 * RATE
"""Seeks that end this close to the start, or ahead of the present place, decode their way."""

OnFrame = Callable[[av.AudioFrame], None]
"""Shown each frame as it was decoded, before it is mixed and resampled."""

_OPTIONS: Final = {
    "protocol_whitelist": "file",
    "format_whitelist": "wav,mp3,ogg,flac,mov,aac",
    "codec_whitelist": "mp3float,aac,opus,vorbis,flac,alac,pcm_alaw,pcm_mulaw,"
    "pcm_u8,pcm_s16le,pcm_s24le,pcm_s32le,pcm_f32le,pcm_f64le",
}


class Decoder:
    """One open sound file.

    Attributes:
        container: FFmpeg's name of the format, first of its aliases.
        codec: FFmpeg's name of the codec.
        sample_rate: Of the file, in Hz.
        channels: Of the file.
        declared: Length in samples at 48 kHz that the container states; None where it states none.
        position: Where the next sample of `read` lies.
    """

    def __init__(self, path: Path, *, on_frame: OnFrame | None = None) -> None:
        """Open *path* and look at what it says of itself.

        Args:
            path: The file.
            on_frame: Shown each frame; after a seek also those that lead up to the place.

        Raises:
            SoundError: ``unreadable``, ``not_audio``, ``damaged`` or ``too_large``.
        """
        self.path, self._on_frame = path, on_frame
        self._open()

    def _open(self) -> None:
        try:
            if self.path.stat().st_size > MAX_FILE_BYTES:
                raise SoundError("too_large", self.path, f"over {MAX_FILE_BYTES} bytes")
            self._container = self._open_container()
        except OSError as error:
            raise SoundError("unreadable", self.path, error.strerror or str(error)) from error
        try:
            self._read_properties()
        except BaseException:
            self._container.close()
            raise
        self.position = 0
        self._skip = 0
        self._graph: Resampler | None = None
        self._packets = self._container.demux(self._stream)
        self._finished = False
        self._seeking = False

    def _open_container(self) -> av.container.InputContainer:
        try:
            return av.open(f"file:{self.path}", options=dict(_OPTIONS), metadata_errors="ignore")
        except (av.error.FileNotFoundError, av.error.PermissionError):
            raise
        except av.error.FFmpegError as error:
            reason: Reason = "damaged" if looks_like_sound(self.path) else "not_audio"
            raise SoundError(reason, self.path, error.strerror or "cannot be opened") from error

    def _read_properties(self) -> None:
        """Take the facts of the first sound stream, and refuse what no loudspeaker needs."""
        if not self._container.streams.audio:
            raise SoundError("not_audio", self.path, "holds no sound")
        self._stream = self._container.streams.audio[0]
        context = self._stream.codec_context
        if context is None:
            raise SoundError("not_audio", self.path, "the codec is not one that Loa plays")
        context.thread_count = 1  # sound has nothing to share out, and threads cost memory
        self.container = self._container.format.name.split(",")[0]
        self.codec = context.name
        self.sample_rate, self.channels = context.sample_rate, context.channels
        if self.sample_rate not in RATES or not 0 < self.channels <= MAX_CHANNELS:
            what = f"{self.sample_rate} Hz, {self.channels} channels"
            raise SoundError("not_audio", self.path, what)
        self.declared = self._declared_length()
        if self.declared is not None and self.declared > MAX_SECONDS * RATE:
            raise SoundError("too_large", self.path, f"says {self.declared // RATE} s")

    def _declared_length(self) -> int | None:
        duration = self._container.duration  # microseconds
        if duration is None or not is_length_declared(self.path, self.container):
            return None
        return duration * RATE // 1_000_000

    def read(self) -> Samples | None:
        """Return the next samples, about 100 ms of them, or None at the end of the sound.

        Raises:
            SoundError: ``damaged`` or ``truncated`` where something does not decode,
                ``too_large`` where the sound goes on for longer than the limit.
        """
        while True:
            chunk = self._next_chunk()
            if chunk is None:
                return None
            if self._skip:
                dropped = min(self._skip, len(chunk))
                self._skip -= dropped
                chunk = chunk[dropped:]
            if not len(chunk):
                continue
            self.position += len(chunk)
            if self.position > MAX_SECONDS * RATE:
                raise SoundError("too_large", self.path, f"over {MAX_SECONDS} s")
            return chunk

    def seek(self, position: int) -> None:
        """Make *position* the next sample that `read` returns.

        Exact in every format that Loa plays: where FFmpeg's own seek would guess (ADTS), or would
        lose the decoder's start (near the beginning), the way there is decoded.

        Raises:
            SoundError: As `read` and as opening.
        """
        ahead = position - self.position
        if 0 <= ahead <= NEAR and not self._skip:
            self._skip = ahead
        elif position <= NEAR or self.container == "aac":
            self._reopen(position)
        else:
            self._jump(position)
        self.position = position

    def close(self) -> None:
        """Close the file."""
        self._graph = None
        self._container.close()

    def _reopen(self, position: int) -> None:
        self.close()
        self._open()
        self._skip = position

    def _jump(self, position: int) -> None:
        """Let FFmpeg seek, and find out from the first time stamp where it landed."""
        time_base = self._stream.time_base or Fraction(1, self.sample_rate)
        target = Fraction(position - PREROLL, RATE) / time_base
        try:
            self._container.seek(int(target) + (self._stream.start_time or 0), stream=self._stream)
        except av.error.FFmpegError:
            self._reopen(position)
            return
        self._graph = None
        self._finished = False
        self._packets = self._container.demux(self._stream)
        self._seeking = True
        self._skip = position

    def _next_chunk(self) -> Samples | None:
        while True:
            if self._graph is not None and (chunk := self._graph.pull()) is not None:
                return bound(chunk)
            if self._finished:
                return None
            self._feed()

    def _feed(self) -> None:
        """Decode one packet into the resampler, or drain it at the end."""
        try:
            packet = next(self._packets, None)
            for frame in packet.decode() if packet is not None else []:
                self._push(frame)
        except av.error.EOFError:
            packet = None
        except av.error.FFmpegError as error:
            self._judge_error(error.strerror or "does not decode")
            packet = None
        if packet is None:
            self._finished = True
            if self._graph is not None:
                self._graph.push(None)

    def _judge_error(self, detail: str) -> None:
        """Refuse the file, unless all that it promised has been decoded already."""
        declared = self.declared
        if declared and self._decoded() >= declared - tolerance(self.container, declared):
            return  # rubbish behind the sound: some taggers leave it there
        try:
            last = next(self._packets, None)
        except av.error.FFmpegError:
            last = None
        ended = last is None or last.size == 0
        raise SoundError("truncated" if ended else "damaged", self.path, detail)

    def _decoded(self) -> int:
        return self.position + (self._graph.waiting if self._graph is not None else 0)

    def _push(self, frame: av.AudioFrame) -> None:
        if self._on_frame is not None:
            self._on_frame(frame)
        if self._graph is None:
            first = self._first_sample(frame)
            self._graph = Resampler(frame)
            frame = self._align(frame, first)
        self._graph.push(frame)

    def _first_sample(self, frame: av.AudioFrame) -> int:
        """Return which sample, at the file's own rate, the first frame begins with."""
        if not self._seeking or frame.pts is None or frame.time_base is None:
            return 0
        return round(
            (frame.pts - (self._stream.start_time or 0)) * frame.time_base * frame.sample_rate
        )

    def _align(self, frame: av.AudioFrame, first: int) -> av.AudioFrame:
        """Cut the frame after a seek so that the resampler starts on a sample of both rates.

        44.1 and 48 kHz meet every 147 and 160 samples; started anywhere else, the resampler's
        grid would lie a fraction of a sample beside the one it has when read from the start.
        """
        if not self._seeking:
            return frame
        self._seeking = False
        rate = frame.sample_rate
        step = rate // gcd(rate, RATE)
        cut = -first % step
        self._skip -= (first + cut) * RATE // rate
        if self._skip < 0:
            raise SoundError("damaged", self.path, "its index points past what it indexes")
        if not cut:
            return frame
        if cut >= frame.samples:
            # Rates of no common measure with 48 kHz: half a sample is not worth a wait.
            self._skip += (first + cut) * RATE // rate - round(Fraction(first * RATE, rate))
            return frame
        return cut_frame(frame, cut)


def tolerance(container: str, declared: int) -> int:
    """Return by how many samples a whole file may differ from its declared length.

    FLAC and WAV count every sample, to the microsecond in which FFmpeg tells it. AAC pads its last
    frame, MP3 counts frames of 24 ms with and without the encoder's delay, and some writers round:
    a quarter of a second or 0.2 % covers all that was met.
    """
    return RATE // 1000 if container in ("flac", "wav") else max(RATE // 4, declared // 500)


def check_length(decoder: Decoder, decoded: int) -> None:
    """Compare what was decoded of a whole file with what it says.

    Raises:
        SoundError: ``not_audio`` when nothing was decoded, ``truncated`` when less than declared,
            ``length`` when more.
    """
    if decoded == 0:
        raise SoundError("not_audio", decoder.path, "holds not one sample")
    check_whole(decoder.path, decoder.container)
    if decoder.declared is None:
        return
    difference = decoded - decoder.declared
    if abs(difference) <= tolerance(decoder.container, decoder.declared):
        return
    detail = f"says {decoder.declared / RATE:.2f} s, holds {decoded / RATE:.2f} s"
    raise SoundError("truncated" if difference < 0 else "length", decoder.path, detail)


def decode(path: Path) -> Iterator[Samples]:
    """Yield the whole of *path* in blocks of 960 samples, the last one as long as it is.

    Raises:
        SoundError: As `Decoder`; after the last block, when the file does not hold what it says.
    """
    decoder = Decoder(path)
    try:
        rest: Samples = np.empty(0, dtype=np.float32)
        while (chunk := decoder.read()) is not None:
            joined = np.concatenate((rest, chunk)) if len(rest) else chunk
            whole = len(joined) - len(joined) % BLOCK
            for at in range(0, whole, BLOCK):
                yield joined[at : at + BLOCK]
            rest = joined[whole:]
        if len(rest):
            yield rest
        check_length(decoder, decoder.position)
    finally:
        decoder.close()


def decode_whole(path: Path) -> Samples:
    """Return all of *path*; for what is short, as it stands in memory.

    Raises:
        SoundError: As `decode`.
    """
    return np.concatenate([np.zeros(0, dtype=np.float32), *decode(path)])
