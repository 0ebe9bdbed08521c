"""What is wrong with sound as it is written: silence, hiss, clipping, a stuck sample.

It is judged in steps of 100 ms, and only a change is told: each alarm has a share of its window at
which it begins and a lower one at which it ends, so that one bad moment is no alarm and one good
one no end of it. Nothing here decides what follows from an alarm.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from loa_sound.blocks import CHUNK, Samples
from loa_sound.meters import BandMeter, Chunker

Name = Literal["written_silent", "written_hiss", "written_clipping", "written_stuck"]

STEP_MS: Final = 100
BATCH: Final = 5 * CHUNK
"""Samples judged at once: each wake-up has to come back into the processor's caches."""
SILENT_DBFS: Final = -55.0
"""Under it, in 300-3000 Hz and at full volume, there is nothing to hear from a horn."""
HISS_DBFS: Final = -50.0
HISS_FLATNESS: Final = 0.7
"""Over 500 ms: white noise 0.95, pink noise in the band 0.8, applause 0.6, speech under 0.3."""
CLIP_LEVEL: Final = 0.25
"""-12 dBFS: a flat top is looked for above it; below, 16 bits make flat tops of every low hum."""
CLIP_RUN: Final = 8
"""Equal samples in a row; a whole 30 Hz wave of `CLIP_LEVEL` in 16 bits has fewer at its top."""
_APART: Final = CLIP_RUN // 2
FULL_SCALE: Final = 0.9999
FULL_RUN: Final = 3
"""Equal samples at full scale in a row, the usual rule of mastering."""
STUCK_LEVEL: Final = 0.001
"""-60 dBFS: a constant above it is no silence."""
OFFSET_LEVEL: Final = 0.05
"""A mean of so much over half a second heats the coil of a driver, whatever sounds on top."""


@dataclass(frozen=True, slots=True)
class Change:
    """An alarm began, or is over."""

    name: Name
    active: bool
    reading: float
    """What was read last: dBFS for silence, flatness for hiss, else the share of bad steps."""


class Alarm:
    """Turn steps that are good or bad into a state, by their share in a window.

    Args:
        window: Steps that are remembered.
        begin: Bad steps among them at which the alarm begins.
        end: Bad steps among them at which it is over; below *begin*.
    """

    def __init__(self, window: int, begin: int, end: int) -> None:
        if not 0 <= end < begin <= window:
            raise ValueError(f"an alarm of {begin} that ends at {end}, of {window}")
        self._steps: deque[bool] = deque(maxlen=window)
        self._begin, self._end = begin, end
        self.active = False

    @property
    def share(self) -> float:
        """The share of bad steps in the window, 0 to 1."""
        return sum(self._steps) / (self._steps.maxlen or 1)

    def feed(self, *, bad: bool) -> bool:
        """Take a step; tell whether the state changed."""
        self._steps.append(bad)
        count = sum(self._steps)
        was = self.active
        self.active = count > self._end if was else count >= self._begin
        return self.active is not was

    def clear(self) -> bool:
        """Forget all steps; tell whether an alarm ended by that."""
        self._steps.clear()
        was, self.active = self.active, False
        return was


def _alarms() -> dict[Name, Alarm]:
    """Return the alarms with their times: HLT-2 wants silence told within 10 s."""
    return {
        "written_silent": Alarm(window=80, begin=80, end=75),
        "written_hiss": Alarm(window=50, begin=45, end=10),
        "written_clipping": Alarm(window=30, begin=10, end=1),
        "written_stuck": Alarm(window=20, begin=20, end=0),
    }


class WrittenMonitor:
    """Judge what is written, wherever it came from.

    Attributes:
        expects_sound: Something should be heard: silence is judged. It is not where nothing is
            played, where the programme itself is silent for a while, and where it is muted.
        is_declared: What sounds was declared a signal (test tone, siren): nothing is judged.
        volume_db: At which everything is played; silence is judged below it.
    """

    def __init__(self) -> None:
        self._mixed, self._chunks = Chunker(BATCH), Chunker(BATCH)
        self._meter = BandMeter()
        self._alarms = _alarms()
        self.expects_sound = False
        self.is_declared = False
        self.volume_db = 0.0

    @property
    def active(self) -> tuple[Name, ...]:
        """The alarms that stand."""
        return tuple(name for name, alarm in self._alarms.items() if alarm.active)

    def mix(self, block: Samples) -> list[Change]:
        """Take the next samples as they come to the limiter, which would hide what is clipped."""
        batch = self._mixed.whole(block)
        if self.is_declared or not len(batch):
            return []
        may = may_have_flat_top(batch)
        changes: list[Change] = []
        for step in batch.reshape(-1, CHUNK):
            changes += self._feed("written_clipping", may and has_flat_top(step))
        return changes

    def feed(self, block: Samples) -> list[Change]:
        """Take the next samples that were written; return what changes."""
        changes: list[Change] = []
        for batch in self._chunks.feed(block):
            changes += self._judge(batch)
        return changes

    def _judge(self, batch: Samples) -> list[Change]:
        if self.is_declared:
            ended = [name for name, alarm in self._alarms.items() if alarm.clear()]
            return [Change(name, False, 0.0) for name in ended]
        steps = batch.reshape(-1, CHUNK)
        tops, bottoms = steps.max(axis=1), steps.min(axis=1)
        levels = self._meter.feed(batch)
        flatness = sum(level.flatness for level in levels) / len(levels)
        is_offset = abs(float(batch.mean())) > OFFSET_LEVEL
        changes: list[Change] = []
        for top, bottom, level in zip(tops.tolist(), bottoms.tolist(), levels, strict=True):
            stuck = top == bottom and abs(top) > STUCK_LEVEL
            changes += self._feed("written_stuck", stuck or is_offset)
            hissing = flatness > HISS_FLATNESS and level.rms_dbfs > HISS_DBFS
            changes += self._feed("written_hiss", hissing, flatness)
            changes += self._judge_silence(level.rms_dbfs)
        return changes

    def _judge_silence(self, rms_dbfs: float) -> list[Change]:
        if self.expects_sound:
            is_silent = rms_dbfs < SILENT_DBFS + min(0.0, self.volume_db)
            return self._feed("written_silent", is_silent, rms_dbfs)
        ended = self._alarms["written_silent"].clear()
        return [Change("written_silent", False, rms_dbfs)] if ended else []

    def _feed(self, name: Name, bad: bool, reading: float | None = None) -> list[Change]:
        alarm = self._alarms[name]
        if not alarm.feed(bad=bad):
            return []
        return [Change(name, alarm.active, alarm.share if reading is None else reading)]


def may_have_flat_top(sound: Samples) -> bool:
    """Tell in haste where no flat top can be: each holds two equal samples, four apart."""
    few = sound[::_APART]
    equal = few[1:] == few[:-1]
    if equal.any() and bool(np.any(np.abs(few[1:][equal]) >= CLIP_LEVEL)):
        return True
    return float(np.abs(sound).max()) >= FULL_SCALE


def has_flat_top(sound: Samples) -> bool:
    """Tell whether a wave was cut off: at full scale, or where it was before a volume lowered it.

    A constant is no wave. A lossy codec rounds the tops off again; what was clipped before that is
    found when a file is measured for publication, not here.
    """
    if max(float(sound.max()), -float(sound.min())) < CLIP_LEVEL:
        return False
    size = np.abs(sound[1:])
    same = sound[1:] == sound[:-1]
    if same.all():
        return False
    at_end = same & (size >= FULL_SCALE)
    return _has_run(at_end, FULL_RUN - 1) or _has_run(same & (size >= CLIP_LEVEL), CLIP_RUN - 1)


def _has_run(marks: NDArray[np.bool_], length: int) -> bool:
    """Tell whether *length* marks stand in a row."""
    at = np.flatnonzero(marks)
    if len(at) < length:
        return False
    return bool(np.any(at[length - 1 :] - at[: len(at) - length + 1] == length - 1))
