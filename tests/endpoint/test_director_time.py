"""The director when the time becomes known or steps: nothing missed is replayed late."""

from __future__ import annotations

import pytest

from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import Silence, SoundMedia
from loa_protocol.record import ClockTrust, PlayStarted
from support.director_stage import BEGIN, MONO, Stage

DAY_MS = 86_400_000
pytestmark = pytest.mark.requirement("TIM-4")


class Stepping(Stage):
    """A stage whose known time may step while monotonic time goes on."""

    off_ms = 0  # what is known less what is true

    def reading(self) -> Reading:
        mono_ms = self.now_ms - BEGIN + MONO
        known_ms = self.now_ms + self.off_ms
        return Reading(mono_ms=mono_ms, unix_ms=known_ms, trust=self.trust, uncertainty_ms=5)

    def played(self) -> list[str]:
        return [started.item for started in self.kept(PlayStarted)]


@pytest.mark.parametrize(
    ("late_ms", "played"), [(58_000, ["i0", "i1"]), (61_000, ["i1"]), (121_000, [])]
)
def test_after_a_sync_an_item_inside_its_slot_is_joined_and_one_whose_slot_is_over_never_plays(
    late_ms: int, played: list[str]
) -> None:
    stage = Stepping(trust=ClockTrust.T1)
    stage.off_ms = -DAY_MS  # the floor of a board that was away for a day
    stage.run(BEGIN + late_ms)
    assert stage.played() == []
    stage.trust, stage.off_ms = ClockTrust.T3, 0
    stage.run(BEGIN + 200_000)
    assert stage.played() == played
    for sound in stage.all(SoundMedia)[:1]:
        assert 0 <= sound.position_ms - late_ms % 60_000 <= 500


def test_a_time_that_steps_back_lets_nothing_play_twice() -> None:
    stage = Stepping(trust=ClockTrust.T2)
    stage.run(BEGIN + 125_000)
    assert stage.played() == ["i0", "i1"]
    stage.trust, stage.off_ms = ClockTrust.T3, -126_000  # the server says that it is earlier
    stage.run(BEGIN + 260_000)
    assert stage.played() == ["i0", "i1"]


def test_a_time_that_steps_on_ends_what_sounds_and_skips_what_is_over() -> None:
    stage = Stepping(trust=ClockTrust.T2)
    stage.run(BEGIN + 10_000)
    stage.trust, stage.off_ms = ClockTrust.T3, DAY_MS
    stage.run(BEGIN + 15_000)
    assert stage.played() == ["i0"]
    assert stage.director.play is None
    assert stage.all(Silence)


def test_what_sounds_goes_on_while_beginnings_wait_for_a_head() -> None:
    stage = Stepping()
    stage.run(BEGIN + 10_000)
    stage.director.hold_until(MONO + 70_000)  # the connection came back
    stage.run(BEGIN + 65_000)
    assert stage.played() == ["i0"]
    silences = [silence.at_ms for silence in stage.all(Silence)]
    assert silences == [MONO + 60_000]  # to its own end, not before
    stage.run(BEGIN + 75_000)
    assert stage.played() == ["i0", "i1"]
    assert 10_000 <= stage.all(SoundMedia)[-1].position_ms <= 10_500
