"""A small microphone on the pole: what it hears of the horn, and of everything else.

A pure model: samples in, samples out. The horn's sound comes late, through the horn's own filter
and the echo of the village, among noise; faults take the horn away or put another sound beside it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loa_hwsim.noise import Samples, to_amplitude

RATE: Final = 48_000
PASS_HZ: Final = (400.0, 5_000.0)
"""What a horn of 12 inches passes."""
_TAPS: Final = 1_025
_ECHO_S: Final = 0.06
"""The walls and trees around the pole: 60 ms to a third."""
_ECHO: Final = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How the microphone hangs.

    Attributes:
        delay_ms: From the sample written to the sample heard: buffers and air.
        gain_db: Of the horn at the microphone.
        noise_dbfs: RMS of the village around it, the louder the lower the pitch.
        seed: Of noise and echo.
    """

    delay_ms: int = 400
    gain_db: float = -10.0
    noise_dbfs: float = -50.0
    seed: int = 0


class Microphone:
    """Hears what a horn makes of the samples written.

    Attributes:
        is_horn_connected: Else only the village is heard.
        squeal: Pitch in Hz and level in dBFS of a tone that nobody wrote; None for none.
        other: Sound of somebody else, from its first sample on; heard beside the horn.
    """

    def __init__(self, place: Place | None = None) -> None:
        self._place = place or Place()
        self._random = np.random.default_rng(self._place.seed)
        self._filter = _response(self._random)
        self._spectra: dict[int, NDArray[np.complex64]] = {}  # of the filter, by size
        self._tail: Samples = np.zeros(len(self._filter) - 1, dtype=np.float32)
        late = self._place.delay_ms * RATE // 1000
        self._late: deque[Samples] = deque([np.zeros(late, dtype=np.float32)])
        self._noise = _outdoors(self._random)
        self._at = self._other_at = 0
        self.is_horn_connected = True
        self.squeal: tuple[float, float] | None = None
        self.other: Samples | None = None

    def hear(self, written: Samples) -> bytes:
        """Return what is heard while *written* is written: as many samples, 16 bits."""
        horn = self._shape(self._delay(written))
        gain = to_amplitude(self._place.gain_db) if self.is_horn_connected else 0.0
        heard = horn * gain + self._village(len(written))
        if self.squeal is not None:
            heard += self._tone(*self.squeal, len(written))
        if self.other is not None:
            part = self.other[self._other_at : self._other_at + len(written)]
            heard[: len(part)] += part
            self._other_at += len(written)
        self._at += len(written)
        pcm: NDArray[np.int16] = np.clip(np.rint(heard * 32_768), -32_768, 32_767).astype("<i2")
        return pcm.tobytes()

    def _delay(self, written: Samples) -> Samples:
        self._late.append(written.astype(np.float32))
        joined = np.concatenate(self._late)
        self._late = deque([joined[len(written) :]])
        return joined[: len(written)]

    def _shape(self, sound: Samples) -> Samples:
        joined = np.concatenate((self._tail, sound))
        self._tail = joined[len(joined) - len(self._tail) :]
        size = 1 << (len(joined) - 1).bit_length()
        if size not in self._spectra:
            self._spectra = {size: np.fft.rfft(self._filter, size).astype(np.complex64)}
        spectrum = np.fft.rfft(joined, size) * self._spectra[size]
        # what wraps around falls into the tail, which was told before
        whole = np.fft.irfft(spectrum, size)[len(self._filter) - 1 : len(joined)]
        return whole.astype(np.float32)

    def _village(self, count: int) -> Samples:
        at = (self._at + np.arange(count)) % len(self._noise)
        return self._noise[at] * np.float32(to_amplitude(self._place.noise_dbfs))

    def _tone(self, hz: float, dbfs: float, count: int) -> NDArray[np.float64]:
        steps = self._at + np.arange(count)
        tone: NDArray[np.float64] = np.sin(2 * np.pi * hz * steps / RATE)
        return tone * (to_amplitude(dbfs) * 2**0.5)


def _outdoors(random: np.random.Generator) -> Samples:
    """Return ten seconds of noise of RMS 1 that falls by 6 dB an octave, as wind and traffic do."""
    spectrum = np.fft.rfft(random.standard_normal(10 * RATE))
    hz = np.fft.rfftfreq(10 * RATE, 1 / RATE)
    noise = np.fft.irfft(spectrum / np.maximum(hz, 200.0))
    scaled: Samples = (noise / np.sqrt(np.square(noise).mean())).astype(np.float32)
    return scaled


def _response(random: np.random.Generator) -> Samples:
    """Return the impulse response of a horn in a village: band-pass, two resonances, echo."""
    frequencies = np.fft.rfftfreq(2 * _TAPS, 1 / RATE)
    low, high = PASS_HZ
    passed = 1 / (1 + (low / np.maximum(frequencies, 1.0)) ** 4) / (1 + (frequencies / high) ** 4)
    for hz, width, lift in ((1_200, 200, 1.0), (2_800, 150, 0.7)):
        passed *= 1 + lift * np.exp(-(((frequencies - hz) / width) ** 2))
    direct = np.roll(np.fft.irfft(passed), _TAPS // 8)[:_TAPS]
    length = int(2 * _ECHO_S * RATE)
    echo = random.standard_normal(length) * np.exp(-np.arange(length) / (_ECHO_S * RATE))
    echo *= _ECHO / np.sqrt(np.square(echo).sum())
    echo[0] += 1.0
    size = 1 << (length + _TAPS).bit_length()
    both = np.fft.irfft(np.fft.rfft(direct, size) * np.fft.rfft(echo, size), size)
    return both[: length + _TAPS].astype(np.float32)
