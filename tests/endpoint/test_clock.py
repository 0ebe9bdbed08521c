"""The clock ladder: every way a board can be wrong about the time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from loa_endpoint.core.clock import AGREE_MS, MAX_ROUND_TRIP_MS, Clock
from loa_protocol.record import ClockTrust

BUILT = 1_790_000_000_000
NOW = 1_800_000_000_000
DAY = 86_400_000
YEAR = 365 * DAY


def clock(floor: int | None = NOW - DAY) -> Clock:
    made = Clock(floor_ms=floor, build_ms=BUILT, mono_ms=0)
    made.allow_unsigned(366 * 86_400)
    return made


@pytest.mark.requirement("TIM-4")
def test_a_board_without_any_memory_knows_only_that_it_was_built() -> None:
    reading = clock(None).read(1000)
    assert reading.trust is ClockTrust.T0
    assert reading.unix_ms == BUILT + 1000


@pytest.mark.requirement("TIM-4")
def test_a_board_at_1970_with_a_floor_stands_at_its_floor() -> None:
    board = clock()
    board.on_unsigned("system", 5000, 100)
    reading = board.read(1000)
    assert reading.trust is ClockTrust.T1
    assert reading.unix_ms == NOW - DAY + 1000


@pytest.mark.requirement("TIM-4")
def test_a_time_answer_gives_full_trust_and_half_the_round_trip_as_error() -> None:
    board = clock()
    assert board.on_answer(NOW, asked_ms=1000, answered_ms=1400)
    reading = board.read(1400)
    assert reading.trust is ClockTrust.T3
    assert reading.unix_ms == NOW + 200
    assert reading.uncertainty_ms == 201


@pytest.mark.requirement("TIM-4")
def test_an_answer_that_took_too_long_changes_nothing() -> None:
    board = clock()
    assert not board.on_answer(NOW, asked_ms=0, answered_ms=MAX_ROUND_TRIP_MS + 1)
    assert board.read(MAX_ROUND_TRIP_MS + 1).trust is ClockTrust.T1


@pytest.mark.requirement("TIM-4")
def test_two_agreeing_sources_are_believed_one_is_not() -> None:
    board = clock()
    board.on_unsigned("system", NOW, 0)
    assert board.read(0).trust is ClockTrust.T1
    board.on_unsigned("rds", NOW + AGREE_MS, 0)
    assert board.read(0).trust is ClockTrust.T2
    assert board.read(0).unix_ms == NOW


@pytest.mark.requirement("TIM-4")
def test_network_time_that_lies_by_fourteen_years_is_not_believed_even_in_company() -> None:
    board = clock()
    for source in ("system", "modem"):
        board.on_unsigned(source, NOW + 14 * YEAR, 0)
    assert board.read(0).trust is ClockTrust.T1
    for source in ("system", "modem"):
        board.on_unsigned(source, NOW - 14 * YEAR, 0)
    assert board.read(0).trust is ClockTrust.T1


@pytest.mark.requirement("TIM-4")
@pytest.mark.parametrize("lie", [3_600_000, 40 * DAY, -3_600_000, -40 * DAY])
def test_a_stepped_wall_clock_moves_nothing_at_full_trust_and_is_reported(lie: int) -> None:
    board = clock()
    board.on_answer(NOW, asked_ms=0, answered_ms=100)
    found = board.on_unsigned("system", NOW + lie, 50)
    assert found is not None
    assert found.source == "system"
    assert found.off_by_ms == lie
    assert board.read(1050).unix_ms == NOW + 1000


@pytest.mark.requirement("TIM-4")
def test_unsigned_time_never_raises_the_floor() -> None:
    board = clock()
    for source in ("system", "rds", "modem"):
        board.on_unsigned(source, NOW + 100 * DAY, 0)
    assert board.floor_ms(0) == NOW - DAY


@pytest.mark.requirement("TIM-4")
def test_a_replayed_head_gives_no_trust_and_an_old_one_no_step_back() -> None:
    board = clock()
    board.on_signed_time(NOW, 0)
    assert board.read(0).trust is ClockTrust.T1
    board.on_signed_time(NOW - 20 * DAY, 0)
    assert board.floor_ms(0) == NOW


def test_an_unsigned_source_falls_silent_after_a_quarter_of_an_hour() -> None:
    board = clock()
    board.on_unsigned("system", NOW, 0)
    board.on_unsigned("rds", NOW, 0)
    assert board.read(15 * 60_000).trust is ClockTrust.T2
    assert board.read(15 * 60_000 + 1).trust is ClockTrust.T1


@given(st.integers(0, 30 * DAY))
def test_uncertainty_grows_with_the_time_since_the_answer(elapsed: int) -> None:
    board = clock()
    board.on_answer(NOW, asked_ms=0, answered_ms=10)
    assert board.read(elapsed).uncertainty_ms == 6 + (elapsed - 5) * 100 // 1_000_000


class ClockMachine(RuleBasedStateMachine):
    """Whatever arrives in whatever order, the floor and the time never go back."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.mono = clock(), 0
        self.floor = self.last = self.clock.floor_ms(0)

    @rule(ms=st.integers(1, DAY))
    def time_passes(self, ms: int) -> None:
        self.mono += ms

    @rule(unix=st.integers(0, NOW + 2 * YEAR))
    def a_head_comes(self, unix: int) -> None:
        self.clock.on_signed_time(unix, self.mono)

    @rule(trip=st.integers(0, 8000), ahead=st.integers(0, DAY))
    def an_answer_comes(self, trip: int, ahead: int) -> None:
        honest = self.clock.floor_ms(self.mono) + ahead
        self.clock.on_answer(honest, asked_ms=self.mono, answered_ms=self.mono + trip)
        self.mono += trip

    @rule(source=st.sampled_from(["system", "rds"]), unix=st.integers(0, NOW + 20 * YEAR))
    def somebody_claims_a_time(self, source: str, unix: int) -> None:
        before = self.clock.floor_ms(self.mono)
        self.clock.on_unsigned(source, unix, self.mono)
        assert self.clock.floor_ms(self.mono) == before

    @invariant()
    def the_floor_only_rises(self) -> None:
        floor = self.clock.floor_ms(self.mono)
        assert floor >= self.floor
        self.floor = floor
        assert self.clock.read(self.mono).unix_ms >= floor


TestClockMachine = ClockMachine.TestCase
