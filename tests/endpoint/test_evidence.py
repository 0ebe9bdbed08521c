from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.core.evidence import (
    BOARD_SILENT,
    FAULTS,
    PLAYING_SILENT,
    EvidenceRules,
    FaultChanged,
    Grade,
    OutputWatch,
)
from loa_protocol.line_map import LineReading, LineState
from loa_protocol.record import Evidence

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
SPEECH, PAUSE = -2000, -9000


class Pole:
    """A play second by second: five beats of the player, then one reading of the board."""

    def __init__(self) -> None:
        self.watch = OutputWatch()
        self.now_ms = 10_000
        self.changes: list[tuple[int, FaultChanged]] = []
        self.watch.begin()

    def second(self, reading: LineReading | None, *, wrote: int = SPEECH) -> None:
        for _ in range(5):
            self.now_ms += 200
            self.watch.wrote(wrote, 200, self.now_ms)
        if reading is not None:
            self.changes += [(self.now_ms, c) for c in self.watch.read(reading, self.now_ms)]

    def seconds(self, count: int, reading: LineReading | None, *, wrote: int = SPEECH) -> None:
        for _ in range(count):
            self.second(reading, wrote=wrote)

    def end(self) -> Grade:
        return self.watch.end(self.now_ms)


def graded(*parts: tuple[int, LineReading | None]) -> Evidence:
    pole = Pole()
    for count, reading in parts:
        pole.seconds(count, reading)
    return pole.end().evidence


@pytest.mark.requirement("HLT-2")
def test_sound_that_is_seen_on_the_line_all_along_is_output() -> None:
    pole = Pole()
    pole.seconds(30, HEALTHY)
    grade = pole.end()
    assert grade == Grade(evidence=Evidence.OUTPUT, confirmed_ms=30_000, missing_ms=0, unread_ms=0)


@pytest.mark.requirement("HLT-2")
def test_without_a_sensor_nothing_is_verified() -> None:
    assert graded((60, None)) is Evidence.UNVERIFIED


@pytest.mark.requirement("HLT-2")
def test_sound_that_never_reaches_the_line_is_silent() -> None:
    assert graded((60, DEAD)) is Evidence.SILENT


def test_a_play_of_which_nothing_was_written_is_unverified_whatever_the_line_says() -> None:
    for reading in (HEALTHY, DEAD):
        pole = Pole()
        pole.seconds(30, reading, wrote=PAUSE)
        assert pole.end().evidence is Evidence.UNVERIFIED


@pytest.mark.parametrize(
    ("seen", "unread", "evidence"),
    [(80, 20, Evidence.OUTPUT), (78, 22, Evidence.UNVERIFIED), (10, 90, Evidence.UNVERIFIED)],
)
def test_four_fifths_of_the_sound_must_be_seen(seen: int, unread: int, evidence: Evidence) -> None:
    assert graded((unread, None), (seen, HEALTHY)) is evidence


def test_sound_that_dies_half_way_is_neither_output_nor_silent() -> None:
    assert graded((50, HEALTHY), (50, DEAD)) is Evidence.UNVERIFIED


def test_a_few_judged_seconds_do_not_condemn_an_hour() -> None:
    assert graded((5, DEAD), (3600, None)) is Evidence.UNVERIFIED


@pytest.mark.parametrize(
    ("changed", "evidence"),
    [
        ({"level_mv": 20_000, "current_ma": 1}, Evidence.SILENT),  # a cut line carries voltage
        ({"level_mv": 200, "current_ma": None}, Evidence.OUTPUT),
        ({"level_mv": 199, "current_ma": None}, Evidence.SILENT),
        ({"level_mv": 0, "current_ma": 2}, Evidence.OUTPUT),
        ({"level_mv": None, "current_ma": None}, Evidence.UNVERIFIED),  # a board that cannot tell
    ],
)
def test_current_shows_sound_and_voltage_only_where_no_current_is_measured(
    changed: dict[str, int | None], evidence: Evidence
) -> None:
    assert graded((30, replace(HEALTHY, **changed))) is evidence  # type: ignore[arg-type]  # ints


@pytest.mark.requirement("HLT-3")
@pytest.mark.parametrize("state", [LineState.OPEN, LineState.SHORT, LineState.PROTECT])
def test_on_a_dead_line_voltage_is_no_evidence(state: LineState) -> None:
    assert graded((30, replace(HEALTHY, state=state))) is Evidence.SILENT


@pytest.mark.parametrize("state", [LineState.DRIFT, LineState.EARTH, LineState.NOT_CALIBRATED])
def test_a_line_with_a_lesser_fault_still_gives_evidence(state: LineState) -> None:
    assert graded((30, replace(HEALTHY, state=state))) is Evidence.OUTPUT


def test_pauses_between_sentences_count_for_nothing() -> None:
    pole = Pole()
    for _ in range(10):
        pole.seconds(2, HEALTHY)
        pole.seconds(3, DEAD, wrote=PAUSE)
    grade = pole.end()
    assert (grade.evidence, grade.missing_ms) == (Evidence.OUTPUT, 0)


def test_a_play_too_short_to_be_measured_is_unverified() -> None:
    pole = Pole()
    pole.second(None)
    assert pole.end() == Grade(
        evidence=Evidence.UNVERIFIED, confirmed_ms=0, missing_ms=0, unread_ms=0
    )


def test_one_play_is_not_judged_by_the_sound_of_another() -> None:
    pole = Pole()
    pole.seconds(20, DEAD)
    pole.watch.begin()
    pole.seconds(20, HEALTHY)
    assert pole.end().evidence is Evidence.OUTPUT


# --- faults


@pytest.mark.requirement("HLT-2")
def test_zero_evidence_while_sound_is_written_raises_playing_silent_within_ten_seconds() -> None:
    pole = Pole()
    pole.seconds(5, HEALTHY)
    dead_ms = pole.now_ms
    pole.seconds(15, DEAD)
    ((at_ms, change),) = pole.changes
    assert change == FaultChanged(PLAYING_SILENT, active=True)
    assert 5000 < at_ms - dead_ms <= 10_000
    pole.second(HEALTHY)
    assert pole.changes[-1][1] == FaultChanged(PLAYING_SILENT, active=False)
    assert pole.watch.faults == ()


def test_speech_with_pauses_raises_it_within_ten_seconds_too() -> None:
    pole = Pole()
    for _ in range(5):
        pole.second(DEAD)
        pole.second(DEAD, wrote=PAUSE)
    assert pole.watch.faults == (PLAYING_SILENT,)


def test_a_silence_of_five_seconds_on_the_line_raises_nothing() -> None:
    pole = Pole()
    for _ in range(10):
        pole.seconds(5, DEAD)
        pole.second(HEALTHY)
    assert pole.changes == []


def test_a_quiet_programme_never_raises_playing_silent() -> None:
    pole = Pole()
    pole.seconds(120, DEAD, wrote=PAUSE)
    assert pole.changes == []


@pytest.mark.requirement("HLT-3")
@pytest.mark.parametrize(
    ("state", "fault"),
    [(LineState.OPEN, "speaker_open"), (LineState.SHORT, "speaker_short")],
)
def test_an_open_or_shorted_line_is_a_fault_even_when_nothing_plays(
    state: LineState, fault: str
) -> None:
    watch = OutputWatch()
    assert watch.read(replace(DEAD, state=state), 1000) == [FaultChanged(fault, active=True)]
    assert watch.read(replace(DEAD, state=state), 2000) == []
    assert watch.faults == (fault,)
    assert watch.read(DEAD, 3000) == [FaultChanged(fault, active=False)]


def test_every_state_but_ok_has_a_fault_of_its_own() -> None:
    assert set(FAULTS) == set(LineState) - {LineState.OK}
    assert len(set(FAULTS.values())) == len(FAULTS)


def test_a_board_that_falls_silent_takes_its_knowledge_with_it() -> None:
    pole = Pole()
    pole.seconds(15, DEAD)
    assert pole.watch.faults == (PLAYING_SILENT,)
    pole.watch.lose()
    assert pole.watch.faults == (BOARD_SILENT,)
    pole.seconds(5, None)
    assert pole.watch.read(HEALTHY, pole.now_ms) == [FaultChanged(BOARD_SILENT, active=False)]


# --- properties

RULES = EvidenceRules()
steps = st.lists(
    st.tuples(
        st.sampled_from([HEALTHY, DEAD, None, replace(HEALTHY, state=LineState.OPEN)]),
        st.sampled_from([SPEECH, PAUSE, RULES.sound_cdbfs]),
    ),
    max_size=60,
)


@given(steps)
def test_the_grade_follows_from_the_three_sums(
    story: list[tuple[LineReading | None, int]],
) -> None:
    pole = Pole()
    for reading, wrote in story:
        pole.second(reading, wrote=wrote)
    grade = pole.end()
    written_ms = 1000 * sum(wrote >= RULES.sound_cdbfs for _, wrote in story)
    summed_ms = grade.confirmed_ms + grade.missing_ms + grade.unread_ms
    assert min(grade.confirmed_ms, grade.missing_ms, grade.unread_ms) >= 0
    assert summed_ms <= written_ms
    assert written_ms - summed_ms <= RULES.cover_ms + 200 * len(story)
    if not any(reading is HEALTHY for reading, _ in story):
        assert grade.evidence is not Evidence.OUTPUT
    if not any(reading is not None for reading, _ in story):
        assert grade.evidence is Evidence.UNVERIFIED
    if grade.evidence is Evidence.OUTPUT:
        assert 10 * grade.confirmed_ms >= 8 * summed_ms
    if grade.evidence is Evidence.SILENT:
        assert grade.missing_ms > 0
        assert 10 * grade.confirmed_ms < grade.confirmed_ms + grade.missing_ms


@given(steps)
def test_changes_told_add_up_to_the_faults_that_stand(
    story: list[tuple[LineReading | None, int]],
) -> None:
    pole, standing = Pole(), set[str]()
    for reading, wrote in story:
        pole.second(reading, wrote=wrote)
    for _, change in pole.changes:
        assert change.active is (change.name not in standing)
        (standing.add if change.active else standing.discard)(change.name)
    assert tuple(sorted(standing)) == pole.watch.faults


@given(steps, st.integers(0, 59))
def test_more_evidence_never_lowers_the_grade(
    story: list[tuple[LineReading | None, int]], at: int
) -> None:
    """Replacing a dead reading by a healthy one cannot turn output into less."""
    if at >= len(story) or story[at][0] is not DEAD:
        return
    better = [*story[:at], (HEALTHY, story[at][1]), *story[at + 1 :]]
    grades = []
    for each in (story, better):
        pole = Pole()
        for reading, wrote in each:
            pole.second(reading, wrote=wrote)
        grades.append(pole.end())
    assert grades[1].confirmed_ms >= grades[0].confirmed_ms
    assert grades[1].evidence is Evidence.OUTPUT or grades[0].evidence is not Evidence.OUTPUT
