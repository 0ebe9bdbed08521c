"""Alerts: when they begin, what they interrupt, how often they sound, and what is told of them."""

from __future__ import annotations

from typing import Any

import pytest

from loa_endpoint.core.effect import (
    Effect,
    Keep,
    KeepProgress,
    OpenTone,
    Release,
    SetGain,
    Silence,
    SoundLineIn,
    SoundMedia,
    Tell,
)
from loa_protocol.objects.alert import Alert, AlertMessage
from loa_protocol.objects.authority import Level
from loa_protocol.objects.command import Verb
from loa_protocol.objects.playlist import BulletinKind, Mark
from loa_protocol.objects.policy import AfterAlert, AlertLimits
from loa_protocol.record import (
    ClockTrust,
    Happening,
    OrderState,
    Outcome,
    PlayEnded,
    PlayStarted,
    Refused,
)
from support import orders
from support.director_stage import BEGIN, GOOD_FM, MONO, MUSIC, SHA, with_fm
from support.order_scene import Scene

NOW_S = BEGIN // 1000


def alert(**changes: Any) -> Alert:
    """Return an alert around the test session: ten seconds, twice, five apart."""
    times = {"start": NOW_S - 60, "expires": NOW_S + 600}
    return orders.alert(**{**times, **changes})


def told(scene: Scene, kind: type[Any]) -> list[Any]:
    bodies = (e.body for _, e in scene.done if isinstance(e, (Tell, Keep)))
    return [body for body in bodies if isinstance(body, kind)]


@pytest.mark.requirement("MSG-3", "MSG-1")
def test_an_alert_breaks_into_an_item_and_the_item_goes_on_at_its_place_afterwards() -> None:
    scene = Scene()
    scene.run(BEGIN + 10_000)
    warning = scene.order(alert())
    assert scene.is_alerting
    scene.wait(40)
    first, again = scene.alerts()
    assert [each.at_ms for each in scene.tones()] == [BEGIN + 10_000]
    assert (first.at_ms, again.at_ms) == (BEGIN + 13_000, BEGIN + 28_000)
    assert scene.told(warning) == [
        (OrderState.BEGUN, ""),
        (OrderState.ENDED, "sounded 2 times"),
    ]
    resumed = scene.all(SoundMedia)[-1]
    assert resumed.source.startswith("media-")
    assert resumed.position_ms == resumed.at_ms - MONO  # where it would be now
    assert scene.sounding == resumed.source
    ends = [each.outcome for each in told(scene, PlayEnded)]
    assert ends[:3] == [
        Outcome.PREEMPTED,
        Outcome.COMPLETE,
        Outcome.COMPLETE,
    ]


@pytest.mark.requirement("MSG-3")
def test_the_interrupted_item_is_dropped_where_the_policy_says_so() -> None:
    scene = Scene(after_alert=AfterAlert.DROP)
    scene.run(BEGIN + 10_000)
    scene.order(alert())
    scene.run(BEGIN + 59_000)
    assert scene.is_silent()
    scene.run(BEGIN + 62_000)
    assert not scene.is_silent()  # the next item is itself


@pytest.mark.requirement("MSG-3")
def test_the_first_sample_of_an_alert_comes_before_every_record_of_it() -> None:
    scene = Scene()
    scene.run(BEGIN + 10_000)
    before = len(scene.done)
    scene.order(alert())
    effects: list[Effect] = [effect for _, effect in scene.done[before:]]
    sound = next(n for n, e in enumerate(effects) if isinstance(e, SoundMedia))
    written = [n for n, e in enumerate(effects) if isinstance(e, (Keep, Tell, KeepProgress))]
    assert written
    assert sound < min(written)
    assert isinstance(effects[0], Silence)
    assert not any(isinstance(e, Silence) for e in effects[sound:])


def test_its_play_is_written_down_with_its_own_level_mark_and_volume() -> None:
    scene = Scene(volume_caps=(), hours=())  # outside all hours
    body = alert(volume=15)
    scene.order(body, level=Level.PROVINCE)
    scene.wait(3)
    started = told(scene, PlayStarted)[-1]
    assert started.item == body.id.hex()
    assert (started.kind, started.level) == (BulletinKind.EMERGENCY, Level.PROVINCE)
    assert started.mark is Mark.TEST  # of the test province
    assert scene.all(SetGain)[-1].gain_cdb == 0


@pytest.mark.requirement("TIM-2", "MSG-1")
def test_the_quiet_hours_that_block_an_item_do_not_block_an_alert() -> None:
    scene = Scene(hours=())
    scene.run(BEGIN + 5000)
    assert scene.is_silent()
    scene.order(alert())
    assert scene.is_alerting


@pytest.mark.requirement("MSG-3")
def test_speech_begins_on_the_common_instant_and_not_before() -> None:
    scene = Scene()
    scene.run(BEGIN + 10_000)
    scene.order(alert(speech_ms=BEGIN + 14_000))
    assert [each.at_ms for each in scene.tones()] == [BEGIN + 10_000]
    scene.wait(3)
    assert scene.alerts() == []
    scene.wait(20)
    assert len(scene.tones()) == 1
    assert [each.at_ms for each in scene.alerts()] == [BEGIN + 14_000, BEGIN + 29_000]


@pytest.mark.requirement("MSG-3")
def test_who_comes_late_joins_at_the_next_repeat_and_is_silent_until_then() -> None:
    scene = Scene()
    scene.run(BEGIN + 18_000)
    warning = scene.order(alert(speech_ms=BEGIN + 14_000, repeats=3))
    scene.wait(5)
    assert scene.is_silent()
    scene.wait(45)
    assert [each.at_ms for each in scene.alerts()] == [BEGIN + 29_000, BEGIN + 44_000]
    assert scene.state(warning) is OrderState.ENDED


def test_who_comes_after_the_last_repeat_sounds_it_once_at_once() -> None:
    scene = Scene()
    scene.run(BEGIN + 110_000)
    scene.order(alert(speech_ms=BEGIN + 14_000))
    scene.wait(60)
    assert len(scene.alerts()) == 1


def test_an_alert_never_sounds_longer_than_it_may() -> None:
    scene = Scene()
    warning = scene.order(alert(duration_s=13, repeats=9))
    begun = scene.now_ms + 3000  # the tone before it does not count
    scene.wait(60)
    ends = [each for each in scene.all(Silence) if each.at_ms == 0]
    assert ends
    assert len(scene.alerts()) == 2
    assert scene.disk[warning].progress.sounded_ms in range(13_000, 13_200)
    assert scene.alerts()[1].at_ms == begun + 15_000


@pytest.mark.requirement("MSG-4")
def test_an_alert_that_expired_meanwhile_never_begins() -> None:
    scene = Scene(cached=(SHA,))
    warning = scene.order(alert(expires=NOW_S - 20))
    scene.run(BEGIN - 15_000)
    assert scene.alerts() == []
    assert scene.told(warning) == [(OrderState.REFUSED, "no_media")]
    scene.fetch(SHA, orders.SIREN.sha256)
    scene.wait(1)
    assert scene.alerts() == []


def test_an_alert_waits_for_its_sound_and_the_schedule_goes_on_meanwhile() -> None:
    scene = Scene(cached=(SHA,))
    scene.run(BEGIN + 5000)
    scene.order(alert())
    scene.wait(5)
    assert not scene.is_silent()
    assert not scene.is_alerting
    scene.fetch(SHA, orders.SIREN.sha256)
    scene.wait(0.2)
    assert scene.is_alerting


@pytest.mark.requirement("MSG-4")
def test_over_its_holders_daily_limit_an_alert_is_refused_by_name() -> None:
    scene = Scene(alert_limits=AlertLimits(per_day=2, seconds_per_day=600))
    for _ in range(2):
        scene.order(alert(repeats=1))
        scene.wait(15)
    third = scene.order(alert(repeats=1))
    scene.wait(5)
    assert scene.told(third) == [(OrderState.REFUSED, "limit")]
    assert told(scene, Refused)[-1].reason == "limit"
    scene.reboot()
    assert scene.told(third)[-1] == (OrderState.REFUSED, "limit")
    scene.order(alert(repeats=1), holders=("an", "bình"))  # a second person vouches
    assert len(scene.tones()) == 3
    scene.wait(20)
    scene.order(alert(repeats=1), level=Level.PROVINCE)
    assert len(scene.tones()) == 4


@pytest.mark.requirement("MSG-4")
def test_the_seconds_of_a_day_are_limited_too() -> None:
    scene = Scene(alert_limits=AlertLimits(per_day=10, seconds_per_day=25))
    first, second = scene.order(alert()), scene.order(alert())
    assert scene.state(first) is OrderState.BEGUN
    assert scene.state(second) is OrderState.REFUSED


def test_a_higher_level_goes_first_and_the_lower_one_follows_with_what_is_left() -> None:
    scene = Scene()
    commune = scene.order(alert(repeats=3))
    scene.wait(3)
    province = scene.order(alert(repeats=1), level=Level.PROVINCE)
    assert province.hex() in (scene.sounding or "")
    scene.order(alert(repeats=1, start=NOW_S - 5))  # newer, and lower: it waits
    assert province.hex() in (scene.sounding or "")
    scene.wait(100)
    heard = [commune.hex() in each.source for each in scene.alerts()]
    assert heard.count(True) == 3
    assert scene.state(commune) is OrderState.ENDED


def test_an_update_takes_the_place_of_what_it_refers_to() -> None:
    scene = Scene()
    first = scene.order(alert())
    scene.wait(2)
    second = scene.order(alert(message=AlertMessage.UPDATE, references=(first,)))
    assert second.hex() in (scene.sounding or "")
    assert scene.told(first)[-1] == (OrderState.ENDED, "updated")


@pytest.mark.parametrize("comes_first", [False, True])
def test_a_cancel_ends_an_alert_also_when_it_comes_first(comes_first: bool) -> None:
    scene = Scene()
    body = alert()
    cancel = orders.cancel(body.id, start=NOW_S - 60, expires=NOW_S + 600)
    both = (cancel, body) if comes_first else (body, cancel)
    for each in both:
        scene.order(each)
        scene.wait(5)
    scene.wait(40)
    assert scene.told(body.id)[-1] == (OrderState.ENDED, "cancelled")
    assert len(scene.alerts()) == (0 if comes_first else 1)
    assert not scene.is_alerting


def test_a_cancel_by_a_lower_level_ends_nothing() -> None:
    scene = Scene()
    warning = scene.order(alert(), level=Level.PROVINCE)
    scene.order(orders.cancel(warning, start=NOW_S - 60, expires=NOW_S + 600))
    scene.wait(1)
    assert scene.is_alerting


@pytest.mark.requirement("TIM-4")
def test_without_the_time_an_alert_waits_for_an_answer_that_is_asked_for_at_once() -> None:
    scene = Scene(trust=ClockTrust.T1)
    scene.order(alert())
    scene.wait(5)
    assert scene.has_asked_time()
    assert scene.alerts() == []
    scene.trust = ClockTrust.T3
    scene.wait(1)
    assert scene.is_alerting


@pytest.mark.requirement("TIM-4")
def test_without_the_time_it_sounds_by_policy_and_not_again_once_the_time_is_known() -> None:
    scene = Scene(trust=ClockTrust.T1, alert_without_time=True)
    warning = scene.order(alert(repeats=1))
    assert scene.is_alerting
    scene.wait(15)
    scene.trust = ClockTrust.T3
    scene.wait(30)
    scene.reboot()
    scene.wait(30)
    assert len(scene.alerts()) == 1
    assert scene.state(warning) is OrderState.ENDED


def test_after_a_power_cut_only_the_repeats_that_are_left_sound() -> None:
    scene = Scene()
    scene.order(alert(repeats=3))
    scene.wait(15)
    scene.reboot()
    scene.wait(60)
    assert len(scene.alerts()) == 3


@pytest.mark.requirement("SRC-2", "MSG-3")
def test_fm_is_silent_while_an_alert_sounds() -> None:
    scene = Scene(with_fm())
    scene.run(BEGIN + 12_000, *GOOD_FM, line_in=MUSIC)
    assert scene.all(SoundLineIn)
    before = len(scene.done)
    scene.order(alert(repeats=1))
    scene.run(BEGIN + 21_000, *GOOD_FM, line_in=MUSIC)
    assert not any(isinstance(e, SoundLineIn) for _, e in scene.done[before:])
    scene.run(BEGIN + 40_000, *GOOD_FM, line_in=MUSIC)
    assert any(isinstance(e, (SoundLineIn, SoundMedia)) for _, e in scene.done[before:])


def test_a_new_player_goes_on_with_the_alert_where_the_old_one_died() -> None:
    scene = Scene()
    scene.order(alert())
    scene.wait(7)
    scene.do(scene.director.on_player_restarted(scene.reading()))
    sound = scene.all(SoundMedia)[-1]
    assert sound.source.startswith("alert-")
    assert 3900 <= sound.position_ms <= 4100


def test_a_sound_that_cannot_be_opened_is_tried_again_and_counts_as_no_repeat() -> None:
    scene = Scene()
    scene.can_start = False
    warning = scene.order(alert(repeats=1))
    source = scene.prepared()[-1]
    scene.can_start = True
    scene.do(scene.director.on_source_ended(source, "broken", scene.reading()))
    assert scene.state(warning) is OrderState.BEGUN
    scene.wait(6)
    assert scene.is_alerting
    scene.wait(20)
    assert scene.state(warning) is OrderState.ENDED


@pytest.mark.requirement("MSG-3")
@pytest.mark.parametrize("lead_ms", [600, 2000, 4000, 12_000, 30_000])
def test_the_tone_begins_in_the_round_in_which_the_alert_is_accepted(lead_ms: int) -> None:
    scene = Scene()
    scene.run(BEGIN + 10_000)
    before = len(scene.done)
    scene.order(alert(speech_ms=scene.now_ms + lead_ms))
    effects = [effect for _, effect in scene.done[before:]]
    assert effects[0] == Silence(0, 50)
    opened, gain, sound = effects[1:4]
    assert isinstance(opened, OpenTone)
    assert opened.length_ms == 10_000
    assert isinstance(gain, SetGain)
    assert isinstance(sound, SoundMedia)
    assert (sound.source, sound.at_ms) == (opened.source, 0)
    speech_ms = scene.now_ms + lead_ms
    scene.run(speech_ms + 1000)
    assert [each.at_ms for each in scene.alerts()] == [speech_ms]
    assert len(scene.tones()) == 1


@pytest.mark.requirement("MSG-3")
def test_an_alert_whose_speech_is_far_off_lets_the_item_go_on_until_ten_seconds_before() -> None:
    scene = Scene()
    scene.run(BEGIN + 5000)
    scene.order(alert(speech_ms=BEGIN + 40_000))
    assert not scene.is_alerting
    scene.run(BEGIN + 29_900)
    assert not scene.is_silent()
    assert not scene.is_alerting
    scene.run(BEGIN + 42_000)
    (tone,), (speech,) = scene.tones(), scene.alerts()
    assert tone.at_ms in range(BEGIN + 30_000, BEGIN + 30_101)
    assert speech.at_ms == BEGIN + 40_000


@pytest.mark.requirement("MSG-3")
def test_too_short_a_time_before_the_instant_is_silence_and_no_hiccup_of_a_tone() -> None:
    scene = Scene()
    scene.run(BEGIN + 10_000)
    scene.order(alert(speech_ms=BEGIN + 10_400))
    scene.wait(2)
    assert scene.tones() == []
    assert [each.at_ms for each in scene.alerts()] == [BEGIN + 10_400]


@pytest.mark.requirement("MSG-3")
@pytest.mark.parametrize(("joins_at_s", "tone_at_s"), [(18, 24), (25, 25), (28.7, None)])
def test_who_comes_late_has_the_tone_only_while_the_neighbours_do_not_speak(
    joins_at_s: float, tone_at_s: float | None
) -> None:
    scene = Scene()
    scene.run(BEGIN + round(joins_at_s * 1000))
    scene.order(alert(speech_ms=BEGIN + 14_000, repeats=3))  # they speak from 14 to 24, from 29 on
    scene.run(BEGIN + 30_000)
    tones = [each.at_ms for each in scene.tones()]
    assert tones == ([] if tone_at_s is None else [BEGIN + tone_at_s * 1000])
    assert [each.at_ms for each in scene.alerts()] == [BEGIN + 29_000]


@pytest.mark.requirement("MSG-3")
def test_a_tone_that_comes_late_is_three_seconds_long_all_the_same() -> None:
    scene = Scene()
    scene.can_start = False
    scene.order(alert())
    scene.can_start = True
    (tone,) = (each.source for each in scene.all(SoundMedia) if each.source.startswith("tone-"))
    scene.wait(1)  # an amplifier wakes
    scene.director.on_started(scene.reading().mono_ms, scene.reading(), tone)
    begun_ms = scene.now_ms
    scene.wait(10)
    assert [each.at_ms for each in scene.alerts()] == [begun_ms + 3000]


def test_a_tone_counts_as_no_repeat_so_that_a_power_cut_in_it_costs_none() -> None:
    scene = Scene()
    warning = scene.order(alert(repeats=1))
    assert scene.state(warning) is OrderState.BEGUN
    scene.wait(1)
    scene.reboot()
    scene.wait(30)
    assert len(scene.tones()) == 2
    assert len(scene.alerts()) == 1
    assert scene.state(warning) is OrderState.ENDED


def test_a_new_player_goes_on_with_the_tone_and_speaks_on_time() -> None:
    scene = Scene()
    scene.order(alert(speech_ms=BEGIN - 25_000))
    scene.wait(2)
    scene.do(scene.director.on_player_restarted(scene.reading()))
    tone = scene.all(SoundMedia)[-1]
    assert tone.source.startswith("tone-")
    assert tone.position_ms == 2000
    names = [each.source for each in scene.all(OpenTone)]
    assert len(set(names)) == 2
    scene.wait(10)
    assert [each.at_ms for each in scene.alerts()] == [BEGIN - 25_000]
    assert scene.alerts()[0].source == scene.prepared()[-1]


@pytest.mark.parametrize("ends_by", ["cancel", "lockdown", "stop", "button"])
def test_whatever_ends_an_alert_ends_it_in_its_tone_too(ends_by: str) -> None:
    scene = Scene()
    warning = scene.order(alert())
    scene.wait(1)
    now_s = scene.now_ms // 1000
    times = {"issued": now_s, "expires": now_s + 600}
    match ends_by:
        case "cancel":
            scene.order(orders.cancel(warning, start=now_s, expires=now_s + 600))
        case "lockdown":
            scene.order(orders.command(Verb.LOCKDOWN, duration_s=60, **times))
        case "stop":
            scene.order(orders.command(Verb.STOP, **times))
        case "button":
            scene.do(scene.director.duty.on_button(scene.reading()))
    assert scene.is_silent()
    assert scene.all(Release)
    scene.wait(20)
    assert scene.alerts() == []


@pytest.mark.requirement("VOL-3")
def test_a_hold_lets_the_tone_be_heard_as_it_does_the_alert() -> None:
    scene = Scene()
    scene.run(BEGIN + 5000)
    now_s = scene.now_ms // 1000
    hold = {"issued": now_s, "expires": now_s + 600}
    scene.order(orders.command(Verb.HOLD, duration_s=60, **hold))
    scene.order(alert())
    assert scene.is_alerting
    scene.wait(30)
    assert len(scene.alerts()) == 2
    assert scene.is_silent()  # the item stays held


def test_a_more_urgent_alert_has_its_own_tone_and_the_other_has_its_again() -> None:
    scene = Scene()
    commune = scene.order(alert(repeats=1))
    scene.wait(1)
    province = scene.order(alert(repeats=1), level=Level.PROVINCE)
    scene.wait(40)
    whose = [commune, province, commune]
    assert [each.hex() in tone.source for each, tone in zip(whose, scene.tones(), strict=True)] == (
        [True] * 3
    )
    assert [province.hex() in each.source for each in scene.alerts()] == [True, False]


def test_a_speech_that_could_not_be_opened_ahead_is_opened_anew_on_its_instant() -> None:
    scene = Scene()
    scene.order(alert(speech_ms=BEGIN - 26_000))
    ahead = scene.prepared()[-1]
    scene.do(scene.director.on_source_ended(ahead, "broken", scene.reading()) or [])
    scene.wait(6)
    assert [each.at_ms for each in scene.alerts()] == [BEGIN - 26_000]
    assert scene.alerts()[0].source != ahead


def test_the_volume_is_led_over_while_something_fades_and_set_where_nothing_does() -> None:
    over, alone = Scene(), Scene()
    over.run(BEGIN + 10_000)
    for scene in (over, alone):
        scene.order(alert(volume=15))
    assert over.all(SetGain)[-1].ramp_ms == 50
    assert alone.all(SetGain)[-1].ramp_ms == 0


def test_nothing_scheduled_is_told_as_held_for_an_alert() -> None:
    scene = Scene()
    scene.order(alert())
    scene.wait(10)
    assert told(scene, Happening) == []
