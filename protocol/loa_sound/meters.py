"""Meters that are fed block by block: loudness, true peak, silence, band level, hiss.

None of them keeps the sound; each keeps at most 100 ms of it. Levels are dB relative to full scale
(dBFS, an RMS of 1.0 is 0), never below `FLOOR_DBFS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log10
from typing import Final

import av
import av.filter
import numpy as np

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

_STEP: Final = RATE // 1000
_TAPER: Final = np.linspace(1, 0, 16, dtype=np.float32)
_QUIETEST_LUFS: Final = -70.0
"""EBU R128's absolute gate (ITU-R BS.1770-4): at it, nothing was loud enough to be measured."""
_PEAK_FACT: Final = "lavfi.r128.true_peak"


def to_db(ratio: float) -> float:
    """Convert an amplitude ratio to dB, at least `FLOOR_DBFS`."""
    return max(FLOOR_DBFS, 20 * log10(ratio)) if ratio > 0 else FLOOR_DBFS


@dataclass(frozen=True, slots=True)
class Loudness:
    """What was loud about a stretch of sound.

    Attributes:
        integrated_lufs: EBU R128 programme loudness of the one channel; None when nothing passed
            the gate, or under 400 ms.
        true_peak_dbtp: The largest sample of the fourfold oversampled sound, to about 0.1 dB.
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

    def rest(self) -> Samples:
        """Return what no chunk has taken yet."""
        return self._buffer[: self._fill]


class LoudnessMeter:
    """EBU R128 loudness and true peak, by FFmpeg's ``ebur128`` filter."""

    def __init__(self) -> None:
        self._chunks = Chunker()
        self._facts: dict[str, str] = {}
        self._held: Samples | None = None  # the newest 100 ms: maybe they are the last
        graph = av.filter.Graph()
        graph.threads = 1
        self._source = graph.add(
            "abuffer",
            sample_rate=str(RATE),
            sample_fmt="flt",
            channel_layout="mono",
            time_base=f"1/{RATE}",
        )
        meter = graph.add("ebur128", metadata="1", peak="true", framelog="quiet")
        self._sink = graph.add("abuffersink")
        self._source.link_to(meter)
        meter.link_to(self._sink)
        graph.configure()
        self._graph = graph

    def feed(self, block: Samples) -> None:
        """Take the next samples, any number of them."""
        for chunk in self._chunks.feed(block):
            self._push_held()
            self._held = chunk.copy()

    def read(self) -> LoudnessNow:
        """Return what was measured up to the last 200 ms, and measure on."""
        integrated = self._lufs("I")
        spread = 0.0 if integrated is None else float(self._facts.get("lavfi.r128.LRA", 0.0))
        so_far = Loudness(integrated, to_db(float(self._facts.get(_PEAK_FACT, 0.0))), spread)
        return LoudnessNow(self._lufs("M"), self._lufs("S"), so_far)

    def _lufs(self, which: str) -> float | None:
        lufs = float(self._facts.get(f"lavfi.r128.{which}", _QUIETEST_LUFS))
        return lufs if lufs > _QUIETEST_LUFS else None

    def finish(self) -> Loudness:
        """Return the result; the meter is spent afterwards."""
        # The standard leaves out a gating block that is not full, so what follows the last 100 ms
        # counts for the peak only; silence behind it lets the filter come to its end.
        rest = self._chunks.rest()
        if self._held is not None and not len(rest):
            _taper(self._held)
        self._push_held()
        integrated = self._lufs("I")
        tail = np.zeros(CHUNK, dtype=np.float32)
        tail[: len(rest)] = rest
        _taper(tail[: len(rest)])
        self._push(tail)
        self._source.push(None)
        while self._pull_one():
            pass
        so_far = self.read().so_far
        spread = 0.0 if integrated is None else so_far.range_lu
        return Loudness(integrated, so_far.true_peak_dbtp, spread)

    def _push_held(self) -> None:
        if self._held is not None:
            self._push(self._held)
            self._pull_one()

    def _push(self, chunk: Samples) -> None:
        frame = av.AudioFrame.from_ndarray(chunk.reshape(1, -1), format="flt", layout="mono")
        frame.sample_rate = RATE
        self._source.push(frame)

    def _pull_one(self) -> bool:
        try:
            frame = self._sink.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return False
        self._facts = frame.metadata or self._facts
        return True


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
        self._chunks = Chunker()
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
        for chunk in self._chunks.feed(block):
            self._take(chunk)

    def finish(self) -> None:
        """Take in what is left, and close a gap that reaches to the end."""
        rest = self._chunks.rest()
        if len(rest) >= _STEP:
            self._take(rest[: len(rest) - len(rest) % _STEP])
        self._end_run()

    def _take(self, chunk: Samples) -> None:
        steps = chunk.reshape(-1, _STEP)
        # Two reductions are quicker than abs() of everything, and need no memory for it.
        quiet = np.maximum(steps.max(axis=1), -steps.min(axis=1)) < self._limit
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
        self._speech = slice(*(round(hz / width) for hz in SPEECH_BAND_HZ))
        self._hiss = slice(*(round(hz / width) for hz in HISS_BAND_HZ))
        power = float(np.square(self._window).sum())
        self._scale = 2 / (size * power * self._SPECTRA)

    def feed(self, block: Samples) -> list[BandLevel]:
        """Return the level of each 100 ms that *block* completes."""
        return [self._measure(chunk) for chunk in self._chunks.feed(block)]

    def _measure(self, chunk: Samples) -> BandLevel:
        spectra = np.fft.rfft(chunk.reshape(self._SPECTRA, -1) * self._window)
        power = (spectra.real**2 + spectra.imag**2).sum(axis=0)
        rms = float(power[self._speech].sum() * self._scale) ** 0.5
        return BandLevel(to_db(rms), _flatness(power[self._hiss]))


def _flatness(power: Samples) -> float:
    """Return 0 for silence, so that silence is never taken for hiss."""
    mean = float(power.mean())
    if mean < 1e-9:
        return 0.0
    return min(1.0, float(np.exp(np.log(power + mean * 1e-9).mean())) / mean)
