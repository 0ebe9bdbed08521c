from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise, product

import pytest

from loa_endpoint.core.bearer import (
    Alarm,
    Bearer,
    Cause,
    EmergencyEnded,
    EmergencyStarted,
    Event,
    Item,
    ItemStarted,
    PauseHeard,
    PiRead,
    PreOpen,
    ReturnAsked,
    SignalRead,
    Sound,
    SoundFailed,
    SoundRead,
    SoundReady,
    SwitchTo,
    TunerTuned,
    WindowClosed,
    WindowOpened,
)
from loa_endpoint.core.fallback import Fallback
from loa_endpoint.core.fallback_table import MOVES, Act, Signal, State
from loa_protocol.objects.playlist import BearerKind
from loa_protocol.parameters import ReturnMode
from support.bearer_scene import (
    EMPTY_CDBUV,
    FM,
    HOUR_MS,
    MEDIA,
    OTHER_PI,
    PARAMETERS,
    STREAM,
    Scene,
)

FADED_CDBUV = (
    3000  # under the site's low level, over the floor: a weak station, not an empty channel
)


def on_fm(*others: Bearer, **changes: int) -> Scene:
    """An endpoint whose FM has proved itself and sounds."""
    scene = Scene(replace(PARAMETERS, **changes))
    scene.window(HOUR_MS)
    scene.play(FM, *others)
    scene.run(5000)
    assert (scene.audible, scene.state) == ("fm", State.ON)
    scene.forget()
    return scene


# --- the table


@pytest.mark.requirement("RAD-3")
def test_the_table_answers_every_signal_in_every_state() -> None:
    assert set(MOVES) == set(product(State, Signal))


def test_what_says_nothing_moves_nowhere() -> None:
    for (state, _), (following, act) in MOVES.items():
        assert (following is state) or (act is not Act.NOTHING)


def test_every_act_and_every_state_is_reached_by_some_move() -> None:
    assert {act for _, act in MOVES.values()} == set(Act)
    assert {state for state, _ in MOVES.values()} == set(State)


def test_only_the_end_of_an_alert_leaves_the_emergency() -> None:
    leaving = {s for (state, s), (to, _) in MOVES.items() if state is State.EMERGENCY is not to}
    assert leaving == {Signal.EMERGENCY_OVER}


# --- starting


@pytest.mark.requirement("SRC-2")
def test_fm_sounds_from_the_first_instant_when_it_proved_itself_ahead() -> None:
    scene = Scene()
    scene.window(HOUR_MS)
    scene.play(FM, MEDIA)
    scene.run(60_000)
    assert scene.muted_ms == 0
    assert scene.said() == []


@pytest.mark.requirement("SRC-2")
def test_a_carrier_without_rds_never_sounds() -> None:
    scene = Scene()
    scene.world.pi = None
    scene.window(HOUR_MS)
    scene.play(FM, MEDIA)
    scene.run(120_000)
    assert scene.hears("media")
    assert scene.said("fm_rejected") == [("fm_rejected", "fm", "no_pi")]
    assert scene.muted_ms <= PARAMETERS.acquire_ms


@pytest.mark.requirement("SRC-2")
def test_another_station_on_the_frequency_never_sounds() -> None:
    scene = Scene()
    scene.world.pi = OTHER_PI
    scene.window(HOUR_MS)
    scene.play(FM)
    scene.run(120_000)
    assert all(not isinstance(effect, SwitchTo) for _, effect in scene.effects)
    assert ("fm_rejected", "fm", "other_pi") in scene.said()
    assert scene.stands_at(State.MUTED)


@pytest.mark.requirement("SRC-2")
def test_fm_without_a_proof_in_the_playlist_is_refused() -> None:
    scene = Scene()
    scene.window(HOUR_MS)
    scene.play(replace(FM, pi=None), MEDIA)
    scene.run(10_000)
    assert scene.hears("media")
    assert scene.said("fm_rejected") == [("fm_rejected", "fm", "no_proof")]


@pytest.mark.requirement("SRC-2")
def test_outside_its_window_fm_stays_closed_and_unlistened_to() -> None:
    scene = Scene()
    scene.tell(TunerTuned(FM.frequency_khz))
    scene.play(FM, MEDIA)
    scene.run(10_000)
    assert scene.hears("media")
    assert "fm" not in scene.open
    assert scene.said("fm_rejected") == [("fm_rejected", "fm", "no_window")]


@pytest.mark.requirement("SRC-2")
def test_when_the_window_closes_fm_falls_silent_that_instant() -> None:
    scene = Scene()
    scene.window(30_000)
    scene.play(FM, MEDIA)
    scene.run(40_000)
    assert scene.hears("media")
    assert scene.when("switch")[0] - 30_000 <= 50
    assert scene.said("fail") == [("fail", "fm", "no_window")]


def test_a_window_withdrawn_by_a_new_playlist_closes_fm_at_once() -> None:
    scene = on_fm(MEDIA)
    scene.window_ms = scene.now_ms
    scene.tell(WindowClosed("fm"))
    assert scene.hears(None)
    scene.run(100)
    assert scene.hears("media")


def test_a_window_that_opens_during_an_item_lets_fm_in_at_a_pause() -> None:
    scene = Scene()
    scene.play(FM, MEDIA)
    scene.run(20_000)
    scene.window(HOUR_MS)
    scene.run(5000)
    assert scene.stands_at(State.RETURNING)
    scene.tell(PauseHeard())
    assert scene.hears("fm")


def test_what_the_tuner_hears_on_another_frequency_proves_nothing() -> None:
    scene = Scene()
    scene.window(HOUR_MS)
    scene.tell(TunerTuned(66_000))
    scene.play(FM, MEDIA)
    scene.run(10_000)
    assert scene.hears("media")


def test_an_item_that_lists_nothing_usable_mutes_and_raises_the_alarm() -> None:
    scene = Scene()
    scene.world.media = False
    scene.play(MEDIA)
    scene.run(5000)
    assert scene.stands_at(State.MUTED)
    assert scene.said("mute", "programme_failure_alarm") == [
        ("mute", "", ""),
        ("programme_failure_alarm", "", "active"),
    ]
    scene.end()
    assert scene.said("programme_failure_alarm")[-1] == ("programme_failure_alarm", "", "idle")


@pytest.mark.requirement("SRC-3")
def test_the_local_item_fills_in_when_no_listed_bearer_can() -> None:
    scene = Scene()
    scene.world.stream = False
    scene.play(STREAM, local=replace(MEDIA, id="standing", cost=0))
    scene.run(5000)
    assert (scene.audible, scene.state) == ("standing", State.FALLBACK)


# --- failing over


@pytest.mark.requirement("RAD-6", "RAD-4")
def test_a_lost_carrier_is_left_within_a_second_although_it_hisses_loudly() -> None:
    scene = on_fm(MEDIA)
    scene.world.level_cdbuv = EMPTY_CDBUV
    lost_ms = scene.now_ms
    scene.run(5000)
    assert scene.said("suspect", "fail", "switch", "fallback") == [
        ("suspect", "fm", "carrier"),
        ("fail", "fm", "lost"),
        ("switch", "media", "failure"),
        ("fallback", "media", ""),
    ]
    assert scene.when("switch")[0] - lost_ms <= 500 + 200
    assert scene.muted_ms == 0  # the next bearer was opened under suspicion


def test_a_fade_above_the_floor_keeps_its_five_seconds() -> None:
    scene = on_fm(MEDIA)
    scene.world.level_cdbuv = FADED_CDBUV
    began_ms = scene.now_ms
    scene.run(8000)
    assert scene.said("fail") == [("fail", "fm", "carrier")]
    assert 5000 <= scene.when("fail")[0] - began_ms <= 5100


@pytest.mark.requirement("RAD-3")
def test_a_short_fade_never_leaves_fm() -> None:
    scene = on_fm(MEDIA)
    for _ in range(20):
        scene.world.level_cdbuv = FADED_CDBUV
        scene.run(4500)
        scene.world.level_cdbuv = 5500
        scene.run(1000)
    assert scene.hears("fm")
    assert scene.said("fail", "switch") == []
    assert scene.said("suspect")[0] == ("suspect", "fm", "carrier")


def test_the_level_must_rise_to_the_high_threshold_to_end_a_fade() -> None:
    scene = on_fm(MEDIA)
    scene.world.level_cdbuv = FADED_CDBUV
    scene.run(1000)
    scene.world.level_cdbuv = 4400  # between low (4000) and high (4700)
    scene.run(5000)
    assert scene.said("fail") == [("fail", "fm", "carrier")]


@pytest.mark.requirement("RAD-6")
def test_hiss_on_a_weak_carrier_fails_after_three_seconds_and_on_a_strong_one_never() -> None:
    weak, strong = on_fm(MEDIA), on_fm(MEDIA)
    weak.world.level_cdbuv = 4500
    for scene in (weak, strong):
        scene.world.flatness_permille = 900
        scene.run(20_000)
    assert weak.said("fail") == [("fail", "fm", "noise")]
    assert strong.said("fail") == []  # rain, applause


@pytest.mark.requirement("RAD-6")
def test_a_pause_on_a_weak_station_is_no_hiss_although_only_noise_is_left() -> None:
    scene = on_fm(MEDIA)
    scene.world.level_cdbuv = 4500
    scene.world.flatness_permille, scene.world.programme_cdbfs = 900, -5500
    scene.run(15_000)
    assert scene.said("fail") == []


def test_interference_fails_after_ten_seconds() -> None:
    scene = on_fm(MEDIA)
    scene.world.cci_permille = 700
    scene.run(9900)
    assert scene.hears("fm")
    scene.run(300)
    assert scene.said("fail") == [("fail", "fm", "cci")]


@pytest.mark.requirement("SRC-2")
def test_another_pi_silences_fm_at_the_first_certain_line() -> None:
    scene = on_fm(MEDIA)
    scene.tell(PiRead(OTHER_PI, 0))
    assert scene.hears(None)
    scene.run(100)
    assert scene.hears("media")
    names = [name for name, _, _ in scene.said()]
    assert names == ["fail", "pi_mismatch", "fm_rejected", "switch", "fallback"]


@pytest.mark.requirement("SRC-2")
def test_loss_of_rds_alone_fails_after_a_minute() -> None:
    scene = on_fm(MEDIA)
    scene.world.pi = None
    scene.run(59_500)
    assert scene.hears("fm")
    scene.run(1000)
    assert scene.said("fail", "pi_mismatch") == [("fail", "fm", "pi")]


def test_an_unplugged_tuner_fails_three_seconds_after_its_last_line() -> None:
    scene = on_fm(MEDIA)
    scene.world.tuner = False
    gone_ms = scene.now_ms
    scene.run(5000)
    assert scene.said("fail") == [("fail", "fm", "tuner")]
    assert 2900 <= scene.when("fail")[0] - gone_ms <= 3100
    assert scene.muted_ms == 0


def test_a_tuner_that_comes_back_has_to_prove_the_station_again() -> None:
    scene = on_fm(MEDIA)
    scene.world.tuner = False
    scene.run(5000)
    scene.world.tuner, scene.world.pi = True, None
    scene.run(120_000)
    scene.tell(PauseHeard())
    assert scene.hears("media")
    scene.world.pi = FM.pi
    scene.run(31_000)
    scene.tell(PauseHeard())
    assert scene.hears("fm")


@pytest.mark.requirement("RAD-6")
def test_silence_fails_after_twenty_seconds_and_quiet_music_after_sixty() -> None:
    for sound, patience_ms in ((Sound.NORMAL, 20_000), (Sound.QUIET, 60_000)):
        scene = Scene()
        scene.window(HOUR_MS)
        scene.play(FM, MEDIA, sound=sound)
        scene.run(5000)
        scene.world.programme_cdbfs = -6000
        scene.run(patience_ms - 200)
        assert scene.hears("fm")
        scene.run(500)
        assert scene.said("fail") == [("fail", "fm", "silence")]


@pytest.mark.requirement("RAD-6")
def test_quiet_music_of_forty_seconds_raises_no_alarm() -> None:
    scene = Scene()
    scene.window(HOUR_MS)
    scene.play(FM, MEDIA, sound=Sound.QUIET)
    scene.run(5000)
    scene.world.programme_cdbfs = -4500
    scene.run(40_000)
    scene.world.programme_cdbfs = -2000
    scene.run(10_000)
    assert scene.said("fail", "switch", "mute", "programme_failure_alarm") == []


@pytest.mark.requirement("RAD-6")
def test_a_minute_of_silence_that_was_announced_raises_no_alarm() -> None:
    scene = Scene()
    scene.window(HOUR_MS)
    scene.play(FM, MEDIA, expected_silence=((10_000, 70_000),))
    scene.run(10_000)
    scene.world.programme_cdbfs = -9000
    scene.run(59_900)
    scene.world.programme_cdbfs = -2000
    scene.run(10_000)
    assert scene.said() == []


def test_a_click_every_few_seconds_does_not_keep_a_dead_programme_alive() -> None:
    scene = on_fm(MEDIA)
    for _ in range(8):
        scene.world.programme_cdbfs = -9000
        scene.run(2500)
        scene.world.programme_cdbfs = -1000
        scene.run(500)
    assert scene.said("fail") == [("fail", "fm", "silence")]


def test_silence_in_cached_media_is_the_programme() -> None:
    scene = Scene()
    scene.play(MEDIA)
    scene.run(1000)
    for _ in range(600):
        scene.tell(SoundRead("media", -12_000, 0))
        scene.run(100)
    assert scene.hears("media")


def test_a_starving_stream_is_left_after_three_seconds() -> None:
    scene = Scene()
    scene.play(STREAM, MEDIA)
    scene.run(5000)
    scene.world.stream_starved = True
    began_ms = scene.now_ms
    scene.run(5000)
    assert scene.said("fail") == [("fail", "stream", "starved")]
    assert 3000 <= scene.when("fail")[0] - began_ms <= 3200
    assert scene.muted_ms <= READY_STREAM_MS


READY_STREAM_MS = 300


def test_a_stream_without_bytes_is_left_after_five_seconds_though_its_buffer_plays_on() -> None:
    scene = Scene()
    scene.play(STREAM, MEDIA)
    scene.run(5000)
    scene.world.stream = False
    scene.run(4800)
    assert scene.hears("stream")
    scene.run(500)
    assert scene.said("fail") == [("fail", "stream", "bytes")]


def test_a_file_that_breaks_off_is_left_at_once() -> None:
    scene = Scene()
    scene.play(replace(MEDIA, cost=0, id="first"), MEDIA)
    scene.run(5000)
    scene.tell(SoundFailed("first", "broken"))
    scene.run(100)
    assert scene.hears("media")


def test_the_next_bearer_is_the_cheapest_that_is_not_failed() -> None:
    scene = on_fm(MEDIA, STREAM)
    scene.world.level_cdbuv = EMPTY_CDBUV
    scene.run(2000)
    assert scene.hears("stream")
    scene.world.stream_starved = True
    scene.run(5000)
    assert scene.hears("media")


def test_a_bearer_that_does_not_open_in_time_is_passed_over() -> None:
    scene = on_fm(STREAM, MEDIA)
    scene.world.stream = False
    scene.world.level_cdbuv = EMPTY_CDBUV
    scene.run(3000)
    assert scene.hears("media")
    assert scene.muted_ms == 0  # it was found out while FM was still under suspicion


def test_a_failed_fm_stays_failed_for_the_next_item() -> None:
    scene = on_fm(MEDIA)
    scene.world.level_cdbuv = EMPTY_CDBUV
    scene.run(2000)
    scene.end()
    scene.play(FM, replace(MEDIA, id="next"))
    scene.run(1000)
    assert scene.hears("next")
    assert scene.stands_at(State.FALLBACK)


# --- silence as the last resort


@pytest.mark.requirement("RAD-4")
def test_when_everything_failed_it_mutes_rather_than_hiss() -> None:
    scene = on_fm()
    scene.world.level_cdbuv = EMPTY_CDBUV
    scene.run(2000)
    assert (scene.audible, scene.state) == (None, State.MUTED)
    assert Alarm(active=True) in [effect for _, effect in scene.effects]


def test_after_a_mute_the_only_bearer_sounds_again_as_soon_as_it_is_steady() -> None:
    scene = on_fm()
    scene.world.level_cdbuv = EMPTY_CDBUV
    scene.run(60_000)
    scene.world.level_cdbuv = 5500
    back_ms = scene.now_ms
    scene.run(3000)
    assert scene.hears("fm")
    assert 1000 <= scene.when("unmute")[0] - back_ms <= 1300
    assert scene.effects[-1][1] != Alarm(active=True)
    assert Alarm(active=False) in [effect for _, effect in scene.effects]


def test_a_dead_stream_is_knocked_at_ever_more_rarely() -> None:
    scene = Scene(pace=10)
    scene.world.stream = False
    scene.play(STREAM)
    scene.run(HOUR_MS)
    opened = [
        at_ms
        for at_ms, effect in scene.effects
        if isinstance(effect, PreOpen) and effect.bearer.id == "stream"
    ]
    pauses = [late - early for early, late in pairwise(opened)]
    assert 8000 <= pauses[0] <= 12_500
    assert 16_000 <= pauses[1] <= 25_000
    assert all(144_000 <= pause <= 222_000 for pause in pauses[8:])
    assert len(opened) < 30


def test_a_stream_that_answers_a_knock_ends_the_mute() -> None:
    scene = Scene()
    scene.world.stream = False
    scene.play(STREAM)
    scene.run(60_000)
    assert scene.stands_at(State.MUTED)
    scene.world.stream = True
    scene.run(60_000)
    assert scene.hears("stream")


# --- coming back


def failed_over(*others: Bearer, **changes: int) -> Scene:
    """An endpoint whose FM came back the instant after it was left for the cached copy."""
    scene = on_fm(*(others or (MEDIA,)), **changes)
    scene.world.level_cdbuv = EMPTY_CDBUV
    scene.run(1000)
    assert scene.stands_at(State.FALLBACK)
    scene.world.level_cdbuv = 5500
    return scene


@pytest.mark.requirement("RAD-4")
def test_it_returns_from_a_file_at_a_pause_and_only_after_thirty_good_seconds() -> None:
    scene = failed_over()
    for _ in range(29):
        scene.run(1000)
        scene.tell(PauseHeard())
    assert scene.hears("media")
    scene.run(2000)
    assert (scene.audible, scene.state) == ("media", State.RETURNING)
    scene.tell(PauseHeard())
    assert (scene.audible, scene.state) == ("fm", State.ON)
    assert scene.said("return") == [("return", "fm", "")]
    switch = [effect for _, effect in scene.effects if isinstance(effect, SwitchTo)][-1]
    assert (switch.cause, switch.fade_out_ms, switch.fade_in_ms) == (Cause.RETURN, 500, 500)


@pytest.mark.requirement("RAD-4")
def test_it_returns_at_the_next_item() -> None:
    scene = failed_over()
    scene.run(40_000)
    assert scene.hears("media")
    scene.play(FM, replace(MEDIA, id="next"), announce_ms=0)
    assert scene.hears("fm")
    assert scene.said("return") == [("return", "fm", "")]


def test_without_any_pause_it_returns_after_ten_minutes() -> None:
    scene = failed_over()
    scene.pace = 3
    scene.run(620_000)
    assert scene.hears("media")
    scene.run(30_000)
    assert scene.hears("fm")


def test_from_a_stream_it_returns_without_waiting_for_a_place() -> None:
    scene = failed_over(STREAM)
    scene.run(32_000)
    assert scene.hears("fm")


def test_it_dwells_after_a_switch_even_if_the_better_one_is_well_sooner() -> None:
    scene = failed_over(STREAM, dwell_ms=90_000)
    scene.run(85_000)
    assert scene.hears("stream")
    scene.run(7000)
    assert scene.hears("fm")


@pytest.mark.parametrize("mode", [ReturnMode.MANUAL, ReturnMode.ITEM_END, ReturnMode.AUTO])
def test_the_mode_of_return_is_a_parameter(mode: ReturnMode) -> None:
    scene = failed_over(return_mode=int(mode))
    scene.run(40_000)
    assert scene.audible == ("fm" if mode is ReturnMode.AUTO else "media")
    scene.tell(PauseHeard())
    assert scene.audible == ("media" if mode is ReturnMode.MANUAL else "fm")
    scene.tell(ReturnAsked())
    assert scene.hears("fm")


def test_a_better_one_that_fails_while_waited_for_has_to_be_good_for_twice_as_long() -> None:
    scene = failed_over()
    scene.run(35_000)
    assert scene.stands_at(State.RETURNING)
    scene.world.level_cdbuv = EMPTY_CDBUV
    scene.run(2000)
    assert scene.stands_at(State.FALLBACK)
    scene.world.level_cdbuv = 5500
    scene.run(55_000)
    assert scene.stands_at(State.FALLBACK)
    scene.run(6000)
    assert scene.stands_at(State.RETURNING)


def test_the_doubled_wait_has_a_longest() -> None:
    scene = failed_over(ok_max_ms=50_000)
    for _ in range(4):
        scene.run(62_000)
        assert scene.stands_at(State.RETURNING)
        scene.world.level_cdbuv = EMPTY_CDBUV
        scene.run(1000)
        scene.world.level_cdbuv = 5500
    scene.run(45_000)
    assert scene.stands_at(State.FALLBACK)


def flap(scene: Scene) -> None:
    scene.world.level_cdbuv = EMPTY_CDBUV
    scene.run(1500)
    scene.world.level_cdbuv, scene.pace = 5500, 3
    scene.run(61_000)
    scene.tell(PauseHeard())
    scene.pace = 1
    scene.run(1000)


@pytest.mark.requirement("RAD-3")
def test_a_flapping_station_is_held_off_where_it_is_steady_and_the_alarm_is_raised() -> None:
    scene = on_fm(MEDIA)
    flap(scene)
    assert scene.hears("fm")
    flap(scene)
    assert (scene.audible, scene.state) == ("media", State.HOLDING)
    assert len(scene.when("switch")) == 3  # the fourth within ten minutes is not made
    assert scene.said("hold", "programme_failure_alarm")[:2] == [
        ("hold", "media", ""),
        ("programme_failure_alarm", "", "active"),
    ]
    scene.pace = 5
    scene.run(20 * 60_000)
    assert scene.hears("media")


def test_a_hold_ends_by_itself_after_half_an_hour() -> None:
    scene = on_fm(MEDIA)
    flap(scene)
    flap(scene)
    held_ms, scene.pace = scene.when("hold")[0], 5
    scene.run(30 * 60_000)
    scene.tell(PauseHeard())
    assert scene.hears("fm")
    assert scene.when("release") == [held_ms + 1_800_000]


def test_a_person_can_end_a_hold() -> None:
    scene = on_fm(MEDIA)
    flap(scene)
    flap(scene)
    scene.tell(ReturnAsked())
    assert (scene.audible, scene.state) == ("fm", State.ON)


def test_a_hold_outlasts_the_item() -> None:
    scene = on_fm(MEDIA)
    flap(scene)
    flap(scene)
    scene.play(FM, replace(MEDIA, id="next"), announce_ms=0)
    scene.run(1000)
    assert (scene.audible, scene.state) == ("next", State.HOLDING)


def test_a_hold_does_not_keep_it_on_a_bearer_that_fails() -> None:
    scene = on_fm(STREAM, MEDIA)
    flap(scene)
    flap(scene)
    assert (scene.audible, scene.state) == ("stream", State.HOLDING)
    scene.world.stream_starved = True
    scene.run(5000)
    assert (scene.audible, scene.state) == ("media", State.HOLDING)


# --- alerts


@pytest.mark.requirement("MSG-3")
def test_an_alert_mutes_fm_at_once_and_the_programme_comes_back_after_it() -> None:
    scene = on_fm(MEDIA)
    scene.tell(EmergencyStarted())
    assert (scene.audible, scene.state) == (None, State.EMERGENCY)
    scene.run(20_000)
    assert scene.hears(None)
    scene.tell(EmergencyEnded())
    scene.run(1000)
    assert scene.hears("fm")
    names = [name for _, name, _, _ in scene.log]
    assert "emergency_start" in names
    assert "emergency_stop" in names


def test_an_item_that_ended_during_an_alert_does_not_come_back() -> None:
    scene = on_fm(MEDIA)
    scene.tell(EmergencyStarted())
    scene.end()
    scene.tell(EmergencyEnded())
    scene.run(1000)
    assert (scene.audible, scene.state) == (None, State.IDLE)


def test_the_sound_of_an_alert_itself_never_comes_by_fm() -> None:
    scene = Scene()
    scene.window(HOUR_MS)
    scene.play(FM, MEDIA, sound=Sound.EMERGENCY)
    scene.run(1000)
    assert scene.hears("media")
    assert scene.said("fm_rejected") == [("fm_rejected", "fm", "emergency")]


# --- one tuner, two stations


def test_a_second_station_is_not_tuned_to_while_the_first_one_sounds() -> None:
    second = Bearer(id="fm2", kind=BearerKind.FM, cost=1, frequency_khz=66_000, pi=0x7302)
    machine = Fallback(PARAMETERS, random.Random(0))
    story: list[Event] = [
        WindowOpened(FM.id, HOUR_MS),
        WindowOpened(second.id, HOUR_MS),
        TunerTuned(FM.frequency_khz),
        ItemStarted(Item(id="a", bearers=(FM, second))),
        SoundReady(FM.id),
        SignalRead(5500, 0),
        *[PiRead(0x7301, 0)] * 3,
        SignalRead(FADED_CDBUV, 0),  # under suspicion the next one is opened ahead: not this one
    ]
    effects = [e for at_ms, event in enumerate(story) for e in machine.handle(event, at_ms)]
    assert machine.sounding == FM
    assert [e.bearer for e in effects if isinstance(e, PreOpen)] == [FM]
    for at_ms in range(100, 6000, 100):
        effects += machine.handle(SignalRead(FADED_CDBUV, 0), at_ms)
    assert [e.bearer for e in effects if isinstance(e, PreOpen)] == [FM, second]  # FM has failed
