"""The clock ladder: every way a board can be wrong about the time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from loa_endpoint.core.clock import (
    AGREEMENT_LIFE_MS,
    FLOOR_SLACK_MS,
    MAX_ROUND_TRIP_MS,
    Clock,
    Disagreement,
)
from loa_endpoint.core.time_source import AGREE_MS, SOURCE_LIFE_MS, Jump
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
    assert board.on_unsigned("system", NOW + lie, 50) == (
        Disagreement(source="system", off_by_ms=lie),
    )
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


def test_an_unsigned_source_that_fell_silent_agrees_with_nobody_any_more() -> None:
    board = clock()
    board.on_unsigned("system", NOW, 0)
    board.on_unsigned("rds", NOW + SOURCE_LIFE_MS + 1, SOURCE_LIFE_MS + 1)
    assert board.read(SOURCE_LIFE_MS + 1).trust is ClockTrust.T1
    board.on_unsigned("system", NOW + SOURCE_LIFE_MS + 2, SOURCE_LIFE_MS + 2)
    assert board.read(SOURCE_LIFE_MS + 2).trust is ClockTrust.T2


@pytest.mark.requirement("TIM-4", "OFF-1")
def test_an_agreement_holds_for_a_day_of_monotonic_time_and_less_and_less_surely() -> None:
    board = clock()
    board.on_unsigned("system", NOW, 0)
    board.on_unsigned("rds", NOW, 0)
    late = board.read(AGREEMENT_LIFE_MS)
    assert (late.trust, late.unix_ms) == (ClockTrust.T2, NOW + AGREEMENT_LIFE_MS)
    assert late.uncertainty_ms == AGREE_MS + AGREEMENT_LIFE_MS // 10_000
    assert board.read(AGREEMENT_LIFE_MS + 1).trust is ClockTrust.T1


@pytest.mark.requirement("TIM-4")
def test_a_source_that_leaves_an_agreement_moves_nothing_and_is_reported() -> None:
    board = clock()
    board.on_unsigned("rds", NOW, 0)
    board.on_unsigned("system", NOW + 2000, 0)
    lie = 3_600_000
    assert board.on_unsigned("system", NOW + lie, 10_000) == (
        Jump(source="system", by_ms=lie - 12_000),
        Disagreement(source="system", off_by_ms=lie - 10_000),
    )
    assert board.read(10_000).unix_ms == NOW + 10_000


def test_an_agreement_that_is_confirmed_goes_on_without_a_step() -> None:
    board = clock()
    board.on_unsigned("rds", NOW, 0)
    board.on_unsigned("system", NOW + 2000, 0)
    board.on_unsigned("rds", NOW + 60_000 - 1500, 60_000)
    assert board.read(60_000).unix_ms == NOW + 60_000


@pytest.mark.requirement("TIM-4")
def test_an_agreement_beyond_what_the_policy_allows_is_none() -> None:
    board = clock(NOW)
    board.allow_unsigned(30 * 86_400)
    for source in ("system", "rds"):
        board.on_unsigned(source, NOW + 40 * DAY, 0)
    assert board.read(0).trust is ClockTrust.T1


@pytest.mark.requirement("TIM-4")
def test_a_battery_clock_that_can_be_believed_gives_the_time_alone() -> None:
    board = clock()
    board.on_battery(NOW, 1000, 2500)
    reading = board.read(11_000)
    assert (reading.trust, reading.unix_ms) == (ClockTrust.T2, NOW + 10_000)
    assert reading.uncertainty_ms == 2501


@pytest.mark.requirement("TIM-4")
@pytest.mark.parametrize("off", [-DAY - 1, 367 * DAY], ids=["below the floor", "beyond policy"])
def test_a_battery_clock_out_of_bounds_is_not_believed(off: int) -> None:
    board = clock()
    board.on_battery(NOW + off, 0, 2500)
    assert board.read(0).trust is ClockTrust.T1


@pytest.mark.requirement("TIM-4")
def test_the_battery_clock_goes_before_two_strangers_who_agree() -> None:
    board = clock()
    board.on_battery(NOW, 0, 2500)
    board.on_unsigned("system", NOW + DAY, 0)
    found = board.on_unsigned("rds", NOW + DAY, 0)
    assert found == (Disagreement(source="rds", off_by_ms=DAY),)
    assert board.read(0).unix_ms == NOW


@pytest.mark.requirement("TIM-4")
def test_a_fast_crystal_does_not_lift_the_floor_over_the_next_answer() -> None:
    board, month = clock(NOW), 30 * DAY
    true_month = month - month * 90 // 1_000_000  # what really passed: the crystal runs fast
    assert board.on_answer(NOW + true_month, asked_ms=month, answered_ms=month)
    reading = board.read(month)
    assert (reading.trust, reading.unix_ms) == (ClockTrust.T3, NOW + true_month)


@pytest.mark.requirement("TIM-4")
def test_an_answer_below_the_floor_leaves_the_board_without_the_time_until_a_reset() -> None:
    board = clock(NOW + DAY)  # somebody's clock was a day ahead
    board.on_answer(NOW, asked_ms=0, answered_ms=0)
    assert board.floor_ahead_ms(0) == DAY - FLOOR_SLACK_MS - 1
    for source in ("system", "rds"):  # no company makes up for it
        board.on_unsigned(source, NOW + DAY, 0)
    reading = board.read(0)
    assert (reading.trust, reading.unix_ms) == (ClockTrust.T1, NOW + DAY)
    board.reset_floor(NOW, 1000)
    assert board.read(1000).unix_ms == NOW
    assert board.read(1000).trust is ClockTrust.T1
    board.on_answer(NOW + 1000, asked_ms=2000, answered_ms=2000)
    assert board.read(2000).trust is ClockTrust.T3


@pytest.mark.requirement("TIM-4")
def test_servers_a_little_apart_leave_the_time_known_and_say_how_far() -> None:
    board = clock(NOW + 10_000)
    board.on_answer(NOW, asked_ms=0, answered_ms=0)
    reading = board.read(0)
    assert (reading.trust, reading.unix_ms) == (ClockTrust.T3, NOW + 10_000)
    assert reading.uncertainty_ms == 10_001


@pytest.mark.requirement("TIM-4")
def test_no_reset_brings_the_floor_below_the_build() -> None:
    board = clock()
    board.reset_floor(5000, 0)
    assert board.floor_ms(0) == BUILT


# Requirement TIM-4: what the wall clock does, with which company -> what the board makes of it.
# Every case is heard within one turn of a few seconds, far within the minute that is asked for.
LIES = {
    "1970": -NOW + 1000,
    "an hour ahead": 3_600_000,
    "forty days ahead": 40 * DAY,
    "backwards": -2 * DAY,
    "fourteen years ahead": 14 * YEAR,
    "fourteen years behind": -14 * YEAR,
}


@pytest.mark.requirement("TIM-4")
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_wall_clock_that_lies_alone_never_makes_the_time_known(lie: int) -> None:
    board = clock()
    board.on_unsigned("system", NOW + lie, 0)
    reading = board.read(10_000)
    assert (reading.trust, reading.unix_ms) == (ClockTrust.T1, NOW - DAY + 9999)


@pytest.mark.requirement("TIM-4")
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_wall_clock_that_steps_moves_no_known_time_and_both_are_told(lie: int) -> None:
    board = clock()
    board.on_unsigned("system", NOW, 0)
    board.on_answer(NOW, asked_ms=0, answered_ms=0)
    found = board.on_unsigned("system", NOW + 10_000 + lie, 10_000)
    assert found == (
        Jump(source="system", by_ms=lie),
        Disagreement(source="system", off_by_ms=lie),
    )
    assert board.read(10_000).unix_ms == NOW + 10_000


@pytest.mark.requirement("TIM-4")
@pytest.mark.parametrize(
    ("lie", "is_believed"),
    [
        (LIES["1970"], False),
        (LIES["an hour ahead"], True),  # two independent clocks would have to lie alike
        (LIES["forty days ahead"], True),  # only where the policy lets them lead so far
        (LIES["backwards"], False),
        (LIES["fourteen years ahead"], False),
        (LIES["fourteen years behind"], False),
    ],
)
def test_two_clocks_that_tell_the_same_lie_get_as_far_as_floor_and_policy_let_them(
    lie: int, is_believed: bool
) -> None:
    board = clock()
    for source in ("system", "rds"):
        board.on_unsigned(source, NOW + lie, 0)
    assert (board.read(0).trust is ClockTrust.T2) is is_believed
    assert board.floor_ms(0) == NOW - DAY


@given(st.integers(10, 30 * DAY))
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

    @rule(unix=st.integers(0, NOW + 2 * YEAR))
    def the_battery_clock_is_read(self, unix: int) -> None:
        before = self.clock.floor_ms(self.mono)
        self.clock.on_battery(unix, self.mono, 2500)
        assert self.clock.floor_ms(self.mono) == before

    @rule(unix=st.integers(0, NOW + 2 * YEAR))
    def the_province_resets_the_floor(self, unix: int) -> None:
        self.clock.reset_floor(unix, self.mono)
        self.floor = self.clock.floor_ms(self.mono)
        assert self.floor >= BUILT

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
