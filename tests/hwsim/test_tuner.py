"""The simulated tuner speaks as the firmware does, byte for byte, and as silently."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_tuner import fuzz
from loa_hwsim.air import Air, Programme, Transmitter
from loa_hwsim.device import Output
from loa_hwsim.faults import Fault, FaultPlan, Kind, Place
from loa_hwsim.tuner import Tuner
from loa_hwsim.xdr import (
    FM_DX_TUNER,
    FM_DX_TUNER_LEGACY_RDS,
    PiVote,
    hundredths,
    leading_number,
)
from loa_protocol.rds import ClockTime, Group, StationText, name_group, read_group

START_MS = 1_800_000_000_000
STATION = Transmitter(
    frequency_khz=91_000,
    pi=0x7301,
    ps="LANGSON",
    level_dbuv=48.0,
    radiotext="Đài truyền thanh xã",
)
TONE = (np.sin(np.arange(48_000 * 30) * 0.05) * 10_000).astype(np.int16)


def tuner(station: Transmitter = STATION, *faults: Fault, **settings: object) -> Tuner:
    air = Air([station], faults=FaultPlan(faults))
    return Tuner(air, **settings)  # type: ignore[arg-type]  # test convenience


def tuned(station: Transmitter = STATION, *faults: Fault, **settings: object) -> Tuner:
    """Return a tuner that has stood on the station's frequency since 300 ms after the start."""
    started = tuner(station, *faults, **settings)
    started.feed(b"x\n", START_MS)
    started.feed(b"T91000\n", START_MS + 300)
    return started


def said(outputs: list[Output]) -> bytes:
    return b"".join(output.data for output in outputs)


def on_air(kind: Kind, after_ms: int, length_ms: int | None = None, **numbers: float) -> Fault:
    begin = START_MS + after_ms
    end = None if length_ms is None else begin + length_ms
    return Fault(kind=kind, place=Place.AIR, start_ms=begin, end_ms=end, numbers=numbers)


def level_dbuv(line: bytes) -> float:
    match = re.match(rb"S[smSM](-?[0-9.]+),", line)
    assert match, line
    return float(match[1]) - 11.25


def lines(outputs: list[Output], first: bytes) -> list[tuple[float, bytes]]:
    return [(each.when_ms, each.data) for each in outputs if each.data.startswith(first)]


# -- commands ----------------------------------------------------------------------------------


def test_nothing_but_an_exact_x_starts_it() -> None:
    silent = tuner()
    assert silent.feed(b"T91000\nxx\nx \nX\n\n", START_MS) == []
    (hello,) = silent.feed(b"x\n", START_MS)
    assert hello.data == b"\nOK\n"
    assert hello.when_ms == START_MS + 240  # the chip is loaded meanwhile


def test_commands_typed_while_it_starts_are_answered_afterwards() -> None:
    outputs = tuner().feed(b"x\nY50\n", START_MS)
    assert [output.when_ms for output in outputs] == [START_MS + 240] * 2


def test_a_second_x_is_answered_at_once() -> None:
    (hello,) = tuned().feed(b"x\n", START_MS + 301)
    assert hello == Output(START_MS + 301, b"\nOK\n")


@pytest.mark.requirement("RAD-1")
@pytest.mark.parametrize(
    "command",
    [
        "T64990",
        "T27001",
        "T143",
        "T108010",
        "T",
        "Tx",
        "M2",
        "M-1",
        "D3",
        "D-1",
        "Y101",
        "Y-1",
        "B3",
        "I1001",
        "I-1",
        "Z0",
        "C1",
        "F5",
        "S",
        "Sm",
        "t91000",
        "?",
        "R",
    ],
)
def test_what_it_rejects_it_answers_with_nothing(command: str) -> None:
    device = tuned()
    assert device.feed(command.encode() + b"\n", START_MS + 301) == []
    assert device.rejected == [command.encode()]
    assert device.frequency_khz == 91_000


@pytest.mark.parametrize("command", ["W0", "A1", "V6"])
def test_before_a_band_is_chosen_the_chips_settings_are_rejected(command: str) -> None:
    device = tuner()
    device.feed(b"x\n", START_MS)
    assert device.feed(command.encode() + b"\n", START_MS + 300) == []


@pytest.mark.parametrize(
    ("command", "echo"),
    [
        ("T65000", "T65000,10\nV0\n"),
        ("T108000", "T108000,10\nV0\n"),
        ("T91009", "T91000,10\nV0\n"),
        ("T 91000kHz", "T91000,10\nV0\n"),
        ("T1000", "M1\nT1000,1\nV0\n"),
        ("T27000", "M1\nT27000,1\nV0\n"),
        ("T144", "M1\nT144,1\nV0\n"),
        ("Y100", "Y100\n"),
        ("I1000", "I1000\n"),
        ("M0", "M0\nT91000,10\n"),
        ("W114000", "W114000\n"),
        ("W1", "W56000\n"),
        ("W9999999", "W311000\n"),
        ("A7", "A7\n"),
        ("V40", "V36\n"),
        ("V2", "V0\n"),
        ("V3", "V6\n"),
        ("D", "D0\n"),
        ("Q-1", "Q4294967295\n"),
        ("Q30", "Q30\n"),
        ("I0", "I0\n"),
        ("G10", "G10\n"),
        ("Gany", "Gany\n"),
    ],
)
def test_what_it_obeys_it_echoes(command: str, echo: str) -> None:
    assert said(tuned().feed(command.encode() + b"\n", START_MS + 301)).decode() == echo


def test_of_a_long_command_the_first_15_characters_count() -> None:
    device = tuned()
    whole, clipped = b"T00000000091000", b"T000000000091000"
    assert said(device.feed(whole + b"\n", START_MS + 301)) == b"T91000,10\nV0\n"
    assert said(device.feed(whole + b"9" * 100 + b"\n", START_MS + 301)) == b"T91000,10\nV0\n"
    assert said(device.feed(clipped + b"\n", START_MS + 301)) == b"M1\nT9100,1\nV0\n"


def test_stop_silences_it_until_the_next_x() -> None:
    device = tuned()
    assert device.feed(b"X\n", START_MS + 301) == []
    assert device.advance(START_MS + 2000) == []
    assert device.next_deadline() is None
    assert device.feed(b"Y50\n", START_MS + 2001) == []


def test_a_reset_forgets_the_frequency() -> None:
    device = tuned()
    device.power_cycle(START_MS + 1000)
    assert device.frequency_khz == 0
    assert device.next_deadline() is None
    assert device.feed(b"T91000\n", START_MS + 1001) == []


def test_while_it_boots_it_hears_nothing() -> None:
    device = tuner(boot_ms=1500)
    device.power_cycle(START_MS)
    assert device.feed(b"x\n", START_MS + 1499) == []
    assert said(device.feed(b"x\n", START_MS + 1500)) == b"\nOK\n"


@given(st.lists(st.sampled_from([b"x", b"T91000", b"D9", b"Y5", b"Q-1"]), max_size=8), st.data())
def test_any_chunking_gives_the_same_echoes(commands: list[bytes], data: st.DataObject) -> None:
    wire = b"".join(command + b"\n" for command in commands)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=5)))
    whole, pieces = QUIET[0], QUIET[1]
    for device in QUIET:
        device.power_cycle(START_MS)
    at_once = said(whole.feed(wire, START_MS))
    chunks = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert said([o for chunk in chunks for o in pieces.feed(chunk, START_MS)]) == at_once


QUIET = (tuner(), tuner())  # making a tuner's noise takes a while


@given(st.binary(max_size=200))
def test_any_bytes_are_survived(data: bytes) -> None:
    fuzz(data)


# -- reception ---------------------------------------------------------------------------------


@pytest.mark.requirement("RAD-1")
def test_a_quality_line_comes_every_66_milliseconds() -> None:
    outputs = tuned().advance(START_MS + 1300)
    times = [when for when, _ in lines(outputs, b"S")]
    assert times[0] >= START_MS + 306
    assert {b - a for a, b in pairwise(times)} == {66.0}


def test_the_interval_can_be_changed() -> None:
    device = tuned()
    device.feed(b"I500\n", START_MS + 1000)
    times = [when for when, _ in lines(device.advance(START_MS + 2400), b"S")]
    assert times == [START_MS + 1500, START_MS + 2000]


def test_the_level_is_in_dbf() -> None:
    levels = [level_dbuv(line) for _, line in lines(tuned().advance(START_MS + 3000), b"S")]
    assert max(levels) - min(levels) > 0.05  # it flutters
    assert sum(levels) / len(levels) == pytest.approx(48.0, abs=0.1)


def test_an_empty_frequency_has_hardly_any_level() -> None:
    device = tuned()
    device.feed(b"T95000\n", START_MS + 400)
    _, line = lines(device.advance(START_MS + 1000), b"S")[-1]
    assert level_dbuv(line) < 5


def test_pilot_and_forced_mono_are_told_by_a_letter() -> None:
    device = tuned(replace(STATION, stereo=True))
    assert lines(device.advance(START_MS + 400), b"Ss")
    device.feed(b"B1\n", START_MS + 401)
    assert lines(device.advance(START_MS + 600), b"SS")
    mono = tuned()
    assert lines(mono.advance(START_MS + 400), b"Sm")
    mono.feed(b"B1\n", START_MS + 401)
    assert lines(mono.advance(START_MS + 600), b"SM")


def test_a_fixed_filter_hides_the_adjacent_channel() -> None:
    device = tuned()
    assert lines(device.advance(START_MS + 400), b"S")[0][1].endswith(b",0,0,-1\n")
    device.feed(b"W97000\n", START_MS + 401)
    assert lines(device.advance(START_MS + 600), b"S")[0][1].endswith(b",0,-1,-1\n")


def test_a_lost_carrier_shows_in_the_level_within_100_milliseconds() -> None:
    device = tuned(STATION, on_air(Kind.CARRIER_OFF, 2000))
    told = lines(device.advance(START_MS + 3000), b"S")
    before = [level_dbuv(line) for when, line in told if when < START_MS + 2000]
    after = [level_dbuv(line) for when, line in told if when > START_MS + 2101]
    assert min(before) > 47
    assert max(after) < 3


def test_interference_shows_as_co_channel() -> None:
    device = tuned(STATION, on_air(Kind.INTERFERENCE, 1000, percent=70))
    assert lines(device.advance(START_MS + 1200), b"S")[-1][1].split(b",")[1] == b"70"


@given(st.integers(-3000, 12_000))
def test_levels_are_printed_without_trailing_zeros(value: int) -> None:
    text = hundredths(value)
    assert round(float(text) * 100) == value
    assert "." not in text or not text.endswith(("0", "."))


@pytest.mark.parametrize(
    ("value", "text"),
    [(5875, "58.75"), (5870, "58.7"), (5800, "58"), (5, "0.05"), (-5, "-0.05"), (0, "0")],
)
def test_known_levels_are_printed_as_the_firmware_does(value: int, text: str) -> None:
    assert hundredths(value) == text


@given(st.binary(max_size=14))
def test_numbers_are_read_as_far_as_they_are_digits(text: bytes) -> None:
    match = re.match(rb"[ \t\r\v\f]*([+-]?[0-9]+)", text)
    assert leading_number(text) == (max(min(int(match[1]), 2**31 - 1), -(2**31)) if match else 0)


# -- RDS ---------------------------------------------------------------------------------------


def test_a_groups_line_comes_every_87_6_milliseconds() -> None:
    told = lines(tuned().advance(START_MS + 10_300), b"R")
    assert 110 <= len(told) <= 114
    gaps = [b[0] - a[0] for a, b in pairwise(told)]
    assert min(gaps) == pytest.approx(87.58, abs=0.01)
    assert max(gaps) == pytest.approx(87.58, abs=0.01)


@pytest.mark.requirement("RAD-2")
def test_name_text_and_clock_can_be_read_from_its_lines() -> None:
    station, clocks = StationText(), []
    for when, line in lines(tuned().advance(START_MS + 61_000), b"R"):
        fact = read_group(Group.from_hex(line[1:-1].decode()))
        assert fact is not None
        station.take(fact)
        if isinstance(fact, ClockTime):
            clocks.append((when, fact))
    assert (station.name, station.text) == ("LANGSON", "Dai truyen thanh xa")
    ((when, clock),) = clocks
    assert clock.minute == datetime(2027, 1, 15, 8, 1, tzinfo=UTC)
    assert 0 <= when - clock.minute.timestamp() * 1000 < 100  # the edge is the end of the group


def test_the_pi_is_certain_from_the_second_clean_group_on() -> None:
    told = [line for _, line in lines(tuned().advance(START_MS + 1000), b"P")]
    assert told[:3] == [b"P7301???\n", b"P7301\n", b"P7301\n"]


def test_another_pi_takes_over_while_both_are_on_the_ballot() -> None:
    device = tuned(STATION, on_air(Kind.WRONG_PI, 2000, pi=0x1234))
    told = [line for _, line in lines(device.advance(START_MS + 4000), b"P")]
    first = told.index(b"P1234???\n")
    assert set(told[first + 1 :]) == {b"P1234\n"}
    assert set(told[1:first]) == {b"P7301\n"}


def test_a_disturbed_station_loses_its_rds_before_its_level() -> None:
    device = tuned(replace(STATION, level_dbuv=30.0), on_air(Kind.INTERFERENCE, 0, percent=80))
    told = device.advance(START_MS + 3000)
    assert level_dbuv(lines(told, b"S")[-1][1]) > 29
    assert not lines(told, b"R")


def test_attenuation_lowers_level_and_rds() -> None:
    device = tuned(replace(STATION, level_dbuv=40.0))
    device.feed(b"V36\n", START_MS + 301)
    told = device.advance(START_MS + 3000)
    assert level_dbuv(lines(told, b"S")[-1][1]) == pytest.approx(4, abs=0.3)
    assert not lines(told, b"R")


def test_tuning_away_and_back_empties_the_ballot() -> None:
    device = tuned()
    device.advance(START_MS + 1000)
    device.feed(b"T95000\nT91000\n", START_MS + 1001)
    assert lines(device.advance(START_MS + 1400), b"P")[0][1] == b"P7301???\n"


def test_a_small_correction_of_the_frequency_keeps_the_ballot() -> None:
    device = tuned()
    device.advance(START_MS + 1000)
    device.feed(b"T91010\nT91000\n", START_MS + 1001)
    assert lines(device.advance(START_MS + 1400), b"P")[0][1] == b"P7301\n"


@pytest.mark.parametrize(
    ("ballot", "line"),
    [
        ("d", None),
        ("c", b"P7301???\n"),
        ("dd", b"P7301???\n"),
        ("ddd", b"P7301??\n"),
        ("cd", b"P7301?\n"),
        ("dc", b"P7301?\n"),
        ("cc", b"P7301\n"),
        ("cddddc", b"P7301\n"),
    ],
)
def test_the_doubt_about_a_pi_follows_the_votes(ballot: str, line: bytes | None) -> None:
    vote = PiVote()
    told = None
    for letter in ballot:
        errors = (0, 0, 0, 0) if letter == "c" else (1, 0, 0, 0)
        told = vote.take(replace(name_group(0x7301, 0, "X"), errors=errors))
    assert told == line


def test_a_vote_is_forgotten_after_64_groups() -> None:
    vote = PiVote()
    for _ in range(2):
        vote.take(name_group(0x7301, 0, "X"))
    for _ in range(63):
        vote.take(name_group(0x1234, 0, "X"))
    assert vote.take(name_group(0x7301, 0, "X")) == b"P7301???\n"
    assert vote.take(name_group(0x7301, 0, "X")) == b"P7301\n"


def test_a_weak_signal_damages_groups_and_a_weaker_one_has_none() -> None:
    weak = lines(tuned(replace(STATION, level_dbuv=21.0)).advance(START_MS + 20_000), b"R")
    levels = [max(Group.from_hex(line[1:-1].decode()).errors) for _, line in weak]
    assert {0, 1, 2, 3} >= set(levels)
    assert levels.count(3) > 5
    assert not lines(tuned(replace(STATION, level_dbuv=16.0)).advance(START_MS + 5000), b"R")


def test_a_lost_block_reads_0000() -> None:
    weak = lines(tuned(replace(STATION, level_dbuv=20.0)).advance(START_MS + 20_000), b"R")
    groups = [Group.from_hex(line[1:-1].decode()) for _, line in weak]
    lost = [group for group in groups if group.errors[2] == 3]
    assert lost
    assert all(group.c == 0 for group in lost)


def test_a_strong_signal_has_no_errors() -> None:
    told = lines(tuned().advance(START_MS + 20_000), b"R")
    assert all(line.endswith(b"00\n") for _, line in told)


def test_without_rds_there_are_quality_lines_only() -> None:
    device = tuned(STATION, on_air(Kind.RDS_OFF, 0))
    told = device.advance(START_MS + 2000)
    assert lines(told, b"S")
    assert not lines(told, b"R")
    assert not lines(told, b"P")


def test_older_firmware_sends_14_characters() -> None:
    device = tuned(dialect=FM_DX_TUNER_LEGACY_RDS)
    assert all(len(line) == 16 for _, line in lines(device.advance(START_MS + 1000), b"R"))
    assert FM_DX_TUNER.name != FM_DX_TUNER_LEGACY_RDS.name


def test_the_same_seed_says_the_same() -> None:
    weak = replace(STATION, level_dbuv=22.0)
    first, second = (tuned(weak, seed=5).advance(START_MS + 5000) for _ in range(2))
    assert first == second
    assert tuned(weak, seed=6).advance(START_MS + 5000) != first


# -- sound -------------------------------------------------------------------------------------


def rms_dbfs(device: Tuner, after_ms: int) -> float:
    sound = np.concatenate([device.sound(START_MS + after_ms + n * 20, 960) for n in range(25)])
    return float(20 * np.log10(np.sqrt(np.mean(sound.astype(np.float64) ** 2)) + 1e-9))


PLAYING = replace(STATION, programmes=(Programme(START_MS, TONE),))


def test_it_is_silent_until_it_is_tuned() -> None:
    device = tuner(PLAYING)
    assert rms_dbfs(device, 1000) < -150
    device.feed(b"x\n", START_MS)
    assert rms_dbfs(device, 1000) < -150
    device.feed(b"T91000\n", START_MS + 300)
    assert rms_dbfs(device, 1000) == pytest.approx(-13.3, abs=0.3)


@pytest.mark.requirement("RAD-6")
def test_a_lost_carrier_hisses_as_loudly_as_the_programme() -> None:
    device = tuned(PLAYING, on_air(Kind.CARRIER_OFF, 2000))
    assert rms_dbfs(device, 2500) == pytest.approx(-15, abs=0.5)


def test_volume_and_squelch_reach_the_sound() -> None:
    device = tuned(PLAYING)
    loud = rms_dbfs(device, 400)
    device.feed(b"Y50\n", START_MS + 1000)
    assert rms_dbfs(device, 1000) == pytest.approx(loud - 6, abs=0.3)
    device.feed(b"Y0\n", START_MS + 1000)
    assert rms_dbfs(device, 1000) < -150


def test_the_squelch_closes_after_five_misses_and_opens_at_once() -> None:
    fade = on_air(Kind.CARRIER_OFF, 2000, 1000)
    device = tuned(PLAYING, fade)
    device.feed(b"Q30\n", START_MS + 1000)
    device.advance(START_MS + 2200)
    assert rms_dbfs(device, 2200) > -20
    device.advance(START_MS + 2400)
    assert rms_dbfs(device, 2400) < -150
    device.advance(START_MS + 3150)
    assert rms_dbfs(device, 3150) > -20
    device.feed(b"Q0\n", START_MS + 3200)
    assert rms_dbfs(device, 3300) > -20


@pytest.mark.parametrize(("dbf", "is_open"), [(58, True), (61, False)])
def test_the_squelch_level_is_in_dbf(dbf: int, is_open: bool) -> None:
    device = tuned(PLAYING)  # 48 dBuV are 59.25 dBf
    device.feed(b"Q%d\n" % dbf, START_MS + 1000)
    device.advance(START_MS + 2000)
    assert (rms_dbfs(device, 2000) > -20) == is_open


def test_the_pilot_squelch_closes_on_a_mono_station() -> None:
    device = tuned(PLAYING)
    device.feed(b"Q-1\n", START_MS + 1000)
    device.advance(START_MS + 1400)
    assert rms_dbfs(device, 1400) < -150
    stereo = tuned(replace(PLAYING, stereo=True))
    stereo.feed(b"Q-1\n", START_MS + 1000)
    stereo.advance(START_MS + 1400)
    assert rms_dbfs(stereo, 1400) > -20
