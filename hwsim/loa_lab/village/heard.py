"""What a horn would have played, measured on the recording alone."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 48_000
SILENCE_DBFS = -60.0
_QUIET = int(32_768 * 10 ** (SILENCE_DBFS / 20))
_PIECE = RATE // 4
_SLIP = RATE * 3 // 1000
"""How far a piece may lie from its place: a board that corrects its clock plays at most 500 ppm
faster or slower, which nobody hears, and which turns a siren's wave round within two seconds."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A WAV file of a loudspeaker: 16-bit mono 48 kHz from unix *start_ms* on."""

    samples: NDArray[np.int16]
    start_ms: int

    @classmethod
    def read(cls, path: Path, start_ms: int) -> Recording:
        """Read the file *path*."""
        with wave.open(str(path)) as file:
            data = file.readframes(file.getnframes())
        return cls(np.frombuffer(data, np.int16), start_ms)

    def part(self, from_ms: int, to_ms: int) -> NDArray[np.int16]:
        """Return the samples between two instants."""
        first, last = (max(0, (at - self.start_ms) * RATE // 1000) for at in (from_ms, to_ms))
        return self.samples[first:last]

    def longest_gap_ms(self, from_ms: int, to_ms: int) -> int:
        """Return the longest run below -60 dBFS between two instants, in ms."""
        quiet = np.abs(self.part(from_ms, to_ms).astype(np.int32)) <= _QUIET
        edges = np.flatnonzero(np.diff(np.concatenate(([0], quiet.view(np.int8), [0]))))
        runs = edges[1::2] - edges[::2]
        return int(runs.max() * 1000 // RATE) if runs.size else 0

    def find(self, sound: NDArray[np.float32], from_ms: int, to_ms: int) -> tuple[int, float]:
        """Return where *sound* begins between two instants, unix ms, and how alike it is, 0 to 1.

        Where it does not occur, this is the place that is the least unlike it.
        """
        part = self.part(from_ms, to_ms).astype(np.float32)
        if len(part) < len(sound):
            return from_ms, 0.0
        size = 1 << (len(part) + len(sound)).bit_length()
        spectrum = np.fft.rfft(part, size) * np.conj(np.fft.rfft(sound, size))
        matches = np.fft.irfft(spectrum, size)[: len(part) - len(sound) + 1]
        energy = np.concatenate(([0.0], np.cumsum(np.square(part, dtype=np.float64))))
        power = energy[len(sound) :] - energy[: -len(sound)]
        alike = matches / np.sqrt(np.maximum(power, 1.0) * max(float(sound @ sound), 1e-9))
        best = int(np.argmax(alike))
        return max(from_ms, self.start_ms) + best * 1000 // RATE, _likeness(part, sound, best)

    def envelope(self, from_ms: int, to_ms: int, points: int) -> list[float]:
        """Return the peak of each of *points* equal stretches, 0 to 1."""
        part = np.abs(self.part(from_ms, to_ms).astype(np.float32)) / 32_768
        return [float(piece.max()) if piece.size else 0.0 for piece in np.array_split(part, points)]


def _likeness(part: NDArray[np.float32], sound: NDArray[np.float32], place: int) -> float:
    """Return how alike *sound* is to what *part* has at *place*, each piece where it fits best."""
    found = weight = 0.0
    for start in range(0, len(sound), _PIECE):
        piece = sound[start : start + _PIECE]
        first = max(0, place + start - _SLIP)
        there = part[first : place + start + len(piece) + _SLIP].astype(np.float64)
        matches = np.correlate(there, piece, "valid")
        energy = np.concatenate(([0.0], np.cumsum(np.square(there))))
        power = np.maximum(energy[len(piece) :] - energy[: -len(piece)], 1.0)
        found += float(np.max(matches / np.sqrt(power))) * float(np.linalg.norm(piece))
        weight += float(piece @ piece)
    return found / max(weight, 1e-9)
