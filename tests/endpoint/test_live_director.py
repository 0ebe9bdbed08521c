"""Live sound on the stage: what a grant lets sound, and what it does not."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from loa_endpoint.core.effect import FeedLive, OpenLive, SoundMedia
from loa_protocol.live import seal_chunk
from loa_protocol.objects.authority import Level
from loa_protocol.objects.command import Verb
from loa_protocol.objects.live import Grant, LiveChunk
from loa_protocol.objects.playlist import Bearer, BearerKind, BulletinKind, Playlist
from loa_protocol.objects.policy import Hours
from loa_protocol.record import Outcome, PlayEnded, PlayStarted, Refused
from loa_protocol.trust import TrustError
from support.director_stage import BEGIN
from support.order_scene import Scene
from support.orders import alert, command, grant
from support.province import person, playlist

SESSION = person("session").signer
START_S = BEGIN // 1000 - 20  # the scene begins ten seconds before


def spoken(**changes: Any) -> Grant:
    facts = {"start": START_S, "end": START_S + 60}
    return grant(SESSION, **{**facts, **changes})


def say(scene: Scene, body: Grant, number: int, *, ahead_ms: int = 1500) -> None:
    """Bring the chunk of second *number* of the session, a little before its time."""
    at_ms = body.start * 1000 + number * 1000
    scene.run(at_ms - ahead_ms)
    chunk = LiveChunk(grant=body.id, number=number, at_ms=at_ms, packets=(b"opus",) * 50)
    sealed = seal_chunk(chunk, SESSION)
    scene.do(scene.director.on_live_chunk(sealed, scene.reading()))


def slot_playlist() -> Playlist:
    """A playlist whose first item is a live slot that cached media stand behind."""
    base = playlist()
    both = (
        Bearer(kind=BearerKind.STREAM, reference=0, cost=1),
        Bearer(kind=BearerKind.MEDIA, reference=0, cost=10),
    )
    return dataclasses.replace(
        base, items=(dataclasses.replace(base.items[0], bearers=both), *base.items[1:])
    )


def live(scene: Scene) -> bool:
    return scene.sounding is not None and scene.sounding.startswith("live-")


@pytest.mark.requirement("SRC-1")
def test_a_voice_sounds_from_its_instant_to_the_end_of_its_grant_over_the_schedule() -> None:
    scene, body = Scene(), spoken()
    order = scene.order(body, level=Level.PROVINCE, holders=("an", "bình"))
    for number in range(10, 60):
        say(scene, body, number)
    assert live(scene)
    (opened,) = scene.all(OpenLive)
    fed = scene.all(FeedLive)
    assert {each.source for each in fed} == {opened.source}
    assert [each.position_ms for each in fed] == [n * 1000 for n in range(10, 60)]
    first = next(s for s in scene.all(SoundMedia) if s.source == opened.source)
    assert first.position_ms - first.at_ms == BEGIN - START_S * 1000 - scene.reading().mono_ms + (
        scene.now_ms - BEGIN
    )
    scene.run((START_S + 61) * 1000)
    assert not live(scene)
    started = next(s for s in scene.kept(PlayStarted) if s.item == order.hex())
    assert (started.level, started.playlist) == (Level.PROVINCE, order * 2)
    ended = next(e for e in scene.kept(PlayEnded) if e.play == started.play)
    assert ended.outcome is Outcome.COMPLETE
    assert {s.bearer for s in ended.segments} == {BearerKind.STREAM}


def test_without_a_chunk_a_grant_makes_no_sound() -> None:
    scene = Scene()
    scene.order(spoken())
    scene.run(BEGIN - 1000)
    assert scene.is_silent()
    assert scene.all(OpenLive) == []


@pytest.mark.requirement("SRC-3")
def test_a_voice_that_ends_before_its_grant_gives_the_programme_back() -> None:
    scene, begin_s = Scene(), BEGIN // 1000
    body = spoken(start=begin_s, end=begin_s + 50)
    scene.order(body, level=Level.PROVINCE, holders=("an", "bình"))
    for number in range(8):
        say(scene, body, number)
    assert live(scene)
    scene.run(BEGIN + 14_000)
    assert scene.sounding is not None
    assert scene.sounding.startswith("media-0-i0")
    for number in range(20, 25):
        say(scene, body, number)
    assert live(scene)  # the grant still stands


def test_a_grant_under_which_nobody_speaks_yet_takes_nothing_s_place() -> None:
    scene, begin_s = Scene(), BEGIN // 1000
    body = spoken(start=begin_s, end=begin_s + 50)
    scene.order(body)
    scene.run(BEGIN + 3_000)
    assert scene.sounding is not None
    assert scene.sounding.startswith("media-0-i0")
    for number in range(5, 10):
        say(scene, body, number)
    assert live(scene)
    scene.run(BEGIN + 15_000)  # and what it broke into goes on where it would be by then
    assert scene.sounding is not None
    assert scene.sounding.startswith("media-0-i0")


@pytest.mark.requirement("SRC-1", "SRC-3")
def test_a_live_slot_falls_back_to_its_media_when_the_voice_stalls() -> None:
    schedule = slot_playlist()
    scene = Scene(schedule)
    begin_s = BEGIN // 1000
    body = spoken(start=begin_s, end=begin_s + 60, slot="i0", playlist=b"d" * 32)
    scene.order(body)
    for number in range(12):
        say(scene, body, number)
    assert live(scene)
    scene.run(BEGIN + 20_000)
    assert scene.sounding is not None
    assert scene.sounding.startswith("media-")
    media = [s for s in scene.all(SoundMedia) if s.source == scene.sounding][-1]
    assert media.position_ms == pytest.approx(15_000, abs=2500)  # where the item is by then


@pytest.mark.requirement("SRC-1")
def test_a_voice_that_begins_late_in_its_slot_is_heard_over_the_file() -> None:
    scene, begin_s = Scene(slot_playlist()), BEGIN // 1000
    body = spoken(start=begin_s, end=begin_s + 60, slot="i0", playlist=b"d" * 32)
    scene.order(body)
    scene.run(BEGIN + 5_000)
    assert scene.sounding is not None
    assert scene.sounding.startswith("media-")
    for number in range(7, 17):
        say(scene, body, number)
    assert live(scene)


@pytest.mark.requirement("SRC-1")
def test_a_grant_that_is_given_ahead_takes_over_when_its_voice_begins() -> None:
    scene, begin_s = Scene(slot_playlist()), BEGIN // 1000
    slot: dict[str, Any] = {"slot": "i0", "playlist": b"d" * 32}
    first = spoken(start=begin_s, end=begin_s + 8, id=b"1" * 16, **slot)
    second = spoken(start=begin_s + 8, end=begin_s + 60, id=b"2" * 16, **slot)
    scene.order(first)
    for number in range(8):
        if number == 3:
            scene.order(second)
        say(scene, first, number)
        assert live(scene) or number < 2
    for number in range(10):
        say(scene, second, number)
        assert live(scene)
    (opened,) = scene.all(OpenLive)  # one sound, without a seam
    positions = [each.position_ms for each in scene.all(FeedLive)]
    assert positions == [n * 1000 for n in range(18)]
    assert {each.source for each in scene.all(FeedLive)} == {opened.source}


def test_a_live_slot_without_a_grant_plays_what_stands_behind_it() -> None:
    scene = Scene(slot_playlist())
    scene.run(BEGIN + 10_000)
    assert scene.sounding is not None
    assert scene.sounding.startswith("media-")


@pytest.mark.requirement("SEC-8")
def test_a_hold_silences_a_voice_and_a_grant_does_not_lift_it() -> None:
    scene, body = Scene(), spoken()
    scene.order(body)
    for number in range(10, 15):
        say(scene, body, number)
    assert live(scene)
    scene.order(command(Verb.HOLD))
    assert scene.is_silent()
    for number in range(15, 25):
        say(scene, body, number)
        assert scene.is_silent()


@pytest.mark.requirement("TIM-2")
def test_a_voice_in_quiet_hours_is_blocked_by_name_and_an_emergency_is_not() -> None:
    closed: dict[str, Any] = {"hours": (Hours(weekdays=127, start_min=300, end_min=301),)}
    scene, body = Scene(**closed), spoken()
    order = scene.order(body)
    for number in range(10, 20):
        say(scene, body, number)
    assert scene.is_silent()
    assert ("blocked_quiet_hours", f"item {order.hex()}") in [
        (r.reason, r.what) for r in scene.kept(Refused)
    ]
    scene, body = Scene(**closed), spoken(kind=BulletinKind.EMERGENCY)
    scene.order(body)
    for number in range(10, 20):
        say(scene, body, number)
    assert live(scene)


@pytest.mark.requirement("SEC-3")
def test_chunks_of_nobodys_grant_change_nothing() -> None:
    scene, body = Scene(), spoken()
    with pytest.raises(TrustError):
        say(scene, body, 10)
    scene.run(BEGIN - 1000)
    assert scene.is_silent()
    assert scene.all(FeedLive) == []


@pytest.mark.requirement("MSG-3")
def test_an_alert_silences_a_live_voice_at_once_and_the_voice_goes_on_at_its_place() -> None:
    scene, body = Scene(), spoken()
    scene.order(body, level=Level.PROVINCE, holders=("an", "bình"))
    for number in range(10, 25):
        say(scene, body, number)
    assert live(scene)
    now_s = scene.now_ms // 1000
    scene.order(alert(start=now_s - 60, expires=now_s + 600, repeats=1))
    (tone,) = scene.tones()
    assert tone.at_ms == scene.now_ms
    assert scene.is_alerting
    before = len(scene.done)
    for number in range(25, 50):
        say(scene, body, number)
        if scene.now_ms < tone.at_ms + 12_900:
            assert scene.is_alerting
    assert live(scene)
    resumed = next(e for _, e in scene.done[before:] if isinstance(e, SoundMedia) and _is_live(e))
    unix_ms = resumed.at_ms - scene.reading().mono_ms + scene.now_ms
    assert resumed.position_ms == unix_ms - body.start * 1000


def _is_live(sound: SoundMedia) -> bool:
    return sound.source.startswith("live-")
