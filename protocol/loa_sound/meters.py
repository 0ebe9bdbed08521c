"""Meters that are fed block by block: loudness, true peak, silence, band level, hiss.

None of them keeps the sound; each keeps at most 100 ms of it, and takes what is longer in one go.
Levels are dB relative to full scale (dBFS, an RMS of 1.0 is 0), never below `FLOOR_DBFS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log10
from typing import Final

import av
import av.filter
import numpy as np
from numpy.typing import NDArray

from loa_sound.between import STEP, Between, kaiser_taps
from loa_sound.blocks import CHUNK, RATE, Samples

FLOOR_DBFS: Final = -120.0
"""What a level of nothing is called: JSON has no infinity."""
GAP_DBFS: Final = -60.0
"""Below it a sample counts as silence (the same figure as FFmpeg's silencedetect default)."""
GAP_SHORTEST_MS: Final = 20
"""Shorter quiet stretches are zero crossings and pauses inside a word, not silence."""
SPEECH_BAND_HZ: Final = (300, 3_000)
"""The band that a village horn is heard in, and in which silence is judged."""
HISS_BAND_HZ: Final = (300, 8_000)
"""Where an untuned FM receiver's noise is flat, and speech and music are not."""

SPECTRUM_HZ: Final = 50
"""Width of what a spectrum of `BandMeter` holds in one place."""
Spectra = NDArray[np.float32]
"""Of several pieces of 100 ms: one row for each, the power in each `SPECTRUM_HZ` from 0 Hz on."""

_STEP: Final = RATE // 1000
_BETWEEN: Final = Between(kaiser_taps(32, 9.0))
"""The taps by which FFmpeg's meter oversamples: libswresample's own, to 0.001 dB."""
_TAPER: Final = np.linspace(1, 0, 16, dtype=np.float32)
_QUIETEST_LUFS: Final = -70.0
"""EBU R128's absolute gate (ITU-R BS.1770-4): at it, nothing was loud enough to be measured."""


def to_db(ratio: float) -> float:
    """Convert an amplitude ratio to dB, at least `FLOOR_DBFS`."""
    return max(FLOOR_DBFS, 20 * log10(ratio)) if ratio > 0 else FLOOR_DBFS


@dataclass(frozen=True, slots=True)
class Loudness:
    """What was loud about a stretch of sound.

    Attributes:
        integrated_lufs: EBU R128 programme loudness of the one channel; None when nothing passed
            the gate, or under 400 ms.
        true_peak_dbtp: The largest sample of the fourfold oversampled sound, to 0.01 dB.
        range_lu: EBU R128 loudness range (Tech 3342); 0 under some seconds.
    """

    integrated_lufs: float | None
    true_peak_dbtp: float
    range_lu: float = 0.0


@dataclass(frozen=True, slots=True)
class LoudnessNow:
    """What is loud just now, in LUFS; None where nothing is.

    Attributes:
        momentary: Over the last 400 ms.
        short_term: Over the last 3 s.
        so_far: What `LoudnessMeter.finish` would say now.
    """

    momentary: float | None
    short_term: float | None
    so_far: Loudness


class Chunker:
    """Collect blocks of any length into chunks of one size, in one buffer for good."""

    def __init__(self, size: int = CHUNK) -> None:
        self._size = size
        self._buffer = np.zeros(size, dtype=np.float32)
        self._fill = 0

    def feed(self, block: Samples) -> Iterator[Samples]:
        """Yield the chunks that *block* completes; each is valid until the next one."""
        at = 0
        while at < len(block):
            if not self._fill and len(block) - at >= self._size:
                yield block[at : at + self._size]
                at += self._size
                continue
            count = min(self._size - self._fill, len(block) - at)
            self._buffer[self._fill : self._fill + count] = block[at : at + count]
            self._fill += count
            at += count
            if self._fill == self._size:
                self._fill = 0
                yield self._buffer

    def whole(self, block: Samples) -> Samples:
        """Return the chunks that *block* completes, end to end; valid until the next ones."""
        if not self._fill:
            sound = block
        elif self._fill + len(block) < self._size:
            self._buffer[self._fill : self._fill + len(block)] = block
            self._fill += len(block)
            return block[:0]
        else:
            sound = np.concatenate((self._buffer[: self._fill], block))
        end = len(sound) - len(sound) % self._size
        self._fill = len(sound) - end
        self._buffer[: self._fill] = sound[end:]
        return sound[:end]

    def rest(self) -> Samples:
        """Return what no chunk has taken yet."""
        return self._buffer[: self._fill]


class LoudnessMeter:
    """EBU R128 loudness by FFmpeg's ``ebur128`` filter, and the true peak as that filter has it."""

    def __init__(self) -> None:
        self._facts: dict[str, str] = {}
        self._peak = PeakMeter()
        self._held: Samples = np.zeros(0, dtype=np.float32)  # 100 ms at most: maybe the last
        graph = av.filter.Graph()
        graph.threads = 1
        self._source = graph.add(
            "abuffer",
            sample_rate=str(RATE),
            sample_fmt="dbl",
            channel_layout="mono",
            time_base=f"1/{RATE}",
        )
        meter = graph.add("ebur128", metadata="1", framelog="quiet")
        self._sink = graph.add("abuffersink")
        self._source.link_to(meter)
        meter.link_to(self._sink)
        graph.configure()
        self._graph = graph

    def feed(self, block: Samples) -> None:
        """Take the next samples, any number of them."""
        sound = np.concatenate((self._held, block))
        ready = max(0, len(sound) - 1) // CHUNK * CHUNK
        self._held = sound[ready:]
        if ready:
            self._held = self._held.copy()
            self._push(sound[:ready])

    def read(self) -> LoudnessNow:
        """Return what was measured up to the last 100 ms, and measure on."""
        integrated = self._lufs("I")
        spread = 0.0 if integrated is None else float(self._facts.get("lavfi.r128.LRA", 0.0))
        so_far = Loudness(integrated, to_db(self._peak.peak), spread)
        return LoudnessNow(self._lufs("M"), self._lufs("S"), so_far)

    def _lufs(self, which: str) -> float | None:
        lufs = float(self._facts.get(f"lavfi.r128.{which}", _QUIETEST_LUFS))
        return lufs if lufs > _QUIETEST_LUFS else None

    def finish(self) -> Loudness:
        """Return the result; the meter is spent afterwards."""
        # The standard leaves out a gating block that is not full, so what follows the last 100 ms
        # counts for the peak only; silence behind it lets the peak's taps come to their end.
        _taper(self._held)
        if len(self._held) == CHUNK:
            self._push(self._held)
            self._held = self._held[:0]
        tail = np.zeros(CHUNK + STEP, dtype=np.float32)
        tail[: len(self._held)] = self._held
        self._peak.feed(tail)
        return self.read().so_far

    def _push(self, chunks: Samples) -> None:
        self._peak.feed(chunks)
        samples = chunks.astype(np.float64).reshape(1, -1)  # what the filter would make of them
        frame = av.AudioFrame.from_ndarray(samples, format="dbl", layout="mono")
        frame.sample_rate = RATE
        self._source.push(frame)
        for _ in range(len(chunks) // CHUNK):
            self._facts = self._sink.pull().metadata or self._facts


class PeakMeter:
    """The true peak of a sound, as FFmpeg's resampler has it between the samples.

    Attributes:
        peak: The largest so far, to six digits: later ones depend on how the sound is cut.
    """

    def __init__(self) -> None:
        self.peak = 0.0
        self._before: Samples | None = None

    def feed(self, sound: Samples) -> None:
        """Take the next samples, a multiple of 32 of them."""
        reach = _BETWEEN.taps - 1
        if self._before is None:
            self._before = sound[reach:0:-1]  # mirrored, so that a beginning does not ring
        stream = np.concatenate((self._before, sound))
        self._before = stream[-reach:].copy()
        top = float(np.abs(stream).max())
        self.peak = max(self.peak, round(top, 6))
        if top * _BETWEEN.most > self.peak:
            _, found = _BETWEEN.look(stream, self.peak)
            self.peak = max(self.peak, round(float(found.max(initial=0.0)), 6))


def _taper(end: Samples) -> None:
    """Lead the last third of a millisecond to zero.

    A wave that is cut off where it stands rings between the samples, up to 1 dB above its peak.
    """
    count = min(len(_TAPER), len(end))
    if count:
        end[-count:] *= _TAPER[-count:]


class GapMeter:
    """The silent stretches of a sound, in steps of 1 ms.

    A stretch is silent where no sample reaches `GAP_DBFS`, outside the ranges in which silence is
    expected; those count as sound, so they end a gap.
    """

    def __init__(self, expected_ms: Sequence[tuple[int, int]] = (), *, lead_ms: int = 0) -> None:
        """Begin.

        Args:
            expected_ms: Pairs of start and end, in ms from the first sample fed.
            lead_ms: Silence up to this length before the first sound is no gap.
        """
        self._lead_ms = lead_ms
        self._steps = Chunker(_STEP)
        self._expected = tuple(expected_ms)
        self._limit = 10 ** (GAP_DBFS / 20)
        self._at_ms = 0
        self._run_ms = 0
        self._heard = False
        self.longest_ms = 0
        self.silent_ms = 0
        self.leading_ms = 0

    def feed(self, block: Samples) -> None:
        """Take the next samples, any number of them."""
        if len(steps := self._steps.whole(block)):
            self._take(steps)

    def finish(self) -> None:
        """Close a gap that reaches to the end; what is less than 1 ms is left out."""
        self._end_run()

    def _take(self, sound: Samples) -> None:
        tops = np.maximum.reduceat(np.abs(sound), np.arange(0, len(sound), _STEP))
        quiet = tops < self._limit
        for start, end in self._expected:
            if start < self._at_ms + len(quiet) and end > self._at_ms:
                quiet[max(0, start - self._at_ms) : max(0, end - self._at_ms)] = False
        self._at_ms += len(quiet)
        loud = np.flatnonzero(~quiet)
        if not len(loud):
            self._run_ms += len(quiet)
            return
        self._run_ms += int(loud[0])
        self._end_run()
        inner = np.diff(loud) - 1
        for length in inner[inner > 0].tolist():
            self._run_ms = length
            self._end_run()
        self._run_ms = len(quiet) - 1 - int(loud[-1])

    def _end_run(self) -> None:
        run, self._run_ms = self._run_ms, 0
        if not self._heard:
            self.leading_ms, self._heard = run, True
            if run <= self._lead_ms:
                return
        if run >= GAP_SHORTEST_MS:
            self.silent_ms += run
            self.longest_ms = max(self.longest_ms, run)


@dataclass(frozen=True, slots=True)
class BandLevel:
    """What 100 ms of sound are like.

    Attributes:
        rms_dbfs: RMS in 300-3000 Hz.
        flatness: Geometric over arithmetic mean of the power spectrum in 300-8000 Hz: about 0.9
            for hiss, under 0.4 for speech and music, 0 for a tone and for silence.
    """

    rms_dbfs: float
    flatness: float


class BandMeter:
    """Band level and flatness of each 100 ms, from five Hann-windowed spectra of 20 ms.

    A filter would cost FFmpeg or scipy; the spectrum is needed for the flatness anyhow.
    """

    _SPECTRA: Final = 5

    def __init__(self) -> None:
        self._chunks = Chunker()
        size = CHUNK // self._SPECTRA
        self._window = np.hanning(size + 1)[:size].astype(np.float32)
        width = RATE / size
        # Half a bin of 50 Hz stays outside on either side, as Hann spreads a tone over three.
        self._band = slice(*(round(hz / width) for hz in HISS_BAND_HZ))
        self._speech = round(SPEECH_BAND_HZ[1] / width) - self._band.start  # both begin at 300 Hz
        power = float(np.square(self._window).sum())
        self.scale = 2 / (size * power * self._SPECTRA)
        """By it the sum of a spectrum is a mean square."""

    def feed(self, block: Samples) -> list[BandLevel]:
        """Return the level of each 100 ms that *block* completes."""
        return self.levels(self.spectra(block))

    def spectra(self, block: Samples) -> Spectra:
        """Return the power in each 50 Hz of each 100 ms that *block* completes, from 0 Hz on."""
        rows = self._chunks.whole(block).reshape(-1, len(self._window)) * self._window
        parts = np.fft.rfft(rows).view(np.float32)  # real, imaginary
        np.square(parts, out=parts)
        power = parts.reshape(-1, self._SPECTRA, parts.shape[1]).sum(axis=1)
        spectra: Spectra = power[:, ::2] + power[:, 1::2]
        return spectra

    def levels(self, spectra: Spectra) -> list[BandLevel]:
        """Return the level of each 100 ms whose spectrum is given."""
        if not len(spectra):
            return []
        power = spectra[:, self._band]
        heard = power[:, : self._speech].sum(axis=1) * self.scale
        flatness = _flatness(power)
        pairs = zip(np.sqrt(heard).tolist(), flatness.tolist(), strict=True)
        return [BandLevel(to_db(rms), flat) for rms, flat in pairs]


def _flatness(power: Samples) -> NDArray[np.float64]:
    """Return it for each row; 0 for silence, so that silence is never taken for hiss."""
    mean = power.mean(axis=1, keepdims=True, dtype=np.float64)
    logs = np.log(np.maximum(power + mean * 1e-9, 1e-18)).mean(axis=1)
    sounds = mean[:, 0] >= 1e-9
    ratios = np.exp(logs) / np.maximum(mean[:, 0], 1e-9)
    flatness: NDArray[np.float64] = np.where(sounds, np.minimum(ratios, 1.0), 0.0)
    return flatness
