"""What alerts sound like, on written samples: the tone at once, speech on its instant, no click."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loa_endpoint.audio.tone import HIGH_HZ, LOW_HZ
from loa_endpoint.core.effect import Effect
from loa_hwsim.faults import Fault, FaultPlan, Kind, Place
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.authority import Level
from loa_protocol.objects.command import Verb
from loa_protocol.objects.policy import AfterAlert
from loa_protocol.record import Happening, Outcome, PlayEnded
from support import orders
from support.director_stage import BEGIN, MONO, SHA
from support.listening import place_of
from support.player_lab import gaps_ms
from support.sound_files import chirp, noise, to_pcm, write_wav
from support.virtual_pole import Floats, VirtualPole, jitter

RATE = 48_000
SPEECH_MS = 3000
SPEECH = noise(SPEECH_MS / 1000, 0.05, seed=5)
ITEM = chirp(60)
MakePole = Callable[..., VirtualPole]
IN_ITEM = BEGIN + 10_000


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[bytes, Path]:
    folder = tmp_path_factory.mktemp("media")
    write_wav(folder / "item.wav", ITEM)
    write_wav(folder / "speech.wav", SPEECH)
    return {SHA: folder / "item.wav", orders.SIREN.sha256: folder / "speech.wav"}


@pytest.fixture
def make_pole(files: dict[bytes, Path]) -> MakePole:
    def make(**facts: Any) -> VirtualPole:
        return VirtualPole(files, **{"begin_ms": BEGIN - 1000, **facts})

    return make


def alert(now_ms: int, **changes: Any) -> Alert:
    """Return an alert of three seconds, once."""
    media = replace(orders.SIREN, duration_ms=SPEECH_MS)
    facts = {"start": now_ms // 1000 - 60, "expires": now_ms // 1000 + 600, "volume": 15}
    return orders.alert(**{**facts, "media": media, "repeats": 1, **changes})


def level_at(sound: Floats, hz: float) -> float:
    """Return the amplitude of a frequency in *sound*."""
    wave = np.exp(-2j * np.pi * hz * np.arange(len(sound)) / RATE)
    return float(2 * abs(sound @ wave) / len(sound))


def speech_begins_ms(pole: VirtualPole, after_ms: int, until_ms: int) -> float:
    """Return the unix instant, to a sample, at which the speech begins."""
    heard = pole.part(after_ms, until_ms)
    part = SPEECH[RATE // 2 : RATE]  # past all fades
    place, alike = place_of(part, heard)
    assert alike > 0.95
    return after_ms + place - 500


def no_step(sound: Floats) -> bool:
    """Tell whether no sample is further from its neighbours than these sounds can go.

    The item is a rising chirp of 0.08, at 10 s of 1.4 kHz, at 18 s of 2.4 kHz: 0.015 and 0.026 from
    sample to sample. The tone makes 0.032, and the item is led up in volume while it fades.
    """
    return bool(np.abs(np.diff(sound)).max() < 0.045)


@pytest.mark.requirement("MSG-3")
@pytest.mark.parametrize("after_ms", [0, 37, 200, 409, 755, 1333])
def test_the_tone_begins_with_the_next_block_whatever_sounds_and_nothing_clicks(
    make_pole: MakePole, after_ms: int
) -> None:
    pole = make_pole()
    pole.run(IN_ITEM + after_ms)
    pole.order(alert(pole.now_ms))
    at_ms = pole.now_ms
    pole.run(at_ms + 3000)
    (tone,) = pole.started("tone-")
    assert tone.at_ns // 10**6 - pole.reading().mono_ms + pole.now_ms - at_ms <= 20
    sound = pole.part(at_ms, at_ms + 2900)
    assert level_at(sound[4800:19_200], HIGH_HZ) > 0.2
    assert level_at(sound[28_800:43_200], LOW_HZ) > 0.2
    assert gaps_ms(to_pcm(sound)) == []
    assert no_step(pole.part(at_ms - 200, at_ms + 400))


@pytest.mark.requirement("MSG-3")
def test_what_an_alert_interrupts_is_gone_within_fifty_milliseconds(make_pole: MakePole) -> None:
    pole = make_pole()
    pole.run(IN_ITEM)
    pole.order(alert(pole.now_ms))
    pole.run(IN_ITEM + 1000)
    after = pole.part(IN_ITEM + 75, IN_ITEM + 475)
    # whatever is left beside one pure tone would be the item
    assert level_at(after, HIGH_HZ) ** 2 / 2 == pytest.approx(float(np.mean(after**2)), rel=0.01)


@pytest.mark.requirement("MSG-3")
def test_the_tone_lasts_without_a_gap_until_the_speech_on_its_signed_instant(
    make_pole: MakePole,
) -> None:
    pole = make_pole()
    pole.run(IN_ITEM)
    pole.order(alert(pole.now_ms, speech_ms=IN_ITEM + 4000))
    pole.run(IN_ITEM + 8000)
    assert speech_begins_ms(pole, IN_ITEM, IN_ITEM + 8000) == pytest.approx(IN_ITEM + 4000, abs=0.1)
    assert gaps_ms(to_pcm(pole.part(IN_ITEM, IN_ITEM + 6900))) == []


@pytest.mark.requirement("MSG-3")
def test_without_a_common_instant_speech_follows_three_seconds_of_tone(make_pole: MakePole) -> None:
    pole = make_pole()
    pole.run(IN_ITEM)
    pole.order(alert(pole.now_ms))
    pole.run(IN_ITEM + 7000)
    begins_ms = speech_begins_ms(pole, IN_ITEM, IN_ITEM + 7000)
    assert begins_ms == pytest.approx(IN_ITEM + 3000, abs=25)


@pytest.mark.requirement("MSG-3")
def test_twenty_poles_that_hear_of_it_up_to_two_seconds_apart_speak_as_one(
    make_pole: MakePole,
) -> None:
    speech_ms = BEGIN + 4000
    begins: list[float] = []
    for number, late_ms in enumerate(jitter(20, seed=11)):
        pole = make_pole(begin_ms=BEGIN - 317 - 13 * number, hours=())  # rounds out of step
        pole.run(BEGIN + late_ms)
        pole.order(alert(BEGIN, speech_ms=speech_ms))
        pole.run(speech_ms + 1100)
        assert len(pole.started("tone-")) == 1
        begins.append(speech_begins_ms(pole, speech_ms - 100, speech_ms + 1100))
    assert max(begins) - min(begins) < 1  # 50 are allowed, of which the clocks take most


@pytest.mark.requirement("MSG-3")
@pytest.mark.parametrize("after", [AfterAlert.RESUME, AfterAlert.DROP])
def test_afterwards_the_item_goes_on_at_its_place_or_is_dropped(
    make_pole: MakePole, after: AfterAlert
) -> None:
    pole = make_pole(after_alert=after)
    pole.run(IN_ITEM)
    pole.order(alert(pole.now_ms))
    pole.run(IN_ITEM + 8000)
    rest = pole.part(IN_ITEM + 7500, IN_ITEM + 8000)
    if after is AfterAlert.DROP:
        assert not rest.any()
        return
    place, alike = place_of(rest, ITEM)
    assert alike > 0.95
    assert place == pytest.approx(17_500, abs=1)
    assert no_step(pole.part(IN_ITEM + 6060, IN_ITEM + 8000))


@pytest.mark.requirement("MSG-3")
def test_a_more_urgent_alert_in_the_midst_of_another_begins_with_its_own_tone(
    make_pole: MakePole,
) -> None:
    pole = make_pole(hours=())
    pole.run(BEGIN)
    pole.order(alert(pole.now_ms, repeats=2))
    pole.run(BEGIN + 4000)
    pole.order(alert(pole.now_ms), level=Level.PROVINCE)
    pole.run(BEGIN + 17_000)
    assert [round(e.at_ns / 1e9) for e in pole.started("tone-")] == [5000, 5004]
    assert len(pole.started("alert-")) == 3  # the first was cut, and is not over
    assert no_step(pole.part(BEGIN + 4075, BEGIN + 4500))


@pytest.mark.requirement("MSG-3")
def test_a_player_that_dies_in_the_tone_is_followed_by_one_that_goes_on_and_speaks_on_time(
    make_pole: MakePole,
) -> None:
    pole = make_pole(hours=())
    pole.run(BEGIN)
    pole.order(alert(pole.now_ms, speech_ms=BEGIN + 4000))
    pole.run(BEGIN + 1500)
    pole.run(BEGIN + 2000, deaf=True)
    pole.start_player()
    pole.run(BEGIN + 8000)
    assert level_at(pole.part(BEGIN + 2100, BEGIN + 2400), HIGH_HZ) > 0.2
    assert speech_begins_ms(pole, BEGIN, BEGIN + 8000) == pytest.approx(BEGIN + 4000, abs=0.1)
    assert [e.outcome for e in pole.records if isinstance(e, PlayEnded)] == [Outcome.COMPLETE]


@pytest.mark.requirement("VOL-3")
def test_a_lockdown_ends_the_tone_and_nothing_follows(make_pole: MakePole) -> None:
    pole = make_pole(hours=())
    pole.run(BEGIN)
    pole.order(alert(pole.now_ms))
    pole.run(BEGIN + 1000)
    times = {"issued": pole.now_ms // 1000, "expires": pole.now_ms // 1000 + 600}
    pole.order(orders.command(Verb.LOCKDOWN, duration_s=60, **times))
    pole.run(BEGIN + 6000)
    assert not pole.part(BEGIN + 1100, BEGIN + 6000).any()
    assert no_step(pole.part(BEGIN + 900, BEGIN + 1200))


# --- behind an amplifier


@pytest.mark.requirement("MSG-3")
@pytest.mark.parametrize("wake_ms", [300, 800, 2500])
def test_an_amplifier_that_sleeps_is_woken_and_the_horn_has_the_whole_tone(
    make_pole: MakePole, wake_ms: int
) -> None:
    pole = make_pole(hours=(), amplifier={"wake_ms": wake_ms, "idle_ms": 5000})
    pole.run(BEGIN + 10_000)
    assert pole.amplifier is not None
    assert pole.amplifier.model.is_asleep
    at_ms = pole.now_ms
    pole.order(alert(at_ms))
    pole.run(at_ms + 9000)
    written, horn = pole.written, pole.horn
    assert np.array_equal(written, horn)
    first_ms = float(np.flatnonzero(written)[0]) * 1000 / RATE - (at_ms - (BEGIN - 1000))
    assert wake_ms <= first_ms <= wake_ms + 150
    begins_ms = speech_begins_ms(pole, at_ms, at_ms + 9000)
    assert begins_ms - at_ms - first_ms == pytest.approx(3000, abs=25)


def test_sound_that_does_not_wait_is_clipped_at_the_horn_of_the_model(make_pole: MakePole) -> None:
    pole = make_pole(hours=(), amplifier={"wake_ms": 800, "idle_ms": 5000})
    assert pole.amplifier is not None
    wake = pole.amplifier.sequencer.want

    def lead(effects: list[Effect], now_ms: int) -> list[Effect]:
        wake(now_ms)
        return effects

    pole.amplifier.lead = lead  # type: ignore[method-assign]  # it wakes, and waits for nothing
    pole.run(BEGIN + 10_000)
    at_ms = pole.now_ms
    pole.order(alert(at_ms))
    pole.run(at_ms + 3000)
    lost = np.flatnonzero(pole.horn != pole.written)
    assert len(lost) > 0.7 * 0.8 * RATE


def test_a_session_finds_it_awake_and_it_sleeps_in_no_pause_of_the_session(
    make_pole: MakePole,
) -> None:
    amplifier = {"wake_ms": 1000, "idle_ms": 2000}
    pole = make_pole(begin_ms=BEGIN - 8000, amplifier=amplifier)
    assert pole.amplifier is not None
    pole.run(BEGIN - 4000)
    assert pole.amplifier.model.is_asleep
    pole.run(BEGIN + 5000)
    assert pole.written.any()
    assert np.array_equal(pole.written, pole.horn)
    times = {"issued": pole.now_ms // 1000, "expires": pole.now_ms // 1000 + 600}
    pole.order(orders.command(Verb.STOP, **times))
    pole.run(BEGIN + 20_000)
    assert not pole.part(BEGIN + 6000, BEGIN + 20_000).any()
    assert not pole.amplifier.model.is_asleep


@pytest.mark.requirement("MSG-3")
def test_a_dead_amplifier_is_told_and_holds_no_sound_up_for_longer_than_it_would_wake(
    make_pole: MakePole,
) -> None:
    begins = MONO - 1000  # the model's clock is the monotonic one here
    dead = Fault(kind=Kind.AMPLIFIER_DEAD, place=Place.AMPLIFIER, start_ms=begins, end_ms=None)
    pole = make_pole(hours=(), amplifier={"wake_ms": 800, "faults": FaultPlan((dead,))})
    pole.run(BEGIN + 4000)
    assert pole.amplifier is not None
    for event in pole.amplifier.events:
        pole.stage.on_amplifier(event)
    names = [each.name for each in pole.records if isinstance(each, Happening)]
    assert names == ["amplifier_silent"]
    assert "amplifier_silent" in pole.stage.faults
    at_ms = pole.now_ms
    pole.order(alert(at_ms))
    pole.run(at_ms + 1000)
    assert np.abs(pole.part(at_ms + 900, at_ms + 1000)).max() > 0.2
