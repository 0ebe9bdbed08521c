"""From the frames of any codec to mono float32 at 48 kHz."""

from __future__ import annotations

from typing import Any, Final

import av
import av.filter
import numpy as np
from numpy.typing import NDArray

from loa_sound.blocks import CHUNK, RATE, Samples

_LOUDEST: Final = 8.0
"""+18 dBFS: beyond it a float file holds nonsense, and infinity times a faded 0 is not a number."""


class Resampler:
    """FFmpeg's resampler and down-mix, set up for frames shaped like the first one."""

    def __init__(self, frame: av.AudioFrame) -> None:
        self._graph = av.filter.Graph()
        self._graph.threads = 1
        self._source = self._graph.add(
            "abuffer",
            sample_rate=str(frame.sample_rate),
            sample_fmt=frame.format.name,
            channel_layout=frame.layout.name,
            time_base=f"1/{frame.sample_rate}",
        )
        # Without the maximum, float output lets the sum of equal channels grow by 3 dB or more.
        mono = self._graph.add(
            "aresample", osr=str(RATE), osf="flt", ochl="mono", rematrix_maxval="1.0"
        )
        self._sink = self._graph.add("abuffersink")
        self._source.link_to(mono)
        mono.link_to(self._sink)
        self._graph.configure()
        self._graph.set_audio_frame_size(CHUNK)
        self._drained = False
        self._in, self._out, self._rate = 0, 0, frame.sample_rate

    @property
    def waiting(self) -> int:
        """Samples at 48 kHz that went in and have not come out."""
        return self._in * RATE // self._rate - self._out

    def push(self, frame: av.AudioFrame | None) -> None:
        """Put a frame in, or None at the end.

        Raises:
            FFmpegError: The frame is not shaped like the first one.
        """
        if frame is not None:
            frame.pts = None  # gaps in time stamps must not make gaps in the resampler
        else:
            self._drained = True
        self._source.push(frame)
        self._in += frame.samples if frame is not None else 0

    def pull(self) -> Samples | None:
        """Take out the next chunk, or None where more has to go in first."""
        if self.waiting < CHUNK and not self._drained:
            return None  # to ask in vain costs an exception each time
        try:
            frame = self._sink.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return None
        assert isinstance(frame, av.AudioFrame)
        samples: Samples = frame.to_ndarray()[0]
        self._out += len(samples)
        return samples


def cut_frame(frame: av.AudioFrame, count: int) -> av.AudioFrame:
    """Return *frame* without its first *count* samples."""
    samples: NDArray[Any] = frame.to_ndarray()
    width = 1 if frame.format.is_planar else frame.layout.nb_channels
    rest = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples[:, count * width :]),
        format=frame.format.name,
        layout=frame.layout.name,
    )
    rest.sample_rate = frame.sample_rate
    return rest


def bound(chunk: Samples) -> Samples:
    """Bound what a float file, or a damaged one, may hold; not a number becomes silence."""
    if max(chunk.max(), -chunk.min()) <= _LOUDEST:  # false for not-a-number too
        return chunk
    return np.clip(np.nan_to_num(chunk, nan=0.0), -_LOUDEST, _LOUDEST)
