"""FM windows against the clock: listened to ahead, sounded in, left on time; and joins of items."""

from __future__ import annotations

import dataclasses

import pytest

from loa_endpoint.core import bearer as machine
from loa_endpoint.core.effect import Silence, SoundLineIn, SoundMedia, Tune
from loa_protocol.objects.playlist import FmWindow, Playlist
from support.director_stage import BEGIN, GOOD_FM, MONO, MUSIC, Stage, with_fm

OPENS = BEGIN // 1000


@pytest.mark.requirement("SRC-2", "RAD-4")
def test_the_tuner_listens_before_its_window_and_sounds_on_the_instant_it_opens() -> None:
    stage = Stage(with_fm(start=OPENS))
    stage.run(BEGIN + 1000, *GOOD_FM, line_in=MUSIC)
    tuned_ms = next(at for at, effect in stage.done if isinstance(effect, Tune))
    assert BEGIN - 11_000 < tuned_ms < BEGIN - 9000
    assert [sound.at_ms for sound in stage.all(SoundLineIn)] == [MONO]


@pytest.mark.requirement("SRC-2")
def test_until_the_window_opens_the_media_stand_in() -> None:
    stage = Stage(with_fm(start=OPENS + 5))
    stage.run(BEGIN + 61_000, *GOOD_FM, line_in=MUSIC)
    (media,), (sound,) = stage.all(SoundMedia), stage.all(SoundLineIn)
    assert media.at_ms == MONO
    assert sound.at_ms == MONO + 60_000  # back at the next item


@pytest.mark.requirement("SRC-2")
def test_no_fm_sounds_before_the_second_in_which_its_window_opens() -> None:
    alone = with_fm(start=OPENS + 5)
    items = tuple(dataclasses.replace(i, bearers=i.bearers[:1]) for i in alone.items)
    stage = Stage(dataclasses.replace(alone, items=items))
    stage.run(BEGIN + 10_000, *GOOD_FM, line_in=MUSIC)
    assert [sound.at_ms for sound in stage.all(SoundLineIn)] == [MONO + 5000]


@pytest.mark.requirement("SRC-2")
def test_windows_that_are_over_do_not_close_the_one_that_is_open() -> None:
    yesterday = with_fm(start=OPENS - 7200, end=OPENS - 3600).fm_windows
    stage = Stage(windows(with_fm(), yesterday + with_fm().fm_windows))
    stage.run(BEGIN + 50_000, *GOOD_FM, line_in=MUSIC)
    assert len(stage.all(SoundLineIn)) == 1
    assert stage.all(SoundMedia) == []


@pytest.mark.requirement("SRC-2")
def test_windows_that_touch_are_one_and_a_gap_between_two_is_kept() -> None:
    first = with_fm(start=OPENS, end=OPENS + 20).fm_windows
    touching = with_fm(start=OPENS + 20, end=OPENS + 200).fm_windows
    stage = Stage(windows(with_fm(), first + touching))
    stage.run(BEGIN + 50_000, *GOOD_FM, line_in=MUSIC)
    assert len(stage.all(SoundLineIn)) == 1
    assert stage.all(SoundMedia) == []
    later = with_fm(start=OPENS + 24, end=OPENS + 200).fm_windows
    stage = Stage(windows(with_fm(), first + later))
    stage.run(BEGIN + 23_000, *GOOD_FM, line_in=MUSIC)
    (media,) = stage.all(SoundMedia)
    assert MONO + 20_000 <= media.at_ms <= MONO + 20_200


def test_a_window_that_a_new_playlist_takes_away_is_left_at_once() -> None:
    stage = Stage(with_fm())
    stage.run(BEGIN + 10_000, *GOOD_FM, line_in=MUSIC)
    stage.replace(windows(with_fm(), with_fm(end=OPENS + 5).fm_windows))
    stage.run(BEGIN + 11_000, *GOOD_FM, line_in=MUSIC)
    (media,) = stage.all(SoundMedia)
    assert MONO + 10_000 < media.at_ms < MONO + 10_300


@pytest.mark.requirement("RAD-4")
def test_an_item_whose_bearer_is_not_ready_lets_the_one_before_end_on_its_end() -> None:
    stage = Stage()
    stage.run(BEGIN + 45_000)
    stage.answers = False  # the second file does not open in time
    stage.run(BEGIN + 60_000)
    assert [silence.at_ms for silence in stage.all(Silence)] == [MONO + 60_000]


@pytest.mark.requirement("RAD-4")
def test_the_next_items_station_does_not_take_the_tuner_from_the_one_that_sounds() -> None:
    base = with_fm()
    other = with_fm(frequency_khz=91_000).fm_windows
    first, second = base.items
    elsewhere = dataclasses.replace(second.bearers[0], reference=1)
    second = dataclasses.replace(second, bearers=(elsewhere, *second.bearers[1:]))
    schedule = dataclasses.replace(base, items=(first, second), fm_windows=base.fm_windows + other)
    stage = Stage(schedule)
    stage.run(BEGIN + 59_000, *GOOD_FM, line_in=MUSIC)
    assert [tune.frequency_khz for tune in stage.all(Tune)] == [61_500]
    stage.run(BEGIN + 61_000, machine.TunerTuned(91_000), *GOOD_FM[1:], line_in=MUSIC)
    assert stage.all(Tune)[-1].frequency_khz == 91_000
    assert len(stage.all(SoundLineIn)) == 2


def windows(schedule: Playlist, rows: tuple[FmWindow, ...]) -> Playlist:
    return dataclasses.replace(schedule, fm_windows=rows)
