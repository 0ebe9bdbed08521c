"""The director: what sounds, by which bearer, how loud, and what is written down."""

from __future__ import annotations

import dataclasses

import pytest

from loa_endpoint.core import bearer as machine
from loa_endpoint.core.agenda import Programme
from loa_endpoint.core.effect import (
    Judge,
    Keep,
    Measure,
    Prepare,
    SetGain,
    Silence,
    SoundLineIn,
    SoundMedia,
    Tune,
)
from loa_protocol.objects.playlist import (
    BearerKind,
    Mark,
    Span,
)
from loa_protocol.objects.policy import VolumeCap
from loa_protocol.record import (
    ClockTrust,
    Evidence,
    Happening,
    Outcome,
    PlayEnded,
    PlayStarted,
    Refused,
)
from support.director_stage import BEGIN, GOOD_FM, HISS, MONO, MUSIC, SHA, Stage, with_fm
from support.province import playlist, policy


def test_an_item_starts_on_its_instant_after_its_record_is_kept() -> None:
    stage = Stage()
    stage.run(BEGIN + 1000)
    (sound,) = stage.all(SoundMedia)
    assert sound.at_ms == MONO
    assert sound.position_ms == 0
    (started,) = stage.kept(PlayStarted)
    assert started.planned_ms == BEGIN
    assert started.mark is Mark.TEST
    order = [type(e).__name__ for _, e in stage.done if isinstance(e, (Keep, SoundMedia))]
    assert order.index("Keep") < order.index("SoundMedia")


def test_items_that_touch_follow_each_other_without_a_silence_between() -> None:
    stage = Stage()
    stage.run(BEGIN + 61_000)
    _, second = stage.all(SoundMedia)
    assert second.at_ms == MONO + 60_000
    assert second.position_ms == 0
    assert stage.all(Silence) == []


def test_the_last_item_ends_in_silence_on_its_end() -> None:
    stage = Stage()
    stage.run(BEGIN + 125_000)
    assert [s.at_ms for s in stage.all(Silence)] == [MONO + 120_000]
    ended = stage.kept(PlayEnded)
    assert [e.outcome for e in ended] == [Outcome.COMPLETE] * 2
    assert [(e.started_ms, e.ended_ms) for e in ended] == [
        (BEGIN, BEGIN + 60_000),
        (BEGIN + 60_000, BEGIN + 120_000),
    ]
    assert all(e.evidence is Evidence.OUTPUT and e.loudness_clufs == -2300 for e in ended)
    assert ended[0].segments[0].bearer is BearerKind.MEDIA
    assert stage.director.play is None


@pytest.mark.requirement("TIM-4")
def test_nothing_scheduled_sounds_before_the_time_is_known_and_the_board_says_so_once() -> None:
    stage = Stage(trust=ClockTrust.T1)
    stage.run(BEGIN + 10_000)
    assert stage.all(SoundMedia) == []
    assert [h.name for h in stage.kept(Happening)] == ["held_no_time"]


@pytest.mark.requirement("TIM-4")
def test_when_the_time_becomes_known_the_item_is_joined_where_it_would_be() -> None:
    stage = Stage(trust=ClockTrust.T1)
    stage.run(BEGIN + 10_000)
    stage.trust = ClockTrust.T3
    stage.run(BEGIN + 10_500)
    (sound,) = stage.all(SoundMedia)
    assert sound.position_ms == sound.at_ms - MONO
    assert 10_000 <= sound.position_ms <= 10_300


@pytest.mark.requirement("TIM-4")
def test_what_was_missed_is_not_played_late() -> None:
    stage = Stage(trust=ClockTrust.T1)
    stage.run(BEGIN + 121_000)
    stage.trust = ClockTrust.T3
    stage.run(BEGIN + 125_000)
    assert stage.all(SoundMedia) == []


@pytest.mark.requirement("TIM-2")
def test_a_blocked_item_is_silent_and_told_once() -> None:
    stage = Stage(hours=())
    stage.run(BEGIN + 5000)
    assert stage.all(SoundMedia) == []
    (refused,) = stage.kept(Refused)
    assert (refused.what, refused.reason) == ("item i0", "blocked_quiet_hours")


@pytest.mark.requirement("VOL-1")
def test_a_cap_that_comes_down_while_playing_is_followed_with_a_ramp() -> None:
    minute = (BEGIN // 60_000 + 420) % 1440 + 1
    base = playlist(items=1)
    long = dataclasses.replace(
        base,
        sessions=(dataclasses.replace(base.sessions[0], duration_s=120),),
        items=(dataclasses.replace(base.items[0], duration_ms=120_000),),
    )
    stage = Stage(long, volume_caps=(VolumeCap(start_min=minute, end_min=1440, level=4),))
    stage.run(BEGIN + 61_000)
    first, second = stage.all(SetGain)
    assert (first.gain_cdb, first.at_ms, first.ramp_ms) == (-1000, MONO, 0)
    assert (second.gain_cdb, second.ramp_ms) == (-2200, 500)


@pytest.mark.requirement("SRC-2")
def test_fm_carries_an_item_only_after_its_pi_and_the_media_stand_in_until_then() -> None:
    stage = Stage(with_fm())
    stage.run(BEGIN + 1000, *GOOD_FM[:2], line_in=MUSIC)
    assert stage.all(Tune)[0].frequency_khz == 61_500
    assert stage.all(SoundLineIn) == []
    assert len(stage.all(SoundMedia)) == 1


@pytest.mark.requirement("SRC-2", "RAD-4")
def test_a_lost_carrier_hands_over_to_the_cached_copy_at_the_right_place() -> None:
    stage = Stage(with_fm())
    stage.run(BEGIN + 20_000, *GOOD_FM, line_in=MUSIC)
    assert [s.at_ms for s in stage.all(SoundLineIn)] == [MONO]
    stage.run(BEGIN + 22_000, machine.SignalRead(500, 0), line_in=HISS)
    (media,) = stage.all(SoundMedia)
    assert media.position_ms == media.at_ms - MONO
    assert 20_000 <= media.position_ms <= 21_500
    play = stage.director.play
    assert play is not None
    assert play.bearer is BearerKind.MEDIA


@pytest.mark.requirement("VOL-1")
def test_fm_obeys_the_cap_of_its_window() -> None:
    stage = Stage(with_fm(volume=5))
    stage.run(BEGIN + 2000, *GOOD_FM, line_in=MUSIC)
    assert stage.all(SetGain)[-1].gain_cdb == -2000


def test_a_file_that_is_not_in_the_cache_is_no_bearer_and_the_play_is_told_as_broken() -> None:
    stage = Stage(cached=())
    stage.run(BEGIN + 125_000)
    assert stage.all(SoundMedia) == []
    assert [e.outcome for e in stage.kept(PlayEnded)] == [Outcome.BROKEN] * 2


@pytest.mark.requirement("OFF-2")
def test_a_file_that_comes_before_its_item_ends_is_joined_at_once_at_the_right_place() -> None:
    stage = Stage(cached=())
    stage.run(BEGIN + 5000)
    assert stage.all(SoundMedia) == []
    stage.fetch(SHA)
    stage.run(BEGIN + 6000)
    (sound,) = stage.all(SoundMedia)
    assert MONO + 5000 < sound.at_ms <= MONO + 5200
    assert sound.position_ms == sound.at_ms - MONO


@pytest.mark.requirement("OFF-2")
def test_a_file_that_is_replaced_before_its_item_is_in_time_for_it() -> None:
    stage = Stage()
    stage.answers = False
    stage.run(BEGIN - 9000)
    (prepared,) = stage.all(Prepare)
    stage.do(stage.director.on_source_ended(prepared.source, "broken", stage.reading()))
    stage.fetch()
    stage.answers = True
    stage.fetch(SHA)
    stage.run(BEGIN + 1000)
    assert [sound.at_ms for sound in stage.all(SoundMedia)] == [MONO]


def test_a_new_player_goes_on_where_the_old_one_died() -> None:
    stage = Stage()
    stage.run(BEGIN + 30_000)
    stage.do(stage.director.on_player_restarted(stage.reading()))
    sounds = stage.all(SoundMedia)
    assert len(sounds) == 2
    assert 30_000 <= sounds[1].position_ms <= 30_100
    assert stage.all(Measure)[-1].play == stage.all(Measure)[0].play
    stage.run(BEGIN + 125_000)
    assert [e.outcome for e in stage.kept(PlayEnded)] == [Outcome.COMPLETE] * 2


def test_what_was_opened_for_the_next_item_is_opened_anew_by_a_new_player() -> None:
    stage = Stage()
    stage.answers = False  # the first player died, or was not there yet, before it could
    stage.run(BEGIN - 5000)
    stage.answers = True
    stage.do(stage.director.on_player_restarted(stage.reading()))
    stage.run(BEGIN + 55_000)
    assert [sound.at_ms for sound in stage.all(SoundMedia)] == [MONO]
    stage.do(stage.director.on_player_restarted(stage.reading()))
    stage.run(BEGIN + 61_000)
    assert [sound.at_ms for sound in stage.all(SoundMedia)][-1] == MONO + 60_000


def test_a_play_is_written_down_even_when_nobody_answers_what_it_was_like() -> None:
    stage = Stage()
    stage.answers = False
    stage.run(BEGIN - 5000)
    stage.answers = True
    stage.run(BEGIN + 59_000)
    stage.answers = False
    stage.run(BEGIN + 125_000)
    first = stage.kept(PlayEnded)[0]
    assert first.evidence is Evidence.UNVERIFIED
    assert first.loudness_clufs is None


def test_a_new_playlist_without_the_item_stops_it_now() -> None:
    stage = Stage()
    stage.run(BEGIN + 10_000)
    other = dataclasses.replace(playlist(), items=playlist().items[1:])
    programme = Programme(playlist=other, digest=b"e" * 32, policy=policy())
    stage.do(stage.director.on_programme(programme, stage.reading()))
    assert [e.outcome for e in stage.kept(PlayEnded)] == [Outcome.STOPPED]
    assert len(stage.all(Silence)) == 1


def test_a_new_playlist_with_the_same_item_leaves_it_sounding() -> None:
    stage = Stage()
    stage.run(BEGIN + 10_000)
    programme = Programme(playlist=playlist(serial=2), digest=b"e" * 32, policy=policy())
    stage.do(stage.director.on_programme(programme, stage.reading()))
    stage.run(BEGIN + 20_000)
    assert len(stage.all(SoundMedia)) == 1
    assert stage.all(Silence) == []


def test_nothing_begins_while_the_board_waits_for_a_fresh_head() -> None:
    stage = Stage()
    stage.director.hold_until(MONO + 5000)
    stage.run(BEGIN + 4900)
    assert stage.all(SoundMedia) == []
    stage.run(BEGIN + 6000)
    assert len(stage.all(SoundMedia)) == 1


def test_evidence_is_gathered_from_the_first_to_the_last_sample() -> None:
    stage = Stage()
    stage.run(BEGIN + 125_000)
    first, gap, second, end = (judge.play for judge in stage.all(Judge))
    assert first is not None
    assert second is not None
    assert first != second
    assert (gap, end) == (None, None)


def test_a_start_that_came_late_is_told_as_it_was() -> None:
    stage = Stage()
    stage.run(BEGIN)
    stage.director.on_started(MONO + 300, stage.reading())
    stage.run(BEGIN + 62_500)
    first = stage.kept(PlayEnded)[0]
    assert first.started_ms == BEGIN + 300
    assert first.offset_ms == 300
    assert first.segments[0].start_ms == BEGIN + 300


def test_what_is_begun_in_its_middle_is_measured_with_its_own_silences_from_there() -> None:
    base = playlist(items=1)
    silences = (Span(start_ms=5000, end_ms=8000), Span(start_ms=30_000, end_ms=35_000))
    item = dataclasses.replace(base.items[0], expected_silence=silences)
    stage = Stage(dataclasses.replace(base, items=(item,)))
    stage.run(BEGIN + 1000)
    (on_time,) = stage.all(Measure)
    assert on_time.expected_silence == ((5000, 8000), (30_000, 35_000))
    assert (on_time.at_ms, on_time.opening_ms) == (MONO, 0)
    stage.run(BEGIN + 20_000)
    stage.do(stage.director.on_player_restarted(stage.reading()))
    again = stage.all(Measure)[-1]
    begun_ms = again.at_ms - MONO
    assert 20_000 <= begun_ms < 21_000
    assert again.expected_silence == ((30_000 - begun_ms, 35_000 - begun_ms),)
    assert again.opening_ms == 0  # what the players left out is silence in it


def test_what_begins_late_is_measured_from_its_first_sound_for_its_file_is_opened_first() -> None:
    stage = Stage(trust=ClockTrust.T0)
    stage.run(BEGIN + 20_000)
    assert stage.all(Measure) == []
    stage.trust = ClockTrust.T3
    stage.run(BEGIN + 21_000)
    (measured,) = stage.all(Measure)
    assert measured.at_ms > MONO + 20_000
    assert measured.opening_ms > 0


@pytest.mark.requirement("SRC-2")
def test_the_line_in_of_a_tuner_that_stands_elsewhere_is_never_taken_for_the_station() -> None:
    stage = Stage(with_fm())
    stage.run(BEGIN + 2000, machine.TunerTuned(91_000), *GOOD_FM[1:], line_in=MUSIC)
    assert stage.all(SoundLineIn) == []


def test_items_shorter_than_the_look_ahead_still_follow_without_a_silence() -> None:
    base = playlist(items=4)
    short = dataclasses.replace(
        base,
        items=tuple(
            dataclasses.replace(item, offset_ms=4000 * n, duration_ms=4000)
            for n, item in enumerate(base.items)
        ),
    )
    stage = Stage(short)
    stage.run(BEGIN + 20_000)
    assert [s.at_ms - MONO for s in stage.all(SoundMedia)] == [0, 4000, 8000, 12_000]
    assert [s.at_ms - MONO for s in stage.all(Silence)] == [16_000]
    for play, prepared in zip(stage.all(SoundMedia), stage.all(Prepare), strict=True):
        assert play.source == prepared.source


def test_another_file_under_the_same_item_takes_the_place_of_the_one_that_sounds() -> None:
    other = bytes([8]) * 32
    stage = Stage(cached=(SHA, other))
    stage.run(BEGIN + 5000)
    old = playlist()
    media = tuple(dataclasses.replace(each, sha256=other) for each in old.media)
    stage.replace(dataclasses.replace(old, serial=old.serial + 1, media=media))
    stage.run(BEGIN + 6000)
    assert [each.sha256 for each in stage.all(Prepare)] == [SHA, other]
    assert [each.playlist for each in stage.kept(PlayStarted)] == [b"d" * 32, b"e" * 32]


def test_another_file_that_comes_after_the_old_one_was_opened_is_what_sounds() -> None:
    other = bytes([8]) * 32
    stage = Stage(cached=(SHA, other))
    stage.run(BEGIN - 5000)
    old = playlist()
    media = tuple(dataclasses.replace(each, sha256=other) for each in old.media)
    stage.replace(dataclasses.replace(old, serial=old.serial + 1, media=media))
    stage.run(BEGIN + 1000)
    (sound,) = stage.all(SoundMedia)
    (prepared,) = [each for each in stage.all(Prepare) if each.source == sound.source]
    assert prepared.sha256 == other
