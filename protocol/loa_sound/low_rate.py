"""Small files of Opus in memory, for what is kept long and hardly ever heard: the black box."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Final

import av

from loa_sound.blocks import RATE, Samples

BIT_RATE: Final = 12_000
"""Above what telephony takes (RFC 7587 section 3.1.1): speech is clear, music recognizable."""
CODED_RATE: Final = 8_000
"""At so few bits libopus codes nothing above 4 kHz anyhow, and resamples by itself at more cost."""
_OPTIONS: Final = {"application": "audio", "compression_level": "0", "frame_duration": "60"}
"""60 ms, libopus's longest frame: a third of the overhead and of the work of 20 ms."""


class OggOpus:
    """One file in the making, in memory; the least work that libopus can do."""

    def __init__(self, comments: Mapping[str, str]) -> None:
        """Begin a file with *comments* in its header; the same sound gives the same bytes."""
        self._file = io.BytesIO()
        options = {"fflags": "+bitexact"}  # without it the Ogg serial number is random
        self._out = av.open(self._file, "w", format="ogg", container_options=options)
        self._stream = self._out.add_stream(
            "libopus", rate=CODED_RATE, layout="mono", options=_OPTIONS
        )
        self._stream.bit_rate = BIT_RATE
        self._stream.format = av.AudioFormat("flt")
        self._stream.metadata.update(comments)
        self._at = 0

    def feed(self, samples: Samples) -> None:
        """Take the next samples, within full scale; the more at once, the less work."""
        if not len(samples):
            return
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="mono")
        frame.sample_rate, frame.pts = RATE, self._at
        self._at += len(samples)
        for packet in self._stream.encode(frame):
            self._out.mux(packet)

    def finish(self) -> bytes:
        """Return the whole file."""
        for packet in self._stream.encode(None):
            self._out.mux(packet)
        self._out.close()
        return self._file.getvalue()
