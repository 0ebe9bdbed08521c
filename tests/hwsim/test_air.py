"""What is on air at a moment, with and without faults, and how it hisses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_hwsim.air import EMPTY_DBUV, Air, Programme, Transmitter
from loa_hwsim.faults import Fault, FaultPlan, Kind, Place
from loa_hwsim.noise import Noise, Samples, noise_dbfs, programme_gain
from loa_protocol.rds import GROUP_MS, ClockTime, StationText, read_group

START_MS = 1_800_000_000_000
COUNTING = np.arange(1, 48_001, dtype=np.int16)  # each sample tells its own position
STATION = Transmitter(
    frequency_khz=91_000,
    pi=0x7301,
    ps="LOA",
    level_dbuv=60.0,
    programmes=(Programme(START_MS, COUNTING),),
)
NOISE = Noise(1)


def with_fault(kind: Kind, *, frequency_khz: int = 0, **numbers: float) -> Air:
    fault = Fault(
        kind=kind,
        place=Place.AIR,
        start_ms=START_MS + 1000,
        end_ms=START_MS + 2000,
        frequency_khz=frequency_khz,
        numbers=numbers,
    )
    return Air([STATION], faults=FaultPlan([fault]))


def rms_dbfs(sound: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(sound, dtype=np.float64)) + 1e-20))


def test_a_programme_begins_on_its_sample() -> None:
    sound = STATION.modulation(START_MS - 10, 960) * 32768
    assert list(sound[478:482]) == [0, 0, 1, 2]


@given(st.integers(0, 960), st.integers(1, 2000))
def test_blocks_of_a_programme_join_without_a_seam(after_ms: int, count: int) -> None:
    sound = STATION.modulation(START_MS + after_ms, count) * 32768
    first = after_ms * 48
    expected = np.zeros(count)
    part = COUNTING[first : first + count]
    expected[: len(part)] = part
    assert np.array_equal(sound, expected)


def test_a_programme_ends_where_the_next_begins() -> None:
    second = Programme(START_MS + 500, np.full(480, 7, np.int16))
    station = replace(STATION, programmes=(*STATION.programmes, second))
    sound = station.modulation(START_MS + 495, 960) * 32768
    assert sound[239] == 495 * 48 + 240
    assert set(sound[240:720]) == {7}
    assert not sound[720:].any()  # the first one does not come back


def test_an_empty_frequency_hisses_at_full_level() -> None:
    air = Air([STATION])
    assert air.reception(92_000, START_MS).level_dbuv == EMPTY_DBUV
    assert rms_dbfs(air.sound(92_000, START_MS, 9600, NOISE)) == pytest.approx(-15, abs=0.5)


def test_a_strong_station_is_quiet_in_its_pauses() -> None:
    assert rms_dbfs(Air([STATION]).sound(91_000, START_MS + 5000, 9600, NOISE)) < -65


@given(st.floats(-20, 120), st.floats(0, 30))
def test_noise_never_falls_when_the_level_does(level: float, less: float) -> None:
    assert noise_dbfs(level - less) >= noise_dbfs(level)
    assert programme_gain(level - less) <= programme_gain(level)


def test_below_the_threshold_the_hiss_buries_the_programme() -> None:
    assert noise_dbfs(20) == -24
    assert (noise_dbfs(10), programme_gain(8)) == (-15, 0)
    assert (noise_dbfs(60), programme_gain(20)) == (-70, 1)


def test_the_hiss_is_white_up_to_15_kilohertz() -> None:
    sound = NOISE.samples(96_000, -20)
    assert rms_dbfs(sound) == pytest.approx(-20, abs=0.2)
    power = np.abs(np.fft.rfft(sound)) ** 2
    bands = [power[2 * low : 2 * low + 4000].mean() for low in range(200, 12_000, 2000)]
    assert max(bands) / min(bands) < 1.5
    assert power[2 * 17_000 :].mean() < bands[0] / 1000


@pytest.mark.parametrize("at_ms", [999, 2000])
def test_outside_its_span_a_fault_changes_nothing(at_ms: int) -> None:
    air = with_fault(Kind.CARRIER_OFF)
    assert air.reception(91_000, START_MS + at_ms).level_dbuv == 60


def test_a_lost_carrier_leaves_an_empty_channel() -> None:
    air = with_fault(Kind.CARRIER_OFF)
    assert air.reception(91_000, START_MS + 1000).level_dbuv == EMPTY_DBUV
    assert rms_dbfs(air.sound(91_000, START_MS + 1000, 960, NOISE)) > -17


def test_a_fault_of_another_frequency_changes_nothing() -> None:
    air = with_fault(Kind.CARRIER_OFF, frequency_khz=95_000)
    assert air.reception(91_000, START_MS + 1500).level_dbuv == 60


def test_a_level_changes_at_once_or_along_a_ramp() -> None:
    at_once = with_fault(Kind.CARRIER_LEVEL, level_dbuv=20)
    assert at_once.reception(91_000, START_MS + 1000).level_dbuv == 20
    ramp = with_fault(Kind.CARRIER_LEVEL, level_dbuv=20, ramp_s=0.5)
    levels = [ramp.reception(91_000, START_MS + at).level_dbuv for at in (1000, 1250, 1500, 1900)]
    assert levels == [60, 40, 20, 20]


def test_programme_silence_leaves_the_carrier() -> None:
    air = with_fault(Kind.PROGRAMME_SILENCE)
    loud = replace(STATION, programmes=(Programme(START_MS, np.full(96_000, 9000, np.int16)),))
    air = Air([loud], faults=air._faults)
    assert air.reception(91_000, START_MS + 1500).level_dbuv == 60
    assert rms_dbfs(air.sound(91_000, START_MS + 900, 960, NOISE)) > -12
    assert rms_dbfs(air.sound(91_000, START_MS + 1500, 960, NOISE)) < -65


def test_hiss_comes_with_a_full_level() -> None:
    air = with_fault(Kind.HISS)
    assert air.reception(91_000, START_MS + 1500).level_dbuv == 60
    assert rms_dbfs(air.sound(91_000, START_MS + 1500, 9600, NOISE)) == pytest.approx(-18, abs=1)


def test_interference_is_told_and_heard() -> None:
    air = with_fault(Kind.INTERFERENCE, percent=80)
    assert air.reception(91_000, START_MS + 1500).cochannel_percent == 80
    assert rms_dbfs(air.sound(91_000, START_MS + 1500, 9600, NOISE)) == pytest.approx(-25, abs=1)


def group_at(air: Air, after_ms: float) -> int:
    group = air.group(91_000, int((START_MS + after_ms) / GROUP_MS))
    assert group is not None
    return group.pi


def test_another_pi_is_sent_while_the_fault_stands() -> None:
    air = with_fault(Kind.WRONG_PI, pi=0x1234)
    assert group_at(air, 500) == 0x7301
    assert group_at(air, 1500) == 0x1234
    assert group_at(air, 2500) == 0x7301


def test_rds_can_be_off() -> None:
    assert with_fault(Kind.RDS_OFF).group(91_000, int((START_MS + 1500) / GROUP_MS)) is None
    silent = Air([replace(STATION, rds=False)])
    assert silent.group(91_000, int(START_MS / GROUP_MS)) is None
    assert silent.group(92_000, int(START_MS / GROUP_MS)) is None


@pytest.mark.parametrize("seconds", [3600, -86_400 * 365])
def test_a_wrong_clock_is_sent_while_the_fault_stands(seconds: int) -> None:
    fault = Fault(
        kind=Kind.WRONG_CLOCK,
        place=Place.AIR,
        start_ms=START_MS + 60_000,
        end_ms=START_MS + 70_000,
        numbers={"seconds": seconds},
    )
    air = Air([STATION], faults=FaultPlan([fault]))
    told = []
    for index in range(int(START_MS / GROUP_MS), int((START_MS + 130_000) / GROUP_MS)):
        group = air.group(91_000, index)
        assert group is not None
        fact = read_group(group)
        if isinstance(fact, ClockTime):
            told.append(fact.minute.timestamp() - START_MS / 1000)
    assert told == [0, 60 + seconds, 120]


def test_name_and_text_are_sent_by_turns_and_whole() -> None:
    air = Air([replace(STATION, radiotext="loa")])
    first = int(START_MS / GROUP_MS) + 2  # past the minute
    kinds, station = [], StationText()
    for index in range(first, first + 9):
        group = air.group(91_000, index)
        assert group is not None
        kinds.append(group.kind)
        fact = read_group(group)
        assert fact is not None
        station.take(fact)
    assert set(kinds[first % 2 :: 2]) == {"0A"}
    assert set(kinds[1 - first % 2 :: 2]) == {"2A"}
    assert (station.name, station.text) == ("LOA", "loa")


def test_without_a_text_every_group_tells_the_name() -> None:
    air = Air([STATION])
    first = int(START_MS / GROUP_MS) + 2
    groups = [air.group(91_000, index) for index in range(first, first + 8)]
    assert {group.kind for group in groups if group} == {"0A"}
    assert {group.b & 3 for group in groups if group} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("stereo", "level", "pilot"), [(True, 60, True), (True, 10, False), (False, 60, False)]
)
def test_the_pilot_needs_a_stereo_station_and_a_carrier(
    stereo: bool, level: float, pilot: bool
) -> None:
    air = Air([replace(STATION, stereo=stereo, level_dbuv=level)])
    assert air.reception(91_000, START_MS).stereo is pilot


def test_receivers_agree_about_one_transmitter() -> None:
    air, other = Air([STATION]), Air([STATION])
    indexes = range(int(START_MS / GROUP_MS), int(START_MS / GROUP_MS) + 50)
    assert [air.group(91_000, n) for n in indexes] == [other.group(91_000, n) for n in indexes]
