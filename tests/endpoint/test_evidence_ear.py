"""Content evidence from comparisons alone: what counts as heard, missing, or not to be known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.core.ear_evidence import FRESH_MS, REACH_MS, Heard
from loa_endpoint.core.evidence import (
    BOARD_SILENT,
    PLAYING_SILENT,
    EvidenceRules,
    FaultChanged,
    Grade,
    OutputWatch,
)
from loa_endpoint.core.measurements import Measurements, Stretch, join
from loa_endpoint.core.play import Measured
from loa_endpoint.core.schedule import level_of, volume_gain_cdb
from loa_endpoint.core.sound_alarms import LOWEST_CDB, SoundAlarms, SoundGuard
from loa_protocol.errors import MessageError
from loa_protocol.line_map import LineReading, LineState
from loa_protocol.parameters import FallbackParameters, SoundAction
from loa_protocol.record import Evidence

HORN, VILLAGE, LORRY = -3000, -5000, -2800
SPEECH, PAUSE = -2000, -9000
HEALTHY = LineReading(
    version=2,
    state=LineState.OK,
    impedance_1k_ohm=100.0,
    impedance_20k_ohm=62.0,
    reference_ohm=100.0,
    deviation_percent=0.0,
    earth_kohm=None,
    temperature_c=30.0,
    pilot_mv=640,
    tamper_count=0,
    uptime_s=1000,
    config_crc=0,
    level_mv=12_000,
    current_ma=120,
)
DEAD = replace(HEALTHY, level_mv=0, current_ma=0)
LAG_MS = 600


class Pole:
    """A play second by second: five beats, then what board and ear say, if they are there."""

    def __init__(self) -> None:
        self.watch = OutputWatch()
        self.now_ms = 50_000
        self.changes: list[tuple[int, FaultChanged]] = []
        self.watch.begin()

    def seconds(
        self,
        count: int,
        matches: bool | None,
        *,
        level: int | None = None,
        wrote: int = SPEECH,
        line: LineReading | None = None,
        has_ear: bool = True,
    ) -> None:
        level = (HORN if matches else VILLAGE) if level is None else level
        for _ in range(count):
            for _ in range(5):
                self.now_ms += 200
                self.watch.wrote(wrote, 200, self.now_ms)
            told: list[FaultChanged] = []
            if line is not None:
                told += self.watch.read(line, self.now_ms)
            if has_ear:
                told += self.watch.heard(Heard(self.now_ms, matches, LAG_MS, level))
            self.changes += [(self.now_ms, each) for each in told]

    def end(self) -> Grade:
        return self.watch.end(self.now_ms)


@pytest.mark.requirement("HLT-2")
def test_sound_that_is_heard_all_along_is_content_whatever_the_line_says() -> None:
    for line in (None, HEALTHY, DEAD):
        pole = Pole()
        pole.seconds(30, matches=True, line=line)
        grade = pole.end()
        assert grade.evidence is Evidence.CONTENT
        assert grade.confirmed_ms >= 29_000
        assert not pole.watch.faults


@pytest.mark.requirement("HLT-2")
def test_an_ear_that_hears_nothing_takes_nothing_from_what_the_line_shows() -> None:
    pole = Pole()
    pole.seconds(30, matches=False, line=HEALTHY)
    assert pole.end().evidence is Evidence.OUTPUT
    assert pole.changes == []


@pytest.mark.requirement("HLT-2")
def test_an_ear_that_can_say_nothing_verifies_nothing() -> None:
    pole = Pole()
    pole.seconds(60, matches=None)
    assert pole.end().evidence is Evidence.UNVERIFIED
    assert pole.changes == []


@pytest.mark.requirement("HLT-2")
def test_an_ear_alone_raises_playing_silent_within_ten_seconds_and_takes_it_back() -> None:
    pole = Pole()
    pole.seconds(10, matches=True)
    pole.seconds(3, matches=True)  # the horn is cut off; the window still holds it
    cut_ms = pole.now_ms - 3000
    pole.seconds(15, matches=False)
    ((at_ms, change),) = pole.changes
    assert change == FaultChanged(PLAYING_SILENT, active=True)
    assert at_ms - cut_ms <= 10_000
    pole.seconds(1, matches=True)
    assert not pole.watch.faults


def test_a_sound_as_loud_as_our_horn_hides_it_and_is_no_silence() -> None:
    pole = Pole()
    pole.seconds(10, matches=True)
    pole.seconds(50, matches=False, level=LORRY)
    assert pole.end().evidence is Evidence.UNVERIFIED
    assert pole.changes == []


def test_a_lorry_that_passes_takes_no_grade() -> None:
    pole = Pole()
    for _ in range(3):
        pole.seconds(14, matches=True)
        pole.seconds(6, matches=False, level=LORRY)
    assert pole.end().evidence is Evidence.CONTENT


def test_a_play_that_dies_half_way_is_not_content() -> None:
    pole = Pole()
    pole.seconds(40, matches=True)
    pole.seconds(20, matches=False)
    assert pole.end().evidence is Evidence.UNVERIFIED


def test_one_sensor_that_sees_the_sound_is_enough() -> None:
    pole = Pole()
    pole.seconds(20, matches=True, line=DEAD)
    assert not pole.watch.faults
    pole.seconds(20, matches=False, line=HEALTHY)
    assert not pole.watch.faults
    pole.seconds(12, matches=False, line=DEAD)
    assert set(pole.watch.faults) == {PLAYING_SILENT}


def test_a_board_that_is_lost_leaves_the_ear_to_tell() -> None:
    pole = Pole()
    pole.watch.lose()
    pole.seconds(12, matches=False)
    assert pole.watch.faults == (BOARD_SILENT, PLAYING_SILENT)
    assert pole.watch.lose_ear(pole.now_ms) == [FaultChanged(PLAYING_SILENT, active=False)]


def test_pauses_and_the_time_between_two_plays_are_no_silence() -> None:
    pole = Pole()
    pole.seconds(3, matches=False)
    pole.seconds(60, matches=None, wrote=PAUSE)
    pole.seconds(4, matches=False)
    assert pole.changes == []
    pole.seconds(4, matches=False)
    assert set(pole.watch.faults) == {PLAYING_SILENT}


def test_a_play_too_short_to_be_compared_is_unverified() -> None:
    pole = Pole()
    pole.seconds(4, matches=None, has_ear=False)
    assert pole.end().evidence is Evidence.UNVERIFIED


@given(
    st.lists(
        st.tuples(
            st.sampled_from([True, False, None]),
            st.sampled_from([HORN, VILLAGE, LORRY]),
            st.sampled_from([SPEECH, PAUSE]),
        ),
        max_size=80,
    )
)
def test_the_grade_of_an_ear_alone_follows_from_its_sums(
    story: list[tuple[bool | None, int, int]],
) -> None:
    pole = Pole()
    for matches, level, wrote in story:
        pole.seconds(1, matches, level=level, wrote=wrote)
    grade, rules = pole.end(), EvidenceRules()
    written_ms = 1000 * sum(wrote == SPEECH for *_, wrote in story)
    assert min(grade.confirmed_ms, grade.missing_ms, grade.unread_ms) >= 0
    assert grade.confirmed_ms + grade.missing_ms + grade.unread_ms <= written_ms
    assert (
        written_ms <= grade.confirmed_ms + grade.missing_ms + grade.unread_ms + FRESH_MS + REACH_MS
    )
    if not any(matches for matches, *_ in story):
        assert grade.evidence <= Evidence.UNVERIFIED
    if not any(matches is False for matches, *_ in story):
        assert grade.evidence is not Evidence.SILENT
    if grade.evidence is Evidence.CONTENT:
        judged_ms = grade.confirmed_ms + grade.missing_ms
        assert grade.confirmed_ms * 1000 >= judged_ms * rules.share_permille
    assert grade.evidence is not Evidence.OUTPUT


# --- alarms and squeal


def test_alarms_are_told_as_changes_and_end_with_their_player() -> None:
    alarms = SoundAlarms()
    assert alarms.handle("written_hiss", active=True) == [FaultChanged("written_hiss", active=True)]
    assert alarms.handle("written_hiss", active=True) == []
    assert alarms.handle("squeal", active=False) == []
    assert alarms.handle("squeal", active=True)
    assert list(alarms.faults) == ["squeal", "written_hiss"]
    assert [each.active for each in alarms.clear()] == [False, False]
    assert not alarms.faults


def guard(**actions: int) -> SoundGuard:
    """Return one that obeys settings with these actions."""
    made = SoundGuard()
    made.obey(FallbackParameters(**actions))
    return made


def began(name: str) -> FaultChanged:
    return FaultChanged(name, active=True)


@pytest.mark.requirement("HLT-3")
def test_a_squeal_lowers_by_steps_that_have_an_end_and_only_where_that_is_asked_for() -> None:
    silent = guard()
    assert silent.on_fault(began("squeal"), ["a"]) == ""
    assert silent.apply("a", -1000) == -1000
    lowering = guard(squeal_action=1)
    gains = []
    for _ in range(5):
        lowering.on_fault(began("squeal"), ["a"])
        gains.append(lowering.apply("a", -1000))
    assert gains == [-1600, -2200, -2800, -2800, -2800]
    assert gains[-1] == -1000 + LOWEST_CDB
    assert lowering.apply("b", -1000) == -1000
    lowering.end("a")
    assert lowering.apply("a", -1000) == -1000
    mute = guard(squeal_action=2)
    assert mute.on_fault(began("squeal"), ["a"]) == "muted to the end of the item"
    assert mute.apply("a", 0) is None


@pytest.mark.requirement("HLT-3")
@pytest.mark.parametrize(
    ("fault", "parameter"),
    [
        ("squeal", "squeal_action"),
        ("written_clipping", "clipping_action"),
        ("speaker_open", "line_action"),
        ("speaker_short", "line_action"),
    ],
)
def test_each_fault_obeys_its_own_parameter_and_mutes_nothing_but_what_sounds(
    fault: str, parameter: str
) -> None:
    others = {"squeal_action", "clipping_action", "line_action"} - {parameter}
    assert guard(**dict.fromkeys(others, 2)).on_fault(began(fault), ["a"]) == ""
    ours = guard(**{parameter: 2})
    assert ours.on_fault(began(fault), []) == ""  # an alert sounds, or nothing does
    assert ours.on_fault(FaultChanged(fault, active=False), ["a"]) == ""
    assert ours.apply("a", -600) == -600
    assert ours.on_fault(began(fault), ["a", "over it"])
    assert ours.apply("a", -600) is ours.apply("over it", -600) is None


@pytest.mark.requirement("HLT-3")
def test_a_line_that_stays_broken_mutes_what_begins_and_a_squeal_does_not() -> None:
    made = guard(squeal_action=2, clipping_action=2, line_action=2)
    for fault in ("squeal", "written_clipping", "speaker_short"):
        made.on_fault(began(fault), [])
    assert made.begin("next") == [("speaker_short", "muted to the end of the item")]
    made.on_fault(FaultChanged("speaker_short", active=False), ["next"])
    assert made.apply("next", 0) is None  # it holds to the end of the item
    assert made.begin("after") == []
    assert made.apply("after", 0) == 0


@given(
    actions=st.fixed_dictionaries(
        {name: st.integers(0, 2) for name in ("squeal_action", "clipping_action", "line_action")}
    ),
    steps=st.lists(
        st.tuples(st.sampled_from(["squeal", "written_clipping", "speaker_open"]), st.booleans())
    ),
)
def test_no_faults_make_a_play_louder_or_touch_one_that_did_not_sound(
    actions: dict[str, int], steps: list[tuple[str, bool]]
) -> None:
    made, gain = guard(**actions), 0
    for name, active in steps:
        made.on_fault(FaultChanged(name, active=active), ["a"])
        after = made.apply("a", 0)
        now = -100_000 if after is None else after
        assert now <= gain
        assert now in (-100_000, *range(LOWEST_CDB, 1))
        gain = now
        assert made.apply("b", -200) == -200


def test_the_actions_are_settings_that_tell_by_default() -> None:
    tells = FallbackParameters()
    assert tells.squeal_action == tells.clipping_action == tells.line_action == SoundAction.TELL
    asked = FallbackParameters.from_map({41: 2, 43: 1, 44: 2})
    assert (asked.squeal_action, asked.clipping_action, asked.line_action) == (2, 1, 2)
    with pytest.raises(MessageError):
        FallbackParameters.from_map({44: 3})


def test_a_level_is_told_for_every_gain_and_is_silence_for_silence_alone() -> None:
    assert [level_of(volume_gain_cdb(level)) for level in range(16)] == list(range(16))
    assert level_of(-100_000) == 1


# --- what two players measured


def stretch(start_s: float, end_s: float, lufs: int | None = -2300, **facts: int) -> Stretch:
    base = Measured(loudness_clufs=lufs, true_peak_cdb=-300, silent_ms=0, longest_gap_ms=0, xruns=0)
    whole = replace(base, **facts)  # type: ignore[arg-type]  # the facts are numbers
    return Stretch(measured=whole, start_ms=round(start_s * 1000), end_ms=round(end_s * 1000))


def test_one_player_is_believed_as_it_is() -> None:
    only = stretch(0, 60, -2345, silent_ms=12, longest_gap_ms=7, xruns=1)
    assert join([only]) == only.measured


def test_two_players_are_one_measurement_with_the_hole_between_them() -> None:
    measurements = Measurements()
    measurements.so_far("a", stretch(0, 29, -2300, silent_ms=100, xruns=1))
    measurements.so_far("a", stretch(0, 30, -2300, silent_ms=200, longest_gap_ms=90, xruns=1))
    measurements.player_lost()
    measurements.so_far("a", stretch(32, 40))
    joined = measurements.finish("a", stretch(32, 62, -2300, true_peak_cdb=-150, silent_ms=50))
    assert joined == Measured(
        loudness_clufs=-2300, true_peak_cdb=-150, silent_ms=2250, longest_gap_ms=2000, xruns=1
    )
    assert measurements.plays == ()
    assert measurements.finish("a", None) is None


def test_loudness_is_joined_as_power_and_silence_has_none() -> None:
    assert join([stretch(0, 30, -2000), stretch(30, 60, None)]).loudness_clufs == -2000
    both = join([stretch(0, 30, -2000), stretch(30, 60, -3000)]).loudness_clufs
    assert both == pytest.approx(-2260, abs=5)
    assert join([stretch(0, 30, None)]).loudness_clufs is None


def test_a_player_that_was_lost_has_told_the_last_second_before() -> None:
    measurements = Measurements()
    measurements.so_far("a", stretch(0, 30, -2100))
    measurements.player_lost()
    assert measurements.plays == ("a",)
    assert measurements.finish("a", None) == stretch(0, 30, -2100).measured
