"""Samples as the bytes that pipes, sound cards and WAV files carry: signed 16 bits, mono."""

from __future__ import annotations

import numpy as np

from loa_sound.blocks import Samples


def to_pcm(block: Samples) -> bytes:
    """Return *block* as signed 16-bit little-endian samples, clipped at full scale."""
    pcm = np.clip(np.rint(block * 32768.0), -32768, 32767).astype("<i2")
    return bytes(pcm.data)


class PcmRest:
    """Bytes of 16-bit sound into samples, whatever the pieces in which they come."""

    def __init__(self) -> None:
        self._half = b""

    def samples(self, data: bytes) -> Samples:
        """Return the samples that *data*, signed 16-bit little-endian, completes."""
        data = self._half + data
        whole = len(data) - len(data) % 2
        self._half = data[whole:]
        samples = np.frombuffer(data, dtype="<i2", count=whole // 2).astype(np.float32)
        samples *= np.float32(1 / 32768)
        return samples
