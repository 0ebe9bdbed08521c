"""What is on air: transmitters with carriers, RDS and real programmes, and what befalls them.

Pure functions of time: whoever asks twice for the same moment hears the same, so that several
receivers agree about one transmitter. Reading files is :mod:`loa_hwsim.air_file`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loa_hwsim.faults import Fault, FaultPlan, Kind
from loa_hwsim.noise import Noise, Samples, noise_dbfs, programme_gain
from loa_protocol.rds import (
    GROUP_MS,
    NAME_SEGMENTS,
    Group,
    clock_group,
    name_group,
    text_group,
    text_segments,
)

RATE: Final = 48_000
SAMPLES_PER_MS: Final = RATE // 1000
EMPTY_DBUV: Final = 2.0  # what a tuner reads on an empty channel
MINUTE_MS: Final = 60_000
RDS_SYNC_DBUV: Final = 17.0  # below, a decoder finds no groups
_FULL_SCALE: Final = 1 / 32768


@dataclass(frozen=True, slots=True)
class Programme:
    """A piece of sound that a transmitter begins to send at *start_ms* (unix milliseconds)."""

    start_ms: int
    samples: NDArray[np.int16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transmitter:
    """A station on a frequency; *level_dbuv* is what reaches the tuner's input."""

    frequency_khz: int
    pi: int
    ps: str
    level_dbuv: float
    radiotext: str = ""
    stereo: bool = False
    rds: bool = True
    utc_offset: timedelta = timedelta(hours=7)
    programmes: tuple[Programme, ...] = ()  # in the order of their start

    def modulation(self, start_ms: float, count: int) -> Samples:
        """Return *count* samples of the programme from *start_ms* on; silence between pieces.

        A piece ends where the next begins.
        """
        sound = np.zeros(count, dtype=np.float32)
        for piece in self.programmes:
            first = round((start_ms - piece.start_ms) * SAMPLES_PER_MS)
            begin, end = max(-first, 0), min(len(piece.samples) - first, count)
            if begin < count:
                sound[begin:] = 0.0
            if begin < end:
                sound[begin:end] = piece.samples[first + begin : first + end]
        return sound * np.float32(_FULL_SCALE)


@dataclass(frozen=True, slots=True)
class Reception:
    """What a tuner finds on a frequency at a moment; *cochannel_percent* is 0 when undisturbed."""

    level_dbuv: float
    stereo: bool = False
    cochannel_percent: int = 0


class Air:
    """All transmitters within reach, and the scripted faults that change them."""

    def __init__(
        self, transmitters: Sequence[Transmitter], *, faults: FaultPlan | None = None
    ) -> None:
        self._by_frequency = {each.frequency_khz: each for each in transmitters}
        self._faults = faults or FaultPlan(())

    def reception(self, frequency_khz: int, now_ms: float) -> Reception:
        """Return level, pilot and disturbance on *frequency_khz*."""
        transmitter = self._by_frequency.get(frequency_khz)
        if transmitter is None:
            return Reception(EMPTY_DBUV)
        level, disturbed = transmitter.level_dbuv, 0
        for fault in self._faults.on_air(frequency_khz, now_ms):
            if change := _LEVEL_FAULTS.get(fault.kind):
                level = change(fault, level, now_ms)
            elif fault.kind is Kind.INTERFERENCE:
                disturbed = int(fault.number("percent"))
        level = max(level, EMPTY_DBUV)
        return Reception(level, transmitter.stereo and level > RDS_SYNC_DBUV, disturbed)

    def sound(self, frequency_khz: int, start_ms: float, count: int, noise: Noise) -> Samples:
        """Return what a receiver tuned to *frequency_khz* puts out, within full scale.

        The level is looked at once for the block: keep blocks short (20 ms).
        """
        found = self.reception(frequency_khz, start_ms)
        heard = noise.samples(count, self._noise_dbfs(frequency_khz, start_ms, found))
        transmitter = self._by_frequency.get(frequency_khz)
        active = {fault.kind for fault in self._faults.on_air(frequency_khz, start_ms)}
        gain = programme_gain(found.level_dbuv)
        if transmitter and gain and Kind.PROGRAMME_SILENCE not in active:
            heard += np.float32(gain) * transmitter.modulation(start_ms, count)
        return np.clip(heard, -1.0, 1.0)

    def group(self, frequency_khz: int, index: int) -> Group | None:
        """Return the RDS group number *index* since 1970 as sent, None when none is sent.

        Groups are sent back to back, each of ``GROUP_MS``: name and text by turns, and clock-time
        in the group during which a minute begins.
        """
        transmitter = self._by_frequency.get(frequency_khz)
        end_ms = (index + 1) * GROUP_MS
        active = {fault.kind: fault for fault in self._faults.on_air(frequency_khz, end_ms)}
        if transmitter is None or not transmitter.rds or Kind.RDS_OFF in active:
            return None
        pi = transmitter.pi
        if wrong := active.get(Kind.WRONG_PI):
            pi = int(wrong.number("pi"))
        minute = end_ms // MINUTE_MS
        if minute > (end_ms - GROUP_MS) // MINUTE_MS:
            late_s = active[Kind.WRONG_CLOCK].number("seconds") if Kind.WRONG_CLOCK in active else 0
            moment = datetime.fromtimestamp(minute * 60 + late_s, UTC)
            return clock_group(pi, moment, transmitter.utc_offset)
        turn = index // 2
        if index % 2 and transmitter.radiotext:
            segment = turn % text_segments(transmitter.radiotext)
            return text_group(pi, segment, transmitter.radiotext)
        return name_group(pi, turn % NAME_SEGMENTS, transmitter.ps)

    def _noise_dbfs(self, frequency_khz: int, now_ms: float, found: Reception) -> float:
        loudest = noise_dbfs(found.level_dbuv)
        for fault in self._faults.on_air(frequency_khz, now_ms):
            if fault.kind is Kind.HISS:
                loudest = max(loudest, fault.number("level_dbfs"))
            elif fault.kind is Kind.INTERFERENCE:
                # half disturbed is plainly audible, fully disturbed is as loud as no carrier
                loudest = max(loudest, -15.0 - (100 - fault.number("percent")) * 0.5)
        return loudest


def _ramped_level(fault: Fault, level: float, now_ms: float) -> float:
    """Return the level that a ``carrier_level`` fault has reached; it ramps if it says so."""
    target, ramp_ms = fault.number("level_dbuv"), fault.number("ramp_s") * 1000
    done = 1.0 if ramp_ms <= 0 else min((now_ms - fault.start_ms) / ramp_ms, 1.0)
    return level + (target - level) * done


_LEVEL_FAULTS: Final[dict[Kind, Callable[[Fault, float, float], float]]] = {
    Kind.CARRIER_OFF: lambda _fault, _level, _now: EMPTY_DBUV,
    Kind.CARRIER_LEVEL: _ramped_level,
}
