"""Amplifier and loudspeaker line: from samples to volts and amperes.

Minimal: gain, wake-up and standby, mute, mains off. A sine at full scale gives the line's rated
voltage (100 V RMS on a 100 V line), so that a sample's peak is rated voltage × √2. It goes to sleep
by what it hears, or by command, and then only a command wakes it (`loa_hwsim.amplifier_port`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from loa_hwsim.faults import FaultPlan, Kind, Place
from loa_hwsim.noise import Samples, to_amplitude

_WAKE_DBFS: Final = -60.0  # a peak above this wakes the amplifier


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRating:
    """A constant-voltage line and all loudspeakers on it."""

    volts: float = 100.0
    watts: float = 100.0

    @property
    def impedance_ohm(self) -> float:
        """|Z| at 1 kHz: all loudspeakers in parallel, taking their rated power."""
        return self.volts**2 / self.watts


class Amplifier:
    """Tells the amplification of each piece of sound; sleeps when it hears nothing for long.

    Args:
        rating: Of the line it feeds.
        faults: ``amplifier_dead`` is mains off.
        wake_ms: From the first sound to the first volt.
        idle_ms: Quiet for so long, it goes to standby; None never sleeps.
    """

    def __init__(
        self,
        rating: LineRating,
        faults: FaultPlan,
        *,
        wake_ms: float = 300.0,
        idle_ms: float | None = None,
    ) -> None:
        self._peak_volts = rating.volts * math.sqrt(2)
        self._faults, self._wake_ms, self._idle_ms = faults, wake_ms, idle_ms
        self._awake_from_ms = 0.0  # powered up long ago
        self._heard_ms: float | None = None
        self._is_asleep = idle_ms is not None
        self._is_commanded = False
        self.is_muted = False

    @property
    def is_asleep(self) -> bool:
        """Whether it is in standby; one that wakes is not."""
        return self._is_asleep

    def command(self, *, is_asleep: bool, is_muted: bool, now_ms: float) -> None:
        """Obey its bus: standby or not, mute or not."""
        if self._is_asleep and not is_asleep:
            self._awake_from_ms = now_ms + self._wake_ms
        self._is_asleep, self.is_muted, self._is_commanded = is_asleep, is_muted, True

    def lose_power(self) -> None:
        """Begin anew, in standby where it is led by commands."""
        self._is_asleep, self.is_muted = True, self._is_commanded

    def is_dead(self, now_ms: float) -> bool:
        """Tell whether its mains are off."""
        standing = self._faults.standing(Place.AMPLIFIER, now_ms)
        return any(fault.kind is Kind.AMPLIFIER_DEAD for fault in standing)

    def at_the_horn(self, samples: Samples, start_ms: float) -> Samples:
        """Return what is left of *samples*, the first of which comes at *start_ms*: 0 or 1 each."""
        if self._is_asleep or self.is_muted or self.is_dead(start_ms):
            return samples * np.float32(0)
        instants = start_ms + np.arange(len(samples)) * (1000 / 48_000)
        whole: Samples = samples * (instants >= self._awake_from_ms).astype(np.float32)
        return whole

    def volts_per_full_scale(self, samples: Samples, now_ms: float) -> float:
        """Return what a sample of 1.0 becomes for *samples*, which end at *now_ms*."""
        if self.is_dead(now_ms):
            # it comes back as after power-up
            self._is_asleep = self._idle_ms is not None or self._is_commanded
            return 0.0
        if not self._is_commanded:
            self._watch(samples, now_ms)
        is_silent = self._is_asleep or self.is_muted or now_ms < self._awake_from_ms
        return 0.0 if is_silent else self._peak_volts

    def _watch(self, samples: Samples, now_ms: float) -> None:
        if len(samples) and float(abs(samples).max()) > to_amplitude(_WAKE_DBFS):
            self._heard_ms = now_ms
            if self._is_asleep:
                self._is_asleep, self._awake_from_ms = False, now_ms + self._wake_ms
        elif self._idle_ms is not None and self._heard_ms is not None:
            self._is_asleep |= now_ms - self._heard_ms >= self._idle_ms


class SpeakerLine:
    """The line behind the amplifier as its faults leave it."""

    def __init__(self, rating: LineRating, faults: FaultPlan) -> None:
        self._rating, self._faults = rating, faults

    @property
    def rated_ohm(self) -> float:
        """|Z| at 1 kHz of the whole and healthy line."""
        return self._rating.impedance_ohm

    def impedance_ohm(self, now_ms: float) -> float:
        """Return |Z| at 1 kHz: ``inf`` on an open line, under 1 ohm on a shorted one."""
        impedance = self._rating.impedance_ohm
        for fault in self._faults.standing(Place.LINE, now_ms):
            if fault.kind is Kind.LINE_OPEN:
                return math.inf
            if fault.kind is Kind.LINE_SHORT:
                return 0.4
            if fault.kind is Kind.LINE_DRIFT:
                impedance *= 1 + fault.number("percent") / 100
        return impedance

    def earth_kohm(self, now_ms: float) -> int | None:
        """Return the insulation to earth, None when better than can be measured."""
        for fault in self._faults.standing(Place.LINE, now_ms):
            if fault.kind is Kind.LINE_EARTH:
                return int(fault.number("kohm"))
        return None
