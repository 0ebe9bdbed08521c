"""Alerts: when they begin, what they interrupt, how often they sound, and what is told of them."""

from __future__ import annotations

from typing import Any

import pytest

from loa_endpoint.core.effect import (
    Effect,
    Keep,
    KeepProgress,
    SetGain,
    Silence,
    SoundLineIn,
    SoundMedia,
    Tell,
)
from loa_protocol.objects.alert import Alert, AlertMessage
from loa_protocol.objects.authority import Level
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
    assert (first.at_ms, again.at_ms) == (BEGIN + 10_000, BEGIN + 25_000)
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
    assert not scene.is_alerting
    scene.wait(3)
    assert not scene.is_silent()  # the item goes on until then
    scene.wait(20)
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
    begun = scene.now_ms
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
    assert len(scene.alerts()) == 3
    scene.wait(20)
    scene.order(alert(repeats=1), level=Level.PROVINCE)
    assert len(scene.alerts()) == 4


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
        scene.wait(2)
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
    scene.wait(12)
    scene.trust = ClockTrust.T3
    scene.wait(30)
    scene.reboot()
    scene.wait(30)
    assert len(scene.alerts()) == 1
    assert scene.state(warning) is OrderState.ENDED


def test_after_a_power_cut_only_the_repeats_that_are_left_sound() -> None:
    scene = Scene()
    scene.order(alert(repeats=3))
    scene.wait(12)
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
    scene.wait(4)
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


def test_nothing_scheduled_is_told_as_held_for_an_alert() -> None:
    scene = Scene()
    scene.order(alert())
    scene.wait(10)
    assert told(scene, Happening) == []
