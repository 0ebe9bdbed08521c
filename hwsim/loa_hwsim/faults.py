"""The faults that can befall the simulated hardware, and when: the script as a plan.

Pure: the file is read by :mod:`loa_hwsim.fault_file`, the faults are carried out by the devices
they name.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple


class Place(enum.StrEnum):
    """Where a fault strikes."""

    AIR = "air"
    TUNER = "tuner"
    BUS = "bus"
    BENCH = "bench"
    LINE = "line"
    AMPLIFIER = "amplifier"
    LINE_IN = "linein"
    MODEM = "modem"


class Kind(enum.StrEnum):
    """What goes wrong."""

    CARRIER_OFF = "carrier_off"
    CARRIER_LEVEL = "carrier_level"
    WRONG_PI = "wrong_pi"
    WRONG_CLOCK = "wrong_clock"
    RDS_OFF = "rds_off"
    PROGRAMME_SILENCE = "programme_silence"
    HISS = "hiss"
    INTERFERENCE = "interference"
    TUNER_UNPLUG = "tuner_unplug"
    TUNER_MUTE = "tuner_mute"
    TUNER_RESET = "tuner_reset"
    LINE_OPEN = "line_open"
    LINE_SHORT = "line_short"
    LINE_EARTH = "line_earth"
    LINE_DRIFT = "line_drift"
    AMPLIFIER_DEAD = "amplifier_dead"
    LINEIN_SILENCE = "linein_silence"
    CABLE_UNPLUG = "cable_unplug"
    MODEM_UNPLUG = "modem_unplug"
    MODEM_MUTE = "modem_mute"
    SIM_REMOVED = "sim_removed"
    GARBAGE = "garbage"
    SLOW_LINE = "slow_line"
    ECHO = "echo"


class Range(NamedTuple):
    """The allowed values of a number of a fault; without a default it must be given."""

    low: float
    high: float
    default: float | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Where a kind can strike, what numbers it takes, and whether it is over at once."""

    places: tuple[Place, ...]
    numbers: Mapping[str, Range] = field(default_factory=dict)
    is_momentary: bool = False


_SERIAL: Final = (Place.TUNER, Place.BUS, Place.BENCH, Place.MODEM)
FREQUENCY: Final = Range(50_000, 120_000, 0)  # absent: every transmitter

_AIR: Final = (Place.AIR,)
RULES: Final[Mapping[Kind, Rule]] = {
    Kind.CARRIER_OFF: Rule(_AIR),
    Kind.CARRIER_LEVEL: Rule(_AIR, {"level_dbuv": Range(-20, 120), "ramp_s": Range(0, 3600, 0)}),
    Kind.WRONG_PI: Rule(_AIR, {"pi": Range(0, 0xFFFF)}),
    Kind.WRONG_CLOCK: Rule(_AIR, {"seconds": Range(-1e9, 1e9)}),
    Kind.RDS_OFF: Rule(_AIR),
    Kind.PROGRAMME_SILENCE: Rule(_AIR),
    Kind.HISS: Rule(_AIR, {"level_dbfs": Range(-80, 0, -18)}),
    Kind.INTERFERENCE: Rule(_AIR, {"percent": Range(1, 100)}),
    Kind.TUNER_UNPLUG: Rule((Place.TUNER,)),
    Kind.TUNER_MUTE: Rule((Place.TUNER,)),
    Kind.TUNER_RESET: Rule((Place.TUNER,), is_momentary=True),
    Kind.LINE_OPEN: Rule((Place.LINE,)),
    Kind.LINE_SHORT: Rule((Place.LINE,)),
    Kind.LINE_EARTH: Rule((Place.LINE,), {"kohm": Range(0, 60_000, 5)}),
    Kind.LINE_DRIFT: Rule((Place.LINE,), {"percent": Range(-90, 500)}),
    Kind.AMPLIFIER_DEAD: Rule((Place.AMPLIFIER,)),
    Kind.LINEIN_SILENCE: Rule((Place.LINE_IN,)),
    Kind.CABLE_UNPLUG: Rule((Place.BENCH,)),
    Kind.MODEM_UNPLUG: Rule((Place.MODEM,)),
    Kind.MODEM_MUTE: Rule((Place.MODEM,)),
    Kind.SIM_REMOVED: Rule((Place.MODEM,)),
    Kind.GARBAGE: Rule(_SERIAL, {"bytes": Range(1, 4096, 16)}, is_momentary=True),
    Kind.SLOW_LINE: Rule(_SERIAL, {"factor": Range(1, 1000, 10)}),
    Kind.ECHO: Rule((Place.BUS, Place.BENCH)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault with its time span; *end_ms* None lasts for ever."""

    kind: Kind
    place: Place
    start_ms: int
    end_ms: int | None = None
    frequency_khz: int = 0  # 0 = every transmitter
    numbers: Mapping[str, float] = field(default_factory=dict)

    def number(self, name: str) -> float:
        """Return a number of the fault, or its default.

        Raises:
            KeyError: The kind has no such number, or it has no default and was not given.
        """
        if name in self.numbers:
            return self.numbers[name]
        default = RULES[self.kind].numbers[name].default
        if default is None:
            raise KeyError(name)
        return default

    def is_active(self, now_ms: float) -> bool:
        """Tell whether the fault stands at *now_ms*; its end is no longer part of it."""
        return self.start_ms <= now_ms and (self.end_ms is None or now_ms < self.end_ms)


class Change(NamedTuple):
    """A fault begins (*begins* true) or is over."""

    when_ms: int
    begins: bool
    fault: Fault


class FaultPlan:
    """All faults of a run: which stand at a moment, and what changes next."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        self._air = tuple(fault for fault in faults if fault.place is Place.AIR)
        changes = [Change(fault.start_ms, True, fault) for fault in faults]
        changes += [
            Change(fault.end_ms, False, fault)
            for fault in faults
            if fault.end_ms is not None and not RULES[fault.kind].is_momentary
        ]
        self._changes = sorted(changes, key=lambda change: (change.when_ms, change.begins))
        self._done = 0

    def on_air(self, frequency_khz: int, now_ms: float) -> list[Fault]:
        """Return the faults of a frequency that stand at *now_ms*, in the order of the script."""
        return [
            fault
            for fault in self._air
            if fault.frequency_khz in (0, frequency_khz) and fault.is_active(now_ms)
        ]

    def standing(self, place: Place, now_ms: float) -> list[Fault]:
        """Return the faults of *place* that stand at *now_ms*, in the order of the script."""
        return [fault for fault in self.faults if fault.place is place and fault.is_active(now_ms)]

    def take_changes(self, now_ms: float) -> list[Change]:
        """Return what began or ended up to *now_ms* and was not told before, oldest first."""
        begin = self._done
        while self._done < len(self._changes) and self._changes[self._done].when_ms <= now_ms:
            self._done += 1
        return self._changes[begin : self._done]

    def next_change_ms(self) -> int | None:
        """Return when :meth:`take_changes` will have something again."""
        return self._changes[self._done].when_ms if self._done < len(self._changes) else None
