"""The standing programme written out as days."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from loa_protocol.hours import DAY_S, is_weekday, local_day, minute_of_day, weekday
from loa_protocol.objects.playlist import Bearer, BearerKind, Proof, ProofKind
from loa_protocol.objects.standing import StandingProgramme, WeeklySession, WeeklyWindow
from loa_protocol.weekly import expand
from vectors.generator import bodies
from vectors.generator.world import NOW

POLICY = bodies.policy()  # seven hours ahead of UTC
MONDAY = int(datetime(2027, 1, 18, 3, tzinfo=UTC).timestamp())  # 10:00 in Vietnam


def weekly(**changes: Any) -> WeeklySession:
    facts: dict[str, Any] = {
        "id": "s1",
        "weekdays": 31,
        "start_min": 360,
        "duration_s": 60,
        "volume": 9,
    }
    return WeeklySession(**{**facts, **changes})


def window(**changes: Any) -> WeeklyWindow:
    facts: dict[str, Any] = {
        "frequency_khz": 61_500,
        "weekdays": 127,
        "start_min": 350,
        "end_min": 380,
        "volume": 8,
        "proofs": (Proof(kind=ProofKind.PI, value=0x7301),),
    }
    return WeeklyWindow(**{**facts, **changes})


def test_a_session_of_working_days_comes_five_times_a_week_at_local_six() -> None:
    written = expand(bodies.standing(), POLICY, MONDAY, days=7)
    assert len(written.sessions) == len(written.items) == 5
    for session, item in zip(written.sessions, written.items, strict=True):
        assert minute_of_day(POLICY, session.start) == 360
        assert weekday(POLICY, session.start) < 5
        assert written.sessions[item.session] is session
        assert (item.id, session.id) == ("i1", "s1")


def test_a_day_begins_at_local_midnight_even_where_utc_says_yesterday() -> None:
    late_sunday_utc = MONDAY - 10 * 3600 + 60  # 00:01 of Monday in Vietnam
    written = expand(bodies.standing(), POLICY, late_sunday_utc, days=1)
    assert [session.start for session in written.sessions] == [MONDAY - 4 * 3600]


def test_items_follow_their_own_session() -> None:
    programme = bodies.standing(
        sessions=(weekly(), weekly(id="s2", weekdays=1, start_min=1020)),
        items=(bodies.item(id="a"), bodies.item(id="b", session=1), bodies.item(id="c", session=1)),
    )
    written = expand(programme, POLICY, MONDAY, days=2)
    told = [(written.sessions[item.session].id, item.id) for item in written.items]
    assert told == [("s1", "a"), ("s2", "b"), ("s2", "c"), ("s1", "a")]


def test_an_fm_bearer_points_at_that_days_window_and_is_gone_where_there_is_none() -> None:
    bearers = (
        Bearer(kind=BearerKind.FM, reference=1, cost=1),
        Bearer(kind=BearerKind.MEDIA, reference=0, cost=2),
    )
    programme = bodies.standing(
        items=(bodies.item(bearers=bearers),),
        fm_windows=(window(frequency_khz=91_000), window(weekdays=1)),
    )
    monday, tuesday = expand(programme, POLICY, MONDAY, days=2).items
    written = expand(programme, POLICY, MONDAY, days=2)
    assert [bearer.kind for bearer in monday.bearers] == [BearerKind.FM, BearerKind.MEDIA]
    opened = written.fm_windows[monday.bearers[0].reference]
    assert opened.frequency_khz == 61_500
    assert minute_of_day(POLICY, opened.start) == 350
    assert opened.end - opened.start == 30 * 60
    assert [bearer.kind for bearer in tuesday.bearers] == [BearerKind.MEDIA]


def test_what_is_not_of_a_day_stays_as_it_was_signed() -> None:
    programme = bodies.standing()
    written = expand(programme, POLICY, NOW.unix_s, days=3)
    for name in ("scope", "epoch", "serial", "not_before", "expires", "media"):
        assert getattr(written, name) == getattr(programme, name)


@given(
    st.integers(1, 127),
    st.integers(0, 1440),
    st.integers(0, 21),
    st.integers(0, 400 * DAY_S),
    st.integers(-720, 840),
)
def test_every_day_that_is_named_has_its_session_and_no_other(
    weekdays: int, start_min: int, days: int, later_s: int, offset_min: int
) -> None:
    policy, now = bodies.policy(utc_offset_min=offset_min), NOW.unix_s + later_s
    programme: StandingProgramme = bodies.standing(
        sessions=(weekly(weekdays=weekdays, start_min=start_min),), fm_windows=(window(),)
    )
    written = expand(programme, policy, now, days=days)
    first = local_day(policy, now)
    wanted = [day for day in range(first, first + days) if is_weekday(weekdays, day)]
    assert [
        (session.start + offset_min * 60 - start_min * 60) // DAY_S for session in written.sessions
    ] == wanted
    assert len(written.fm_windows) == days
