"""The wake time of an amplifier out of what a line board or a microphone read of a steady tone."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.audio.tone_ear import PIECE, ToneEar
from loa_endpoint.core.wake_time import (
    CURRENT,
    MICROPHONE,
    STEP_MS,
    VOLTAGE,
    Level,
    Sensor,
    Wake,
    WakeTime,
    find_wake,
)
from loa_sound.blocks import RATE

END_MS = 12_000


def read(
    sensor: Sensor,
    *,
    wake_ms: float,
    fade_ms: float = 0.0,
    full: float,
    every_ms: int,
    first_ms: int = -1500,
    noise: random.Random | None = None,
) -> list[Level]:
    """Return the RMS of a tone that begins at *wake_ms* and fades in, as *sensor* reads it."""

    def energy(until_ms: float) -> float:
        in_fade = min(max(until_ms - wake_ms, 0.0), fade_ms)
        return (in_fade**3 / (3 * fade_ms**2) if fade_ms else 0.0) + max(
            until_ms - wake_ms - fade_ms, 0.0
        )

    readings = []
    for at_ms in range(first_ms, END_MS, every_ms):
        share = (energy(at_ms) - energy(at_ms - sensor.window_ms)) / sensor.window_ms
        spread = 1.0 if noise is None else noise.uniform(0.995, 1.005)
        readings.append(Level(at_ms, round(full * share**0.5 * spread)))
    return readings


def first_found(readings: list[Level], sensor: Sensor) -> Wake:
    """Return what is found as soon as it can be, reading by reading."""
    found = (find_wake(readings[:count], sensor) for count in range(1, len(readings) + 1))
    return next(each for each in found if each is not None)


@given(
    sensor=st.sampled_from((CURRENT, VOLTAGE, MICROPHONE)),
    wake_ms=st.floats(0, 8000),
    loud=st.floats(2, 1000),
    every_ms=st.integers(100, 400),
    first_ms=st.integers(-2000, -1000),
    seed=st.integers(0, 99),
)
def test_a_tone_that_is_there_at_once_is_found_within_the_doubt_that_is_told(
    sensor: Sensor, wake_ms: float, loud: float, every_ms: int, first_ms: int, seed: int
) -> None:
    every_ms = 20 if sensor is MICROPHONE else every_ms
    readings = read(
        sensor,
        wake_ms=wake_ms,
        full=sensor.least * loud,
        every_ms=every_ms,
        first_ms=first_ms,
        noise=random.Random(seed),
    )
    found = first_found(readings, sensor)
    assert abs(found.wake_ms - wake_ms) <= found.doubt_ms
    assert found.standby < 0.1


@given(
    wake_ms=st.floats(0, 3000),
    fade_ms=st.floats(1, 3000),
    every_ms=st.integers(100, 300),
    first_ms=st.integers(-2000, -1000),
)
def test_behind_an_amplifier_that_fades_in_the_settings_wait_until_half_of_the_level_is_there(
    wake_ms: float, fade_ms: float, every_ms: int, first_ms: int
) -> None:
    readings = read(
        VOLTAGE,
        wake_ms=wake_ms,
        fade_ms=fade_ms,
        full=5000,
        every_ms=every_ms,
        first_ms=first_ms,
    )
    option = WakeTime((first_found(readings, VOLTAGE),)).option
    assert wake_ms + fade_ms / 2 <= option <= wake_ms + fade_ms + 2 * every_ms + 300


def test_the_formula_of_the_page_is_what_each_reading_tells() -> None:
    readings = [Level(at, 0) for at in (-1250, -1000, -500, 0, 250)]
    readings += [Level(500, 2236), Level(750, 3873), Level(1000, 4743)]  # 20, 60 and 90 % of power
    readings += [Level(at, 5000) for at in range(1250, 3001, 250)]
    found = find_wake(readings, VOLTAGE)
    assert found == Wake(wake_ms=150, doubt_ms=400, standby=0.0)


def test_nothing_is_found_before_the_tone_stands_whole_and_none_that_is_too_faint() -> None:
    readings = read(CURRENT, wake_ms=400, full=50, every_ms=250)
    whole_ms = first_ms = None
    for count in range(1, len(readings)):
        if find_wake(readings[:count], CURRENT) is not None:
            first_ms = first_ms or readings[count - 1].at_ms
        if whole_ms is None and readings[count - 1].at_ms >= 1400:
            whole_ms = readings[count - 1].at_ms
    assert whole_ms is not None
    assert first_ms is not None
    assert whole_ms + 1000 <= first_ms <= whole_ms + 2000
    assert find_wake([], CURRENT) is None
    faint = read(CURRENT, wake_ms=400, full=8, every_ms=250)
    assert all(find_wake(faint[:count], CURRENT) is None for count in range(len(faint)))


def test_an_amplifier_that_sounds_in_standby_is_told_by_the_share_that_was_there_before() -> None:
    readings = read(VOLTAGE, wake_ms=-5000, full=5000, every_ms=250)
    assert find_wake(readings[:14], VOLTAGE) == Wake(0, 0, 1.0)


def test_the_settings_get_the_worst_with_its_doubt_rounded_up() -> None:
    found = WakeTime((Wake(310, 120, 0.0), Wake(352, 90, 0.0), Wake(300, 100, 0.0)))
    assert (found.median_ms, found.worst_ms, found.doubt_ms) == (310, 352, 120)
    assert found.option == 500 >= found.worst_ms + found.doubt_ms
    assert found.option % STEP_MS == 0


# --- the microphone


@pytest.mark.parametrize("burst", [PIECE // 3, PIECE, 5 * PIECE + 7])
def test_the_ear_tells_when_and_how_loud_its_pitch_is_and_hears_no_other(burst: int) -> None:
    tone = 0.02 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    tone[: RATE // 2] = 0.0
    other = 0.2 * np.sin(2 * np.pi * 1750 * np.arange(RATE) / RATE)
    data = np.rint((tone + other) * 32_767).astype("<i2").tobytes()
    ear, told = ToneEar(1000.0), list[tuple[int, int]]()
    for at in range(0, len(data), 2 * burst + 1):  # bursts end within a sample, too
        part = data[at : at + 2 * burst + 1]
        told += ear.hear(part, 5000 + (at + len(part)) / 2 / RATE * 1000)
    assert len(told) == RATE // PIECE
    levels = dict(told)
    assert [round(each, -1) for each, _ in told] == list(range(5020, 6001, 20))
    assert all(levels[at] < 2000 for at in levels if at <= 5500)
    assert all(levels[at] == pytest.approx(20_000, rel=0.05) for at in levels if at > 5530)
