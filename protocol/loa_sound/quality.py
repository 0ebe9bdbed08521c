"""What is wrong with a sound file before it goes to a village, found as codes and figures.

The words for people stand elsewhere: this says what was found, how much, and where.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from loa_sound.blocks import RATE
from loa_sound.channels import ChannelFacts, ChannelMeter
from loa_sound.measure import Measurement, measure_file
from loa_sound.outline import Outline, OutlineMeter

QUIET_LUFS: Final = -35.0
"""12 LU below the target of EBU R128: what has to be raised so much brings its noise along."""
RANGE_LU: Final = 15.0
"""Loudness range (EBU Tech 3342) beyond which what is soft drowns in a village's noise."""
_RANGE_FROM_MS: Final = 30_000
"""Tech 3342 wants a minute; under half of one the figure says nothing."""
CODED_RUNS: Final = 10
"""Lossy codecs overshoot: so many flat tops in one are taken for clipping before it was coded."""
_CODED: Final = frozenset({"opus", "vorbis", "aac", "mp3", "mp3float"})
DC_LIMIT: Final = 0.01
MONO_LOSS_DB: Final = 6.0
"""Unrelated channels lose 3 dB in mono; at 6 dB half of what was loud is gone."""
SILENT_SHARE: Final = 0.5
PAUSE_MS: Final = 5_000
"""A board calls 10 s of silence a failure; half of it is worth a word."""
_SHORT_PAUSE_MS: Final = 20


class Trouble(StrEnum):
    """What can be the matter with a sound."""

    CLIPPED = "clipped"
    QUIET = "quiet"
    WIDE_RANGE = "wide_range"
    DC = "dc"
    ANTIPHASE = "antiphase"
    MOSTLY_SILENT = "mostly_silent"
    LONG_PAUSE = "long_pause"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the matter with a sound.

    Attributes:
        trouble: What.
        amount: How much: flat tops, hundredths of LUFS, LU or dB, thousandths of full scale,
            percent, ms, by *trouble*.
        at_ms: Where it begins first; 0 where it is everywhere.
    """

    trouble: Trouble
    amount: int
    at_ms: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Examination:
    """All that one pass over a file shows."""

    measurement: Measurement
    outline: Outline
    channels: ChannelFacts

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is the matter with it, worst first."""
        return tuple(find_troubles(self.measurement, self.outline, self.channels))


def examine_file(path: Path) -> Examination:
    """Decode all of *path* once and look at everything.

    Raises:
        SoundError: The file is not sound, or not whole, or too large; ``reason`` says which.
    """
    channels, outline = ChannelMeter(), OutlineMeter()
    measured = measure_file(path, on_frame=channels.feed, on_samples=outline.feed)
    return Examination(measured, outline.finish(), channels.finish())


def find_troubles(measured: Measurement, outline: Outline, channels: ChannelFacts) -> list[Finding]:
    """Return what is the matter with a sound that was measured so. Pure."""
    found = []
    if channels.mono_loss_db >= MONO_LOSS_DB:
        found.append(Finding(Trouble.ANTIPHASE, round(channels.mono_loss_db * 100)))
    if channels.clipped_runs >= (CODED_RUNS if measured.codec in _CODED else 1):
        found.append(Finding(Trouble.CLIPPED, channels.clipped_runs, channels.clipped_ms[0]))
    loudness = measured.integrated_lufs
    if loudness is not None and loudness < QUIET_LUFS:
        found.append(Finding(Trouble.QUIET, round(loudness * 100)))
    if measured.range_lu > RANGE_LU and measured.duration_ms >= _RANGE_FROM_MS:
        found.append(Finding(Trouble.WIDE_RANGE, round(measured.range_lu * 100)))
    if channels.dc > DC_LIMIT:
        found.append(Finding(Trouble.DC, round(channels.dc * 1000)))
    return found + _find_silence(outline)


def _find_silence(outline: Outline) -> list[Finding]:
    """Look between first and last sound: what stands before and behind is cut, or was wanted."""
    if outline.is_silent:
        return []
    pauses = outline.pauses(_SHORT_PAUSE_MS)
    heard_ms = max(1, (outline.last - outline.first) * 1000 // RATE)
    share = sum(end - start for start, end in pauses) / heard_ms
    found = []
    if share > SILENT_SHARE:
        found.append(Finding(Trouble.MOSTLY_SILENT, round(share * 100)))
    start, end = max(pauses, key=lambda pause: pause[1] - pause[0], default=(0, 0))
    if end - start >= PAUSE_MS:
        found.append(Finding(Trouble.LONG_PAUSE, end - start, start))
    return found
