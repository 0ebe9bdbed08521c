"""Announcements over a programme, heard in what the pole writes (AUD-6)."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from loa_endpoint.core.orders import Kept, Taking
from loa_protocol.envelope import Kind
from loa_protocol.live import seal_chunk
from loa_protocol.objects.authority import Level
from loa_protocol.objects.command import Verb
from loa_protocol.objects.live import Grant, LiveChunk
from loa_protocol.objects.playlist import (
    Bearer,
    BearerKind,
    FmWindow,
    Media,
    Playlist,
    Proof,
    ProofKind,
    Session,
)
from loa_protocol.objects.policy import AfterAlert, Hours, VolumeCap
from loa_protocol.record import Happening, Outcome, PlayEnded, PlayStarted, Refused
from loa_sound.opus import OpusEncoder
from support.director_stage import BEGIN, GOOD_FM
from support.mixing_pole import Pole, level_db
from support.order_scene import Scene
from support.orders import SIREN, alert, command, grant
from support.province import person, playlist, policy
from support.sound_files import Wave, tone, write, write_wav

MUSIC_HZ, VOICE_HZ = 500.0, 2000.0
MUSIC, VOICE = b"m" * 32, b"v" * 32
OVER_MS, SPOKEN_MS = BEGIN + 5_000, 3_000
LOUD = -20.0  # dBFS peak of both tones, as written at level 15


def media(sha256: bytes, duration_ms: int, gain_cdb: int = 0) -> Media:
    return Media(
        sha256=sha256,
        size=1000,
        duration_ms=duration_ms,
        gain_cdb=gain_cdb,
        loudness_clufs=-2300 - gain_cdb,
    )


def with_announcement(**changes: Any) -> Playlist:
    """A minute of music, and three seconds of voice over it; both at level 15."""
    base = playlist(items=1)
    item, facts = base.items[0], {"duck_cdb": -1500, **changes}
    over = dataclasses.replace(
        item,
        **{
            "id": "over",
            "offset_ms": 5_000,
            "duration_ms": SPOKEN_MS,
            "bearers": (Bearer(kind=BearerKind.MEDIA, reference=1, cost=10),),
            **facts,
        },
    )
    session = Session(id="s1", start=BEGIN // 1000, duration_s=60, volume=15)
    both = (media(MUSIC, 60_000), media(VOICE, SPOKEN_MS))
    return dataclasses.replace(base, media=both, items=(item, over), sessions=(session,))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[bytes, pathlib.Path]:
    folder = tmp_path_factory.mktemp("media")
    return {
        MUSIC: write_wav(folder / "music.wav", tone(60, MUSIC_HZ)),
        VOICE: write_wav(folder / "voice.wav", tone(SPOKEN_MS / 1000, VOICE_HZ)),
    }


def music(pole: Pole, at_ms: int) -> float:
    """How loud the music is in the 50 ms from *at_ms* on."""
    return level_db(pole.heard(at_ms, at_ms + 50), MUSIC_HZ)


def voice(pole: Pole, at_ms: int) -> float:
    return level_db(pole.heard(at_ms, at_ms + 50), VOICE_HZ)


def pole_with(files: dict[bytes, pathlib.Path], schedule: Playlist, **facts: Any) -> Pole:
    rules = facts.pop("rules", {})
    return Pole(schedule, policy(**rules), files, begin_ms=BEGIN - 12_000, **facts)


@pytest.mark.requirement("AUD-6")
def test_the_programme_makes_room_and_comes_back(files: dict[bytes, pathlib.Path]) -> None:
    pole = pole_with(files, with_announcement())
    pole.run(BEGIN + 10_000)
    end_ms = OVER_MS + SPOKEN_MS
    assert music(pole, OVER_MS - 160) == pytest.approx(LOUD, abs=0.1), "not lowered too early"
    assert music(pole, OVER_MS - 75) == pytest.approx(LOUD - 7.5, abs=1.5), "on its way down"
    assert voice(pole, OVER_MS - 60) < -60
    assert music(pole, OVER_MS) == pytest.approx(LOUD - 15, abs=0.1), "low before the first word"
    assert voice(pole, OVER_MS) == pytest.approx(LOUD, abs=0.1), "and nothing of that is lost"
    assert music(pole, end_ms - 60) == pytest.approx(LOUD - 15, abs=0.1)
    assert music(pole, end_ms + 110) == pytest.approx(LOUD, abs=0.1), "back within 100 ms"
    pole.run(BEGIN + 63_000)
    starts = {each.item: each for each in pole.kept(PlayStarted)}
    ends = {each.play: each for each in pole.kept(PlayEnded)}
    spoken, played = ends[starts["over"].play], ends[starts["i0"].play]
    assert (spoken.outcome, spoken.started_ms) == (Outcome.COMPLETE, OVER_MS)
    assert spoken.loudness_clufs is not None
    assert (played.outcome, len(played.segments)) == (Outcome.COMPLETE, 1), "it went on unbroken"
    assert played.ended_ms - played.started_ms == 60_000


@pytest.mark.requirement("AUD-6", "VOL-1")
def test_an_announcement_has_its_own_volume_and_the_cap_holds(
    files: dict[bytes, pathlib.Path],
) -> None:
    schedule = with_announcement(volume=13)
    quiet = dataclasses.replace(schedule.sessions[0], volume=8)
    pole = pole_with(files, dataclasses.replace(schedule, sessions=(quiet,)))
    pole.run(BEGIN + 8_000)
    assert voice(pole, OVER_MS + 500) == pytest.approx(LOUD - 4, abs=0.1)
    assert music(pole, OVER_MS + 500) == pytest.approx(LOUD - 14 - 15, abs=0.2)


@pytest.mark.requirement("AUD-6")
def test_an_announcement_over_nothing_is_an_item(files: dict[bytes, pathlib.Path]) -> None:
    schedule = with_announcement()
    pole = pole_with(files, dataclasses.replace(schedule, items=schedule.items[1:]))
    pole.run(BEGIN + 12_000)
    assert voice(pole, OVER_MS) == pytest.approx(LOUD, abs=0.1)
    (ended,) = pole.kept(PlayEnded)
    assert ended.outcome is Outcome.COMPLETE


@pytest.mark.requirement("AUD-6")
def test_the_programme_comes_back_when_the_announcement_breaks_off(
    files: dict[bytes, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    whole = write(tmp_path / "voice.mp3", tone(3, VOICE_HZ)).read_bytes()
    cut = tmp_path / "cut.mp3"
    cut.write_bytes(whole[: len(whole) // 2])
    pole = pole_with({**files, VOICE: cut}, with_announcement())
    pole.run(BEGIN + 12_000)
    assert music(pole, OVER_MS + 1_000) == pytest.approx(LOUD - 15, abs=0.2)
    assert music(pole, OVER_MS + 1_900) == pytest.approx(LOUD, abs=0.1)
    starts = {each.item: each.play for each in pole.kept(PlayStarted)}
    (ended,) = pole.kept(PlayEnded)
    assert (ended.play, ended.outcome) == (starts["over"], Outcome.BROKEN)


@pytest.mark.requirement("AUD-6")
def test_an_announcement_that_is_no_sound_disturbs_nothing(
    files: dict[bytes, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    wrong = tmp_path / "wrong.wav"
    wrong.write_bytes(b"not sound at all")
    pole = pole_with({**files, VOICE: wrong}, with_announcement())
    pole.run(BEGIN + 12_000)
    for at_ms in range(OVER_MS - 500, OVER_MS + 4_000, 100):
        assert music(pole, at_ms) == pytest.approx(LOUD, abs=0.1)
    assert [each.outcome for each in pole.kept(PlayEnded)] == [Outcome.BROKEN]
    prepared = [each for each in pole.said if getattr(each, "source", "").startswith("over-")]
    assert len(prepared) <= 2, "what cannot be read is not tried again and again"


@pytest.mark.requirement("AUD-6")
def test_a_new_player_goes_on_with_both(files: dict[bytes, pathlib.Path]) -> None:
    pole = pole_with(files, with_announcement(volume=9))
    pole.run(OVER_MS + 1_000)
    pole.restart_player()
    pole.run(BEGIN + 12_000)
    for at_ms in range(OVER_MS + 1_000, OVER_MS + 1_300, 10):
        loudest = max(level_db(pole.heard(at_ms, at_ms + 20), hz) for hz in (MUSIC_HZ, VOICE_HZ))
        assert loudest < LOUD + 0.5, "nothing is heard louder than it may be, not for a moment"
    assert voice(pole, OVER_MS + 1_500) == pytest.approx(LOUD - 12, abs=0.1)
    assert music(pole, OVER_MS + 1_500) == pytest.approx(LOUD - 15, abs=0.1)
    assert music(pole, OVER_MS + SPOKEN_MS + 200) == pytest.approx(LOUD, abs=0.1)
    (ended,) = pole.kept(PlayEnded)
    assert (ended.outcome, len(ended.segments)) == (Outcome.COMPLETE, 2)


@pytest.mark.requirement("AUD-6", "VOL-3")
def test_a_stop_ends_both(files: dict[bytes, pathlib.Path]) -> None:
    pole = pole_with(files, with_announcement())
    pole.run(OVER_MS + 1_000)
    pole.stage.on_button()
    pole.run(OVER_MS + 6_000)
    assert np.abs(pole.heard(OVER_MS + 1_100, OVER_MS + 6_000)).max() == 0
    assert [each.outcome for each in pole.kept(PlayEnded)] == [Outcome.STOPPED] * 2


def test_of_two_at_once_the_later_is_refused(files: dict[bytes, pathlib.Path]) -> None:
    schedule = with_announcement()
    twin = dataclasses.replace(schedule.items[1], id="twin", offset_ms=6_000)
    pole = pole_with(files, dataclasses.replace(schedule, items=(*schedule.items, twin)))
    pole.run(BEGIN + 12_000)
    assert [each.reason for each in pole.kept(Refused)] == ["blocked_overlap"]
    assert [each.item for each in pole.kept(PlayStarted)] == ["i0", "over"]


# --- over FM


def by_fm(schedule: Playlist) -> Playlist:
    """Let the first item come by FM, its file standing behind."""
    window = FmWindow(
        frequency_khz=61_500,
        start=BEGIN // 1000 - 60,
        end=BEGIN // 1000 + 600,
        volume=15,
        proofs=(Proof(kind=ProofKind.PI, value=0x7301),),
    )
    fm = Bearer(kind=BearerKind.FM, reference=0, cost=1)
    first = dataclasses.replace(schedule.items[0], bearers=(fm, *schedule.items[0].bearers))
    return dataclasses.replace(schedule, items=(first, *schedule.items[1:]), fm_windows=(window,))


def carrier(level: float = 0.1) -> Callable[[int], Wave]:
    """FM that sends the music's tone, unbroken over the pieces."""

    def piece(at_ms: int) -> Wave:
        t = at_ms % 1000 / 1000 + np.arange(4800) / 48_000
        return (level * np.sin(2 * np.pi * MUSIC_HZ * t)).astype(np.float32)

    return piece


@pytest.mark.requirement("AUD-6")
def test_fm_makes_room_too(files: dict[bytes, pathlib.Path]) -> None:
    pole = pole_with(files, by_fm(with_announcement()), air=carrier())
    pole.readings = GOOD_FM
    pole.run(BEGIN + 12_000)
    assert pole.director.play is not None
    assert pole.director.play.bearer is BearerKind.FM
    before = music(pole, OVER_MS - 500)
    assert music(pole, OVER_MS + 1_000) == pytest.approx(before - 15, abs=0.3)
    assert voice(pole, OVER_MS + 1_000) == pytest.approx(LOUD, abs=0.1)
    assert music(pole, OVER_MS + SPOKEN_MS + 500) == pytest.approx(before, abs=0.3)
    assert [each for each in pole.kept(Happening) if each.name == "fallback"] == []


# --- over live sound


SPEAKER = person("session").signer


def say(pole: Pole, body: Grant, number: int, packets: list[bytes]) -> None:
    """Bring the chunk of second *number* of a live session."""
    at_ms = body.start * 1000 + number * 1000
    chunk = LiveChunk(grant=body.id, number=number, at_ms=at_ms, packets=tuple(packets))
    pole.stage.on_live_chunk(seal_chunk(chunk, SPEAKER))


def seconds_of(sound: Wave) -> list[list[bytes]]:
    """Encode *sound* into the packets of each second."""
    encoder = OpusEncoder()
    packets = [
        packet
        for at in range(0, len(sound), 960)
        for packet in encoder.encode(sound[at : at + 960])
    ]
    packets += encoder.finish()
    return [packets[at : at + 50] for at in range(0, len(sound) // 960, 50)]


@pytest.mark.requirement("AUD-6", "VOL-1")
def test_live_sound_makes_room_and_follows_the_cap_of_the_hour(
    files: dict[bytes, pathlib.Path],
) -> None:
    nine_pm = (BEGIN // 1000 + 7 * 3600) // 86_400 * 86_400 + 21 * 3600 - 7 * 3600
    schedule = with_announcement()
    session = Session(id="s1", start=nine_pm - 10, duration_s=60, volume=15)
    over_ms = (nine_pm - 5) * 1000
    rules = {
        "hours": (Hours(weekdays=127, start_min=300, end_min=1320),),
        "volume_caps": (VolumeCap(start_min=1260, end_min=1440, level=9),),
    }
    schedule = dataclasses.replace(schedule, sessions=(session,), items=schedule.items[1:])
    pole = Pole(schedule, policy(**rules), files, begin_ms=(nine_pm - 25) * 1000)
    body = grant(SPEAKER, start=nine_pm - 20, end=nine_pm + 10, volume=15)
    taking = Taking(level=Level.COMMUNE, taken_ms=pole.now_ms, holders=("an", "bình"))
    pole.stage.on_order(Kept(kind=Kind.GRANT, digest=body.id * 2, body=body, taking=taking))
    for number, packets in enumerate(seconds_of(tone(30, MUSIC_HZ))):
        pole.run((body.start + number) * 1000 - 2_000)
        say(pole, body, number, packets)
    pole.run((nine_pm + 9) * 1000)
    before = music(pole, over_ms - 500)
    assert before == pytest.approx(LOUD, abs=0.5)
    assert music(pole, over_ms + 1_000) == pytest.approx(before - 15, abs=0.5)
    assert voice(pole, over_ms + 1_000) == pytest.approx(LOUD, abs=0.2)
    assert music(pole, over_ms + SPOKEN_MS + 500) == pytest.approx(before, abs=0.5)
    assert music(pole, nine_pm * 1000 + 1_000) == pytest.approx(before - 12, abs=0.5)
    capped = [each for each in pole.kept(Happening) if each.name == "volume_capped"]
    assert [each.detail.split(": ")[1] for each in capped] == ["asked 15, cap 9"]


# --- orders


def is_speaking(scene: Scene) -> bool:
    return scene.director.announcer.play is not None


@pytest.mark.requirement("AUD-6", "MSG-3")
@pytest.mark.parametrize("after", [AfterAlert.RESUME, AfterAlert.DROP])
def test_an_alert_takes_the_place_of_both_and_then_the_policy_says_what_follows(
    after: AfterAlert,
) -> None:
    schedule = with_announcement(duration_ms=40_000)
    scene = Scene(schedule, cached=(MUSIC, VOICE, SIREN.sha256), after_alert=after)
    scene.run(OVER_MS + 2_000)
    assert is_speaking(scene)
    scene.order(alert(start=OVER_MS // 1000, expires=OVER_MS // 1000 + 600, repeats=1))
    scene.wait(1)
    assert scene.is_alerting
    outcomes = [each.outcome for each in scene.kept(PlayEnded)]
    assert outcomes[:2] == [Outcome.PREEMPTED] * 2
    scene.wait(16)
    spoken = [each for each in scene.kept(PlayStarted) if each.item == "over"]
    assert len(spoken) == len({each.play for each in spoken})
    assert len(spoken) == (2 if after is AfterAlert.RESUME else 1)


@pytest.mark.requirement("AUD-6")
def test_a_hold_silences_what_is_said_and_what_it_is_said_over() -> None:
    scene = Scene(with_announcement(duration_ms=40_000), cached=(MUSIC, VOICE))
    scene.run(OVER_MS + 2_000)
    scene.order(command(Verb.HOLD, issued=OVER_MS // 1000, expires=OVER_MS // 1000 + 600))
    scene.wait(3)
    assert scene.is_silent()
    assert not is_speaking(scene)
    assert [each.outcome for each in scene.kept(PlayEnded)] == [Outcome.STOPPED] * 2


@pytest.mark.requirement("AUD-6")
def test_a_start_that_cannot_be_kept_does_not_touch_the_programme() -> None:
    scene = Scene(with_announcement(), cached=(MUSIC, VOICE))
    scene.run(OVER_MS - 100)
    spoken = next(each for each in scene.kept(PlayStarted) if each.item == "over")
    scene.do(scene.director.on_not_kept(scene.reading(), spoken.play))
    assert scene.director.play is not None
    assert not is_speaking(scene)
    scene.run(OVER_MS + 6_000)
    assert [each.item for each in scene.kept(PlayStarted)] == ["i0", "over"], "too late by then"


@pytest.mark.requirement("AUD-6")
def test_another_playlist_ends_what_it_does_not_have() -> None:
    schedule = with_announcement(duration_ms=40_000)
    scene = Scene(schedule, cached=(MUSIC, VOICE))
    scene.run(OVER_MS + 1_000)
    scene.replace(schedule)
    assert is_speaking(scene), "the same one goes on"
    scene.replace(dataclasses.replace(schedule, items=schedule.items[:1]))
    assert not is_speaking(scene)
    assert scene.director.play is not None
