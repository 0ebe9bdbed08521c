from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.core.silence import SilenceGauge


def hear(gauge: SilenceGauge, pattern: str, *, since_ms: int = 0, step_ms: int = 100) -> int:
    """Feed one reading per letter, ``s`` for sound and ``.`` for silence; return the last time."""
    for letter in pattern:
        since_ms += step_ms
        gauge.feed(letter == ".", since_ms)
    return since_ms


def gauge() -> SilenceGauge:
    fresh = SilenceGauge(20_000, 4000)
    fresh.feed(False, 0)
    return fresh


def test_ten_seconds_of_silence_are_suspect_when_twenty_are_a_failure() -> None:
    subject = gauge()
    at_ms = hear(subject, "s" * 100 + "." * 99)
    assert not subject.is_silent
    hear(subject, ".", since_ms=at_ms)
    assert subject.is_silent


def test_silence_from_the_very_start_takes_as_long() -> None:
    subject = gauge()
    at_ms = hear(subject, "." * 99)
    assert not subject.is_silent
    hear(subject, ".", since_ms=at_ms)
    assert subject.is_silent


@pytest.mark.parametrize("speech", ["sss.", "s.", "ssssssss....", "s" * 30 + "." * 30])
def test_speech_with_its_pauses_is_never_silent(speech: str) -> None:
    subject = gauge()
    at_ms = 0
    for _ in range(1000 // len(speech)):
        at_ms = hear(subject, speech, since_ms=at_ms)
        assert not subject.is_silent


@pytest.mark.parametrize("clicks", ["s" + "." * 29, "sss" + "." * 17])
def test_clicks_do_not_keep_a_dead_programme_alive(clicks: str) -> None:
    subject = gauge()
    hear(subject, clicks * 20)
    assert subject.is_silent
    assert not subject.is_sounding


def test_a_dead_programme_is_alive_again_after_four_seconds_of_sound_in_all() -> None:
    subject = gauge()
    at_ms = hear(subject, "." * 300)
    at_ms = hear(subject, "ssss.." * 9, since_ms=at_ms)
    assert not subject.is_sounding
    hear(subject, "ssss", since_ms=at_ms)
    assert subject.is_sounding


def test_an_impatient_gauge_asks_for_less_sound() -> None:
    subject = SilenceGauge(5000, 4000)
    subject.feed(False, 0)
    hear(subject, "ss.." * 30)
    assert not subject.is_silent
    hear(subject, "." * 26, since_ms=12_000)
    assert subject.is_silent


def test_time_that_nobody_measured_is_neither_sound_nor_silence() -> None:
    subject = gauge()
    subject.feed(True, 60_000)
    assert not subject.is_silent
    assert not SilenceGauge(20_000, 4000).is_sounding


def test_clearing_forgets_the_silence() -> None:
    subject = gauge()
    hear(subject, "." * 150)
    subject.clear()
    subject.feed(True, 15_100)
    assert not subject.is_silent


@given(st.lists(st.booleans(), max_size=400), st.integers(10, 900))
def test_it_agrees_with_counting_every_reading_of_the_window(
    readings: list[bool], step_ms: int
) -> None:
    subject, now_ms = gauge(), 0
    heard: list[tuple[int, bool]] = []
    for is_silent in readings:
        now_ms += step_ms
        subject.feed(is_silent, now_ms)
        heard.append((now_ms, is_silent))
        begin_ms = now_ms - 14_000
        silent_ms = sum(
            end_ms - max(end_ms - step_ms, begin_ms)
            for end_ms, silent in heard
            if silent and end_ms > begin_ms
        )
        assert subject.is_silent is (silent_ms >= 10_000)
