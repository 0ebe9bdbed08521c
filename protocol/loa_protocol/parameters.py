"""The parameters of the bearer fallback machine: names, units, ranges, defaults, wire numbers.

They travel inside the signed settings as a map of integers that holds only what differs from the
default, so that a default can be improved by a new release. What the numbers do is told by
``loa_endpoint.core.fallback``; this module only says which numbers are allowed.

Sources: "R" marks a number taken from what real devices do (Inovonics 541 and INOmini 674, DEVA
DB7012, Glensound SD1, Barix, Liquidsoap, redsea); the others are our proposals.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import ClassVar, Self

from loa_protocol.errors import MessageError

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


class ReturnMode(enum.IntEnum):
    """When a recovered better bearer is taken again."""

    BY_BEARER = 0  # leave cached media at an item's end or a pause, a stream at once
    ITEM_END = 1
    AUTO = 2
    MANUAL = 3


class SoundProfile(enum.IntEnum):
    """For which loudspeaker the sound is shaped."""

    FLAT = 0
    HORN = 1  # high-pass and compression


class SoundAction(enum.IntEnum):
    """What is done to an item about a fault of its sound; never to an alert."""

    TELL = 0
    LOWER = 1  # by 6 dB for each time, to the end of the item
    MUTE = 2  # to the end of the item


def _parameter(number: int, default: int, low: int, high: int) -> int:
    """Declare one parameter: wire number, default, and its range with both ends allowed."""
    return field(default=default, metadata={"number": number, "low": low, "high": high})


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackParameters:
    """All numbers of the fallback machine; levels are RF levels at the tuner's input.

    Raises:
        ValueError: A field is out of its range, or two fields contradict each other.
    """

    # FM carrier: two levels below the site's normal one, found at commissioning
    fm_baseline_cdbuv: int = _parameter(1, 0, 0, 12_000)  # 0 = not commissioned: floor rules
    fm_lo_below_cdb: int = _parameter(2, 1500, 300, 6000)
    fm_hi_below_cdb: int = _parameter(3, 800, 100, 6000)
    fm_floor_cdbuv: int = _parameter(4, 2000, 0, 8000)
    fm_fail_ms: int = _parameter(5, 5000, 500, 60_000)  # R
    fm_lost_ms: int = _parameter(6, 500, 100, 10_000)  # under the floor, and hissing
    fm_cci_max_permille: int = _parameter(7, 600, 50, 1000)  # co-channel or multipath
    fm_cci_fail_ms: int = _parameter(8, 10_000, 500, 120_000)
    # FM proof
    fm_pi_proof_count: int = _parameter(9, 3, 1, 20)  # R; certain lines of the signed PI
    fm_pi_mismatch_count: int = _parameter(10, 3, 1, 20)  # R; lines of another PI, not yet open
    fm_pi_absent_ms: int = _parameter(11, MINUTE_MS, 5000, 10 * MINUTE_MS)
    # the line to the tuner
    tuner_reopen_ms: int = _parameter(12, 1000, 300, 30_000)
    tuner_fail_ms: int = _parameter(13, 3000, 500, MINUTE_MS)
    # silence, measured from 300 to 3000 Hz
    silence_level_cdbfs: int = _parameter(14, -4000, -9000, -1000)  # R
    silence_fail_ms: int = _parameter(15, 20_000, 1000, 5 * MINUTE_MS)  # R
    silence_quiet_fail_ms: int = _parameter(16, MINUTE_MS, 1000, 10 * MINUTE_MS)  # R
    silence_emergency_fail_ms: int = _parameter(17, 5000, 500, MINUTE_MS)  # R
    silence_reset_ms: int = _parameter(18, 4000, 0, 30_000)  # R; sound that resets the count
    # hiss: noise-like sound while the level is under fm_hi
    noise_flatness_permille: int = _parameter(19, 600, 50, 1000)  # hiss 900, speech under 400
    noise_fail_ms: int = _parameter(20, 3000, 500, MINUTE_MS)
    # streams
    ip_starved_ms: int = _parameter(21, 3000, 100, MINUTE_MS)
    ip_no_bytes_ms: int = _parameter(22, 5000, 500, MINUTE_MS)
    ip_probe_min_ms: int = _parameter(23, 10_000, 1000, 10 * MINUTE_MS)  # R
    ip_probe_max_ms: int = _parameter(24, 180_000, 1000, HOUR_MS)  # R
    ip_probe_jitter_permille: int = _parameter(25, 200, 0, 500)
    # coming back
    ok_fm_ms: int = _parameter(26, 30_000, 1000, HOUR_MS)  # R
    ok_ip_ms: int = _parameter(27, 30_000, 1000, HOUR_MS)  # R
    ok_max_ms: int = _parameter(28, 300_000, 1000, 6 * HOUR_MS)
    dwell_ms: int = _parameter(29, 30_000, 0, HOUR_MS)
    flap_switches: int = _parameter(30, 4, 2, 100)
    flap_window_ms: int = _parameter(31, 10 * MINUTE_MS, MINUTE_MS, 24 * HOUR_MS)
    hold_ms: int = _parameter(32, 30 * MINUTE_MS, MINUTE_MS, 24 * HOUR_MS)
    return_mode: int = _parameter(33, ReturnMode.BY_BEARER, 0, max(ReturnMode))
    return_limit_ms: int = _parameter(34, 10 * MINUTE_MS, 0, 6 * HOUR_MS)
    # opening and joining
    acquire_ms: int = _parameter(35, 1000, 100, 30_000)
    fade_planned_ms: int = _parameter(36, 500, 0, 5000)
    fade_out_ms: int = _parameter(37, 20, 0, 1000)
    fade_in_ms: int = _parameter(38, 200, 0, 2000)
    blend_aligned_ms: int = _parameter(39, 1, 0, 20)  # wider apart: no blend, a cut with fades
    # how the output is shaped
    sound_profile: int = _parameter(40, SoundProfile.FLAT, 0, max(SoundProfile))
    squeal_action: int = _parameter(41, SoundAction.TELL, 0, max(SoundAction))
    # the amplifier: after so long without sound, outside all sessions, it goes to standby
    amplifier_idle_ms: int = _parameter(42, 10 * MINUTE_MS, MINUTE_MS, 24 * HOUR_MS)
    # what is done about clipping in what is written, and about an open or shorted line
    clipping_action: int = _parameter(43, SoundAction.TELL, 0, max(SoundAction))
    line_action: int = _parameter(44, SoundAction.TELL, 0, max(SoundAction))

    BELOW: ClassVar[tuple[tuple[str, str], ...]] = (
        ("fm_hi_below_cdb", "fm_lo_below_cdb"),
        ("fm_lost_ms", "fm_fail_ms"),
        ("tuner_reopen_ms", "tuner_fail_ms"),
        ("fm_fail_ms", "ok_fm_ms"),  # R: release time longer than trigger time
        ("fm_cci_fail_ms", "ok_fm_ms"),
        ("noise_fail_ms", "ok_fm_ms"),
        ("ip_starved_ms", "ok_ip_ms"),
        ("ip_no_bytes_ms", "ok_ip_ms"),
    )
    NOT_ABOVE: ClassVar[tuple[tuple[str, str], ...]] = (
        ("ok_fm_ms", "ok_max_ms"),
        ("ok_ip_ms", "ok_max_ms"),
        ("ip_probe_min_ms", "ip_probe_max_ms"),
    )

    def __post_init__(self) -> None:
        if faults := self._faults():
            raise ValueError("; ".join(faults))

    @property
    def fm_lo_cdbuv(self) -> int:
        """Below this the carrier is bad."""
        return max(self.fm_baseline_cdbuv - self.fm_lo_below_cdb, self.fm_floor_cdbuv)

    @property
    def fm_hi_cdbuv(self) -> int:
        """From this on the carrier is good again; always above :attr:`fm_lo_cdbuv`."""
        return self.fm_lo_cdbuv + self.fm_lo_below_cdb - self.fm_hi_below_cdb

    def to_map(self) -> dict[int, int]:
        """Return the parameters that differ from their defaults, by wire number."""
        pairs = ((each, int(getattr(self, each.name))) for each in fields(self))
        return {_number(each): value for each, value in pairs if value != each.default}

    @classmethod
    def from_map(cls, values: Mapping[int, int]) -> Self:
        """Take the defaults, changed by *values* (wire number to value).

        Raises:
            MessageError: Names every unknown number, value out of range and contradiction.
        """
        by_number = {_number(each): each for each in fields(cls)}
        faults: list[str] = []
        chosen: dict[str, int] = {}
        for key, value in values.items():
            parameter = None if isinstance(key, bool) else by_number.get(key)
            if parameter is None:
                faults.append(f"parameter {key!r:.20} is not known")
            else:
                faults += _range_faults(parameter, value)
                chosen[parameter.name] = value
        if not faults:
            try:
                return cls(**chosen)
            except ValueError as contradiction:
                faults = [str(contradiction)]
        raise MessageError("fallback: " + "; ".join(faults))

    def _faults(self) -> list[str]:
        faults = [
            fault
            for each in fields(self)
            for fault in _range_faults(each, getattr(self, each.name))
        ]
        for lower, upper in self.BELOW:
            if getattr(self, lower) >= getattr(self, upper):
                faults.append(f"{lower} must be below {upper}")
        for lower, upper in self.NOT_ABOVE:
            if getattr(self, lower) > getattr(self, upper):
                faults.append(f"{lower} must not be above {upper}")
        return faults


def _number(parameter: Field[int]) -> int:
    return int(parameter.metadata["number"])


def _range_faults(parameter: Field[int], value: object) -> list[str]:
    """Tell what is wrong with *value*; booleans are no integers here."""
    low, high = parameter.metadata["low"], parameter.metadata["high"]
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return []
    return [f"{parameter.name} must be from {low} to {high}, got {value!r:.20}"]


DEFAULTS = FallbackParameters()
