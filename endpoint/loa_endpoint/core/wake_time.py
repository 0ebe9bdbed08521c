"""An amplifier's wake time, out of what a sensor read of a steady tone while it woke.

A line board tells the RMS over the second before. A tone that began at *w* fills the share
(t - w) / 1 s of the second before *t*, and a share of the time is the same share of the power: with
V the reading and V1 that of the whole tone, ``w = t - 1 s * (V / V1)^2``. Each reading on the way
up tells *w* anew. An amplifier that fades in is found at its full level instead: a second that was
not whole at *t* had sound missing after ``t - 1 s``. A microphone is a sensor with a short window.

Pure: instants are ms since the wake command, negative before it.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

STEP_MS: Final = 50
"""The wake time of the settings is rounded up to this."""
_SLOPE: Final = (0.1, 0.9)
"""A share between these is told well by a reading; near the ends by its noise alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """What reads the tone.

    Attributes:
        name: Stable, for programs.
        window_ms: Its readings are RMS over so long.
        least: Less than this is no tone, in the sensor's own unit.
        settle_ms: The tone is full when all readings over so long are steady.
        steady: Readings of one tone are none below this share of its power.
        whole: A reading under this share of the lowest of the full tone lacks some of it.
    """

    name: str
    window_ms: int
    least: int
    settle_ms: int
    steady: float
    whole: float


CURRENT: Final = Sensor(
    name="line_current", window_ms=1000, least=10, settle_ms=1500, steady=0.75, whole=0.97
)
"""In mA. Of less than 10 a reading in whole mA tells too little; then there is the voltage."""
VOLTAGE: Final = Sensor(
    name="line_voltage", window_ms=1000, least=200, settle_ms=1500, steady=0.75, whole=0.97
)
"""In mV."""
MICROPHONE: Final = Sensor(
    name="microphone", window_ms=20, least=200, settle_ms=600, steady=0.25, whole=0.5
)
"""In millionths of full scale; in the open no tone stands still."""
_QUIET: Final = 0.1  # of the power of the full tone
_CALM: Final = 2 / 3
"""Of the time to settle: what came before may not have been the full tone yet."""


@dataclass(frozen=True, slots=True)
class Level:
    """One reading: the level of the window that ended at *at_ms*."""

    at_ms: int
    level: int


@dataclass(frozen=True, slots=True)
class Wake:
    """One wake.

    Attributes:
        wake_ms: From the command to the full level.
        doubt_ms: How far off that may be: what the readings differ, and the time between two.
        standby: Share of the full power that was there before the command.
    """

    wake_ms: int
    doubt_ms: int
    standby: float

    @property
    def sounds_in_standby(self) -> bool:
        """Whether too much was there before the command: that is no standby."""
        return self.standby > _QUIET


@dataclass(frozen=True, slots=True)
class WakeTime:
    """What several wakes say together."""

    wakes: tuple[Wake, ...]

    @property
    def median_ms(self) -> int:
        """The wake in the middle."""
        return round(statistics.median(each.wake_ms for each in self.wakes))

    @property
    def worst_ms(self) -> int:
        """The longest."""
        return max(each.wake_ms for each in self.wakes)

    @property
    def doubt_ms(self) -> int:
        """The doubt of the least certain one."""
        return max(each.doubt_ms for each in self.wakes)

    @property
    def option(self) -> int:
        """What goes into the settings: the worst, its doubt added, rounded up."""
        return -(-(self.worst_ms + self.doubt_ms) // STEP_MS) * STEP_MS


def find_wake(readings: Sequence[Level], sensor: Sensor) -> Wake | None:
    """Return the wake that *readings* show; None while the full tone does not stand yet.

    Args:
        readings: In rising order, some of them from before the command.
        sensor: What they come from.
    """
    if not readings or readings[0].at_ms > min(0, readings[-1].at_ms - sensor.settle_ms):
        return None
    end_ms = readings[-1].at_ms
    settled = [each.level for each in readings if each.at_ms >= end_ms - sensor.settle_ms]
    calm = [each.level for each in readings if each.at_ms >= end_ms - _CALM * sensor.settle_ms]
    full = statistics.median(calm)
    if full < sensor.least or (min(settled) / full) ** 2 < sensor.steady:
        return None
    shares = [(each.at_ms, (each.level / full) ** 2) for each in readings]
    standby = [share for at_ms, share in shares if at_ms <= 0][-1]
    whole = (min(calm) / full) ** 2 * sensor.whole
    missing = [number for number, (_, share) in enumerate(shares) if share < whole]
    if not missing:
        return Wake(0, 0, standby)
    return _wake(shares[: missing[-1] + 2], sensor.window_ms, standby)


def _wake(shares: Sequence[tuple[int, float]], window_ms: int, standby: float) -> Wake:
    """Return the wake from shares of which all but the last are on the way up to the full tone."""
    last_ms, whole_ms = shares[-2][0], shares[-1][0]
    near = [each for each in shares if each[0] > last_ms - window_ms]
    low, high = _SLOPE
    found = [at_ms - window_ms * share for at_ms, share in near if low <= share <= high]
    wake_ms = statistics.median(found) if found else float(whole_ms - window_ms)
    apart_ms = max((abs(each - wake_ms) for each in found), default=0.0)
    between_ms = max(later - sooner for (sooner, _), (later, _) in pairwise(near))
    wake_ms = max(wake_ms, last_ms - window_ms, 0.0)
    return Wake(round(wake_ms), round(apart_ms) + between_ms, standby)


class Lever:
    """An amplifier that sleeps when it is told to, and at no other time."""

    def __init__(self) -> None:
        self.is_asleep = self.is_muted = False

    def tick(self, now_ms: int) -> None:
        """Let time pass: it brings nothing about."""

    def next_deadline(self) -> int | None:
        """Return None: there is nothing to wait for."""

    def fell_asleep(self, now_ms: int) -> None:
        """Hear from itself that it sleeps: its bus wakes it again, if it should not."""
