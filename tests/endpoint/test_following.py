"""What sounds is told its new instant when the time is another one, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.app.player_words import to_message
from loa_endpoint.audio import messages
from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import Align, Release, SoundMedia
from loa_endpoint.core.following import MOST, Following
from loa_endpoint.core.measurements import Stretch, join
from loa_endpoint.core.play import NOTHING_MEASURED
from loa_protocol.record import ClockTrust

UNIX = 1_800_000_000_000
MONO = 5_000_000


def reading(offset_ms: int = 0, trust: ClockTrust = ClockTrust.T3, after_ms: int = 0) -> Reading:
    """Return the time by a clock that is *offset_ms* ahead of the first one."""
    mono = MONO + after_ms
    unix = UNIX + after_ms + offset_ms
    return Reading(mono_ms=mono, unix_ms=unix, trust=trust, uncertainty_ms=5)


def sound(source: str = "a", at_ms: int = MONO + 300) -> SoundMedia:
    return SoundMedia(source, 1_000, at_ms, 20, 20)


@pytest.mark.requirement("AUD-5")
@given(steps=st.lists(st.integers(-5000, 5000), max_size=8))
def test_after_any_steps_the_same_unix_instant_is_named(steps: list[int]) -> None:
    following = Following()
    following.on_sent(sound(), reading())
    last, offset = sound().at_ms, 0
    for step in steps:
        offset += step
        for said in following.on_round(reading(offset, after_ms=1000)):
            assert isinstance(said, Align)
            assert (said.source, said.position_ms) == ("a", 1_000)
            last = said.at_ms
    assert last == sound().at_ms - offset


def test_nothing_is_said_while_the_time_goes_on_as_it_was() -> None:
    following = Following()
    following.on_sent(sound(), reading())
    assert not following.on_round(reading(after_ms=60_000))
    assert following.on_round(reading(3, after_ms=60_000))
    assert not following.on_round(reading(3, after_ms=61_000)), "said once"


def test_a_clock_that_nobody_trusts_moves_nothing() -> None:
    following = Following()
    following.on_sent(sound(), reading())
    assert not following.on_round(reading(-900_000, ClockTrust.T1))
    assert not following.on_round(reading())


def test_what_began_at_once_has_no_instant_to_follow() -> None:
    following = Following()
    following.on_sent(sound(), reading())
    following.on_sent(Release("a"), reading())
    following.on_sent(sound(at_ms=0), reading())
    assert not following.on_round(reading(7))


def test_no_more_is_kept_than_can_sound() -> None:
    following = Following()
    for number in range(3 * MOST):
        following.on_sent(sound(f"s{number}"), reading())
    assert len(following.on_round(reading(7))) == MOST


def test_the_player_is_told_in_its_own_words() -> None:
    said = to_message(Align("a", 1_000, 5))
    assert said == messages.Align(source="a", position_ms=1_000, at_ns=5_000_000)


def test_of_two_players_the_worse_offset_is_kept() -> None:
    def stretch(off_ms: int | None, begin: int) -> Stretch:
        measured = replace(NOTHING_MEASURED, off_ms=off_ms)
        return Stretch(measured=measured, start_ms=begin, end_ms=begin + 1)

    assert join([stretch(2, 0), stretch(-3, 1), stretch(None, 2)]).off_ms == -3
    assert join([stretch(None, 0)]).off_ms is None
