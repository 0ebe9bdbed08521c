"""Bare Opus packets of 20 ms, as live sound travels: no container to parse, none to attack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np

from loa_sound.blocks import BLOCK, RATE, Samples
from loa_sound.errors import SoundError

BIT_RATE: Final = 24_000  # speech at full bandwidth (RFC 7587 section 3.1.1: 16 to 40 kbit/s)
_NOWHERE: Final = Path("live")


class OpusEncoder:
    """Blocks of 20 ms into packets, one for one."""

    def __init__(self, bit_rate: int = BIT_RATE) -> None:
        self._codec = av.CodecContext.create("libopus", "w")
        assert isinstance(self._codec, av.AudioCodecContext)  # libopus knows nothing else
        self._codec.sample_rate, self._codec.layout = RATE, "mono"
        self._codec.format = av.AudioFormat("flt")
        self._codec.bit_rate = bit_rate
        self._codec.time_base = Fraction(1, RATE)
        self._at = 0

    def encode(self, block: Samples) -> list[bytes]:
        """Return the packets that *block* (960 samples) completes."""
        samples = np.clip(block, -1.0, 1.0).astype(np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="flt", layout="mono")
        frame.sample_rate, frame.pts = RATE, self._at
        self._at += BLOCK
        return [bytes(packet) for packet in self._codec.encode(frame)]

    def finish(self) -> list[bytes]:
        """Return the packets that were held back."""
        return [bytes(packet) for packet in self._codec.encode(None)]


class OpusDecoder:
    """Packets into samples; what does not decode is an error, and the next packet a new start."""

    def __init__(self) -> None:
        self._codec = self._open()

    def decode(self, packets: Iterable[bytes]) -> Samples:
        """Return the samples of *packets*, mono at 48 kHz.

        Raises:
            SoundError: ``damaged``: a packet is not Opus, or not of 20 ms of sound.
        """
        parts: list[Samples] = []
        try:
            for packet in packets:
                parts += self._decode(packet)
        except av.error.FFmpegError as error:
            self.restart()
            raise SoundError("damaged", _NOWHERE, error.strerror or "not Opus") from error
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)

    def restart(self) -> None:
        """Forget what was decoded before: packets are missing."""
        self._codec = self._open()

    def _decode(self, packet: bytes) -> Iterator[Samples]:
        for frame in self._codec.decode(av.Packet(packet)):
            samples = np.asarray(frame.to_ndarray(), dtype=np.float32).mean(axis=0)
            if frame.sample_rate != RATE or len(samples) > BLOCK:
                self.restart()
                raise SoundError("damaged", _NOWHERE, "a packet holds more than 20 ms")
            yield samples

    @staticmethod
    def _open() -> av.AudioCodecContext:
        codec = av.CodecContext.create("opus", "r")
        assert isinstance(codec, av.AudioCodecContext)  # opus knows nothing else
        codec.sample_rate, codec.layout = RATE, "mono"
        return codec
