"""Holds, lockdowns, stops, releases, caps: what silences, for how long, and who may undo it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from loa_endpoint.core.effect import (
    Keep,
    KeepProgress,
    KeepSession,
    RenewIdentity,
    ResetFloor,
    Restart,
    SetGain,
    Tell,
)
from loa_endpoint.core.orders import JUST_TAKEN, STEPS, Kept, Progress, Step, Taking
from loa_endpoint.core.play import NOTHING_MEASURED
from loa_protocol.objects.authority import Level
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.playlist import Session
from loa_protocol.objects.policy import AlertLimits
from loa_protocol.record import ClockTrust, Evidence, Happening, OrderState, Refused
from support import orders
from support.director_stage import BEGIN, SHA
from support.kept import kept_order
from support.order_scene import Scene
from support.province import NOW, playlist

NOW_S = BEGIN // 1000
PROVINCE = Level.PROVINCE


def command(verb: Verb, **changes: Any) -> Command:
    """Return a command of just now."""
    times = {"issued": NOW_S - 30, "expires": NOW_S + 86_400}
    return orders.command(verb, **{**times, **changes})


def alert(**changes: Any) -> Any:
    times = {"start": NOW_S - 60, "expires": NOW_S + 86_400, "repeats": 1}
    return orders.alert(**{**times, **changes})


def happened(scene: Scene) -> list[str]:
    bodies = (e.body for _, e in scene.done if isinstance(e, (Tell, Keep)))
    return [body.name for body in bodies if isinstance(body, Happening)]


def test_every_state_of_an_order_knows_every_step_and_what_is_over_stays_over() -> None:
    assert set(STEPS) == {(state, step) for state in OrderState for step in Step}
    over = {OrderState.ENDED, OrderState.REFUSED}
    assert all(after is state for (state, _), after in STEPS.items() if state in over)


def test_an_order_comes_back_from_the_disk_as_it_was_kept() -> None:
    kept, bundle, _ = kept_order(orders.alert())
    begun = kept.stepped(Step.BEGIN, begun_ms=NOW.unix_s * 1000, plays=1)
    again = Kept.restored(bundle, begun.taking.to_bytes(), begun.progress.to_bytes())
    assert again == begun
    assert Taking.from_bytes(kept.taking.to_bytes()) == kept.taking
    assert Progress.from_bytes(JUST_TAKEN.to_bytes()) == JUST_TAKEN


@pytest.mark.requirement("SEC-8", "VOL-3")
def test_a_hold_silences_at_once_lets_alerts_through_and_survives_a_restart() -> None:
    scene = Scene()
    scene.run(BEGIN + 10_000)
    hold = scene.order(command(Verb.HOLD))
    assert scene.is_silent()
    scene.order(alert())
    assert scene.is_alerting
    scene.wait(14)
    assert scene.is_silent()
    scene.reboot()
    scene.run(BEGIN + 70_000)
    assert scene.is_silent()
    assert scene.state(hold) is OrderState.BEGUN
    scene.order(command(Verb.RELEASE, references=(hold,)))
    scene.wait(1)
    assert not scene.is_silent()
    assert scene.told(hold) == [(OrderState.BEGUN, ""), (OrderState.ENDED, "released")]


@pytest.mark.requirement("SEC-8")
@pytest.mark.parametrize("before_ms", [200, 100, 0, -100])
def test_a_hold_forgets_also_what_the_player_was_to_begin_in_a_moment(before_ms: int) -> None:
    scene = Scene()
    scene.run(BEGIN - before_ms)
    scene.order(command(Verb.HOLD))
    scene.run(BEGIN + 3000)
    assert scene.is_silent()
    assert all(each.at_ms < BEGIN - before_ms + 1 for each in scene.heard)


@pytest.mark.requirement("MSG-3")
def test_an_item_that_was_to_begin_right_after_a_common_instant_does_not_sound_over_it() -> None:
    scene = Scene()
    scene.order(alert(speech_ms=BEGIN - 100))
    scene.run(BEGIN + 5000)
    assert scene.is_alerting


@pytest.mark.requirement("SEC-8")
def test_a_lockdown_silences_alerts_too_and_ends_by_itself() -> None:
    scene = Scene()
    scene.order(alert(repeats=9))
    scene.wait(3)
    scene.order(command(Verb.LOCKDOWN, duration_s=120), level=PROVINCE)
    assert scene.is_silent()
    scene.reboot()
    scene.run(BEGIN + 80_000)
    assert len(scene.alerts()) == 1
    scene.run(BEGIN + 92_000)  # it was issued 30 s before
    assert scene.is_alerting


def test_a_hold_with_a_duration_ends_by_itself_everywhere_at_once() -> None:
    scene = Scene()
    scene.order(command(Verb.HOLD, issued=NOW_S - 30, duration_s=60))
    scene.run(BEGIN + 29_000)
    assert scene.is_silent()
    scene.run(BEGIN + 31_000)
    assert not scene.is_silent()


def test_a_signers_clock_that_is_ahead_does_not_make_an_order_last_longer() -> None:
    scene = Scene()
    scene.order(command(Verb.HOLD, issued=NOW_S + 3600, duration_s=40))
    scene.run(BEGIN + 11_000)
    assert not scene.is_silent()


@pytest.mark.requirement("SEC-8")
@pytest.mark.parametrize("verb", [Verb.HOLD, Verb.LOCKDOWN, Verb.STOP, Verb.VOLUME])
def test_a_commune_releases_nothing_that_the_province_ordered(verb: Verb) -> None:
    scene = Scene()
    order = scene.order(command(verb, duration_s=3600), level=PROVINCE)
    scene.order(command(Verb.RELEASE, references=(order,)))
    assert scene.state(order) is OrderState.BEGUN
    scene.order(command(Verb.RELEASE, references=(order,)), level=PROVINCE)
    assert scene.state(order) is OrderState.ENDED


def test_a_release_that_comes_before_its_hold_is_remembered() -> None:
    scene = Scene()
    hold = command(Verb.HOLD)
    scene.order(command(Verb.RELEASE, references=(hold.id,)))
    scene.reboot()
    scene.order(hold)
    scene.run(BEGIN + 1000)
    assert not scene.is_silent()
    assert scene.told(hold.id) == [(OrderState.ENDED, "released")]


@pytest.mark.requirement("VOL-3")
def test_a_stop_ends_the_present_item_for_good_and_the_next_one_plays() -> None:
    scene = Scene()
    scene.run(BEGIN + 10_000)
    scene.order(command(Verb.STOP))
    assert scene.is_silent()
    scene.wait(10)
    scene.reboot()
    scene.run(BEGIN + 59_000)
    assert scene.is_silent()
    scene.run(BEGIN + 61_000)
    assert not scene.is_silent()


@pytest.mark.requirement("VOL-3")
def test_a_stop_with_a_duration_silences_the_schedule_and_alerts_of_its_level_once() -> None:
    scene = Scene()
    scene.run(BEGIN + 1000)
    commune = scene.order(alert(repeats=5))
    scene.wait(1)
    scene.order(command(Verb.STOP, duration_s=3600))
    assert scene.is_silent()
    assert scene.told(commune)[-1] == (OrderState.ENDED, "stopped")
    scene.order(alert(), level=PROVINCE)
    scene.wait(1)
    scene.order(command(Verb.STOP, duration_s=3600))
    assert scene.is_alerting  # the province's alert is not the commune's to stop
    scene.run(BEGIN + 62_000)
    assert scene.is_silent()


@pytest.mark.requirement("VOL-3")
def test_the_button_stops_what_sounds_and_items_for_an_hour_but_no_later_alert() -> None:
    scene = Scene()
    warning = scene.order(alert(repeats=5))
    scene.wait(2)
    scene.do(scene.director.duty.on_button(scene.reading()))
    assert scene.is_silent()
    assert scene.told(warning)[-1] == (OrderState.ENDED, "stopped")
    assert "stopped_by_button" in happened(scene)
    scene.run(BEGIN + 65_000)
    assert scene.is_silent()
    scene.order(alert())
    assert scene.is_alerting


@pytest.mark.requirement("VOL-1")
def test_a_volume_cap_is_followed_while_playing_and_the_higher_number_holds() -> None:
    scene = Scene()  # its session asks for 10
    scene.run(BEGIN + 5000)
    scene.order(command(Verb.VOLUME, number=7, value=4, duration_s=50))
    scene.wait(0.2)
    assert scene.all(SetGain)[-1].gain_cdb == -2200
    scene.order(command(Verb.VOLUME, number=6, value=2, duration_s=50))
    scene.wait(0.2)
    assert scene.all(SetGain)[-1].gain_cdb == -2200
    scene.order(command(Verb.VOLUME, number=8, value=6, duration_s=50))
    scene.wait(0.2)
    assert scene.all(SetGain)[-1].gain_cdb == -1800
    scene.run(BEGIN + 21_000)  # issued 30 s before the item
    assert scene.all(SetGain)[-1].gain_cdb == -1000


def test_a_lower_level_cannot_raise_a_higher_ones_cap_by_a_higher_number() -> None:
    scene = Scene()
    scene.order(command(Verb.VOLUME, number=1, value=3, duration_s=600), level=PROVINCE)
    scene.order(command(Verb.VOLUME, number=9, value=12, duration_s=600))
    scene.run(BEGIN + 1000)
    assert scene.all(SetGain)[-1].gain_cdb == -2400


def test_a_volume_cap_of_items_does_not_hold_for_alerts() -> None:
    scene = Scene()
    scene.order(command(Verb.VOLUME, value=1, duration_s=600))
    scene.order(alert(volume=15))
    assert scene.all(SetGain)[-1].gain_cdb == 0


@pytest.mark.requirement("SEC-8")
def test_nothing_sounds_before_the_orders_of_earlier_runs_are_there() -> None:
    scene = Scene()
    scene.director.duty.orders.is_restored = False
    scene.run(BEGIN + 2000)
    assert scene.is_silent()
    scene.do(scene.director.duty.restore([], scene.reading()))
    scene.wait(1)
    assert not scene.is_silent()


def test_a_reboot_is_on_the_disk_as_done_before_it_is_done_and_is_not_done_again() -> None:
    scene = Scene()
    scene.order(command(Verb.REBOOT))
    kinds = [type(e) for _, e in scene.done if isinstance(e, (KeepProgress, Restart))]
    assert kinds == [KeepProgress, Restart]
    scene.reboot()
    scene.wait(10)
    assert len(scene.all(Restart)) == 1


def test_what_the_disk_refused_to_keep_is_not_believed_and_tried_again() -> None:
    scene = Scene()
    reboot = scene.order(command(Verb.REBOOT))
    scene.director.duty.orders.on_not_kept(reboot, scene.reading(), first=True)
    scene.wait(4)
    assert len(scene.all(Restart)) == 1
    scene.wait(2)
    assert len(scene.all(Restart)) == 2


@pytest.mark.requirement("TIM-4")
def test_a_reset_of_the_floor_hands_on_the_time_and_the_nonce() -> None:
    scene = Scene(trust=ClockTrust.T1)
    scene.order(command(Verb.RESET_FLOOR, nonce=b"n" * 16), level=PROVINCE)
    assert scene.all(ResetFloor) == [ResetFloor((NOW_S - 30) * 1000, b"n" * 16)]


def test_a_self_test_waits_until_nothing_sounds_and_tells_what_was_measured() -> None:
    scene = Scene()
    scene.run(BEGIN + 10_000)
    test = scene.order(command(Verb.SELF_TEST))
    scene.run(BEGIN + 119_000)
    assert scene.told(test) == []
    scene.run(BEGIN + 121_000)
    assert scene.sounding == f"test-{test.hex()}"
    scene.wait(5)
    assert scene.is_silent()
    assert scene.told(test)[-1][0] is OrderState.ENDED
    assert "line output" in scene.told(test)[-1][1]
    assert "self_test" in happened(scene)
    hold = scene.order(command(Verb.HOLD))
    second = scene.order(command(Verb.SELF_TEST))
    assert scene.told(second) == [(OrderState.REFUSED, "silenced")]
    assert scene.state(hold) is OrderState.BEGUN


def test_an_order_to_rotate_has_a_new_certificate_taken_once() -> None:
    scene = Scene()
    rotate = scene.order(command(Verb.ROTATE))
    assert scene.told(rotate) == [(OrderState.ENDED, "done")]
    assert len(scene.all(RenewIdentity)) == 1
    scene.reboot()
    scene.wait(5)
    assert len(scene.all(RenewIdentity)) == 1


def test_what_is_over_is_forgotten_a_day_after_its_message() -> None:
    scene = Scene()
    stop = scene.order(command(Verb.STOP, expires=NOW_S + 10))
    hold = scene.order(command(Verb.HOLD, expires=NOW_S + 10))
    scene.now_ms = BEGIN + 86_500_000
    scene.wait(0.2)
    assert stop not in scene.disk
    assert hold in scene.disk  # it silences still


@pytest.mark.requirement("TIM-1")
def test_a_playlist_replaced_at_noon_gets_no_more_sessions_than_the_day_has_left() -> None:
    scene = Scene(sessions_per_day=1)
    scene.run(BEGIN + 5000)
    assert scene.all(KeepSession) == [KeepSession(NOW_S)]
    base = playlist(serial=2)
    later = Session(id="s2", start=NOW_S + 600, duration_s=120, volume=10)
    scene.bring(dataclasses.replace(base, sessions=(later,)), sessions_per_day=1)
    scene.run(BEGIN + 605_000)
    assert scene.is_silent()
    refusals = [e.body for e in scene.all(Keep) if isinstance(e.body, Refused)]
    assert [each.reason for each in refusals][:1] == ["blocked_sessions_per_day"]


def test_a_schedule_that_ran_too_long_without_a_head_falls_silent_and_says_why() -> None:
    scene = Scene()
    scene.director.schedule_until(BEGIN + 30_000)
    scene.run(BEGIN + 59_000)
    assert not scene.is_silent()  # what sounds goes on
    scene.run(BEGIN + 65_000)
    assert scene.is_silent()
    assert happened(scene).count("held_no_head") == 1
    scene.order(alert())
    assert scene.is_alerting


def test_an_item_whose_beginning_could_not_be_kept_is_tried_again() -> None:
    scene = Scene()
    scene.run(BEGIN)
    scene.do(scene.director.on_not_kept(scene.reading()))
    assert scene.director.play is None
    assert scene.is_silent()
    scene.run(BEGIN + 7000)
    assert not scene.is_silent()
    scene.do(scene.director.on_measured("unknown", NOTHING_MEASURED))
    scene.do(scene.director.on_evidence("unknown", Evidence.OUTPUT, 1))


@pytest.mark.requirement("SEC-2")
def test_an_order_that_may_speak_ends_when_its_signer_its_bytes_or_its_sound_is_denied() -> None:
    kept, *_ = kept_order(alert(repeats=9))
    assert len(kept.keys) == 2
    for name in (kept.digest, orders.SIREN.sha256, *kept.keys):
        scene = Scene()
        scene.disk[kept.id] = kept
        scene.do(scene.director.duty.restore([kept], scene.reading()))
        scene.run(BEGIN + 1000)
        assert scene.alerts()
        scene.do(scene.director.on_denied(frozenset({name}), scene.reading()))
        assert not scene.is_alerting
        assert scene.state(kept.id) in (OrderState.ENDED, OrderState.REFUSED)
        scene.wait(300)
        assert not scene.is_alerting


@pytest.mark.requirement("SEC-2")
def test_nothing_that_a_denial_ends_sounds_at_the_next_start() -> None:
    kept, *_ = kept_order(orders.alert(start=NOW_S, expires=NOW_S + 600))
    scene = Scene()
    scene.director.duty.orders.is_restored = False
    scene.do(scene.director.on_denied(kept.keys, scene.reading()))
    scene.disk[kept.id] = kept
    scene.do(scene.director.duty.restore([kept], scene.reading()))
    assert not scene.is_alerting
    assert scene.heard == []


@pytest.mark.requirement("SEC-2", "SEC-8")
def test_a_denial_ends_no_hold() -> None:
    kept, *_ = kept_order(command(Verb.HOLD))
    scene = Scene()
    scene.disk[kept.id] = kept
    scene.do(scene.director.duty.on_order(kept, scene.reading()))
    scene.do(scene.director.on_denied(kept.keys, scene.reading()))
    scene.run(BEGIN + 10_000)
    assert scene.is_silent()
    assert scene.state(kept.id) is OrderState.BEGUN


@pytest.mark.requirement("SEC-2")
def test_what_sounds_ends_when_its_file_is_denied() -> None:
    scene = Scene()
    scene.run(BEGIN + 10_000)
    assert not scene.is_silent()
    scene.do(scene.director.on_denied(frozenset({SHA}), scene.reading()))
    scene.wait(1)
    assert scene.is_silent()


@pytest.mark.requirement("SEC-8")
def test_a_lockdown_issued_in_the_future_ends_a_day_after_the_time_is_known() -> None:
    scene = Scene(trust=ClockTrust.T1)
    far = NOW_S + 400 * 86_400
    body = orders.command(Verb.LOCKDOWN, issued=far, expires=far + 600, duration_s=3600)
    lockdown = scene.order(body, level=PROVINCE)
    assert scene.is_silent()
    scene.trust = ClockTrust.T3
    scene.wait(1)
    scene.wait(3600)
    assert scene.state(lockdown) is OrderState.ENDED


def test_alerts_given_on_many_days_for_one_count_for_that_one() -> None:
    limits = AlertLimits(per_day=2, seconds_per_day=600)
    scene = Scene(alert_limits=limits)
    day, found = 86_400, []
    start = NOW_S + 3 * day
    for _ in range(3):
        found.append(scene.order(alert(start=start, expires=start + 3600)))
        scene.now_ms += day * 1000
    states = [scene.state(each) for each in found]
    assert states == [OrderState.TAKEN, OrderState.TAKEN, OrderState.REFUSED]
