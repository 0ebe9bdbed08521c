"""A whole pole: what is written comes out of a horn, a board and a microphone say so, or do not."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np
import pytest

from loa_endpoint.audio import messages as m
from loa_endpoint.core.sound_alarms import LOWER_CDB
from loa_hwsim.microphone import Place
from loa_protocol.line_map import LineCommand, LineHolding
from loa_protocol.parameters import FallbackParameters, SoundAction
from loa_protocol.record import Evidence, PlayEnded
from loa_sound.blocks import RATE, Samples
from support import labelled_sounds as sounds
from support import orders
from support.director_stage import BEGIN
from support.kept import kept_order
from support.pole_lab import PROGRAMME, SIREN, Pole
from support.sound_files import write_wav

ITEM_S = 60.0
SHORT = 30
NOISY = Place(delay_ms=620, gain_db=-12.0, noise_dbfs=-48.0, seed=5)
MUTED = FallbackParameters(squeal_action=2, clipping_action=2, line_action=2)
LONG_SIREN = dataclasses.replace(orders.SIREN, duration_ms=60_000)


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return write_wav(tmp_path_factory.mktemp("sound") / "speech.wav", sounds.syllables(ITEM_S))


@pytest.fixture(scope="module")
def siren(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return write_wav(tmp_path_factory.mktemp("sound") / "siren.wav", sounds.siren(ITEM_S))


def level_dbfs(sound: Samples) -> float:
    return float(10 * np.log10(np.square(sound, dtype=np.float64).mean() + 1e-12))


def gain_db(pole: Pole, begin: float, end: float) -> float:
    """Return how much louder than the file it was written, between two seconds of the first item.

    The second item is the same file from its start.
    """
    part = slice(*(round(each % ITEM_S * RATE) for each in (begin, end)))
    written = pole.since(begin)[: part.stop - part.start]
    return level_dbfs(written) - level_dbfs(sounds.syllables(ITEM_S)[part])


def sound_alert(pole: Pole) -> None:
    now_s = pole.now_ms // 1000
    body = orders.alert(
        start=now_s - 5, expires=now_s + 600, media=LONG_SIREN, repeats=1, volume=15
    )
    pole.stage.on_order(kept_order(body)[0])


def run_until(pole: Pole, fault: str, at_most_s: float) -> float:
    """Let time pass until *fault* stands; return how many seconds that took."""
    begun_ms = pole.now_ms
    while fault not in pole.faults:
        pole.run(0.1)
        assert pole.now_ms - begun_ms <= at_most_s * 1000, f"{fault} after {at_most_s} s: no"
    return (pole.now_ms - begun_ms) / 1000


@pytest.mark.requirement("HLT-2")
def test_a_play_that_the_microphone_knows_again_is_graded_content(speech: pathlib.Path) -> None:
    pole = Pole({PROGRAMME: speech}, ear=NOISY, item_s=SHORT)
    pole.run(SHORT + 8)
    (ended,) = pole.of(PlayEnded)
    assert ended.evidence is Evidence.CONTENT
    assert ended.evidence_ms > 0.75 * SHORT * 1000  # the rest are pauses
    assert pole.faults == set()
    lags = [each.lag_ms for _, each in pole.told if isinstance(each, m.EarHeard) and each.matches]
    assert lags == pytest.approx([620] * len(lags), abs=80)


@pytest.mark.requirement("HLT-2")
def test_without_a_microphone_the_line_gives_output_and_without_both_nothing_is_verified(
    speech: pathlib.Path,
) -> None:
    for board, grade in ((True, Evidence.OUTPUT), (False, Evidence.UNVERIFIED)):
        pole = Pole({PROGRAMME: speech}, board=board, item_s=SHORT)
        pole.run(SHORT + 8)
        assert pole.grades() == [grade]
        assert pole.faults == set()


@pytest.mark.requirement("HLT-2")
@pytest.mark.parametrize("board", [True, False])
def test_a_horn_that_is_unplugged_is_playing_silent_within_ten_seconds(
    speech: pathlib.Path, board: bool
) -> None:
    pole = Pole({PROGRAMME: speech}, ear=NOISY, board=board)
    assert pole.microphone is not None
    pole.run(15)
    assert pole.faults == set()
    pole.line.is_cut, pole.microphone.is_horn_connected = True, False
    assert run_until(pole, "playing_silent", 10) > 3
    pole.run(60 - 15)
    assert pole.grades() == [Evidence.UNVERIFIED]  # a quarter of it was heard
    pole.line.is_cut, pole.microphone.is_horn_connected = False, True
    pole.run(10)
    assert "playing_silent" not in pole.faults
    assert pole.happened("playing_silent") == ["active", "idle"]


@pytest.mark.requirement("HLT-2")
def test_a_horn_that_never_sounds_is_silent_to_both_sensors(speech: pathlib.Path) -> None:
    pole = Pole({PROGRAMME: speech}, ear=NOISY, item_s=SHORT)
    assert pole.microphone is not None
    pole.line.is_cut, pole.microphone.is_horn_connected = True, False
    pole.run(2)
    assert run_until(pole, "playing_silent", 10) > 3
    pole.run(SHORT)
    assert pole.grades() == [Evidence.SILENT]


@pytest.mark.requirement("HLT-2")
@pytest.mark.parametrize(("board", "grade"), [(True, Evidence.OUTPUT), (False, Evidence.SILENT)])
def test_another_programme_in_the_microphone_is_not_content(
    speech: pathlib.Path, board: bool, grade: Evidence
) -> None:
    pole = Pole({PROGRAMME: speech}, ear=NOISY, board=board, item_s=SHORT)
    assert pole.microphone is not None
    pole.microphone.is_horn_connected = False
    pole.microphone.other = sounds.syllables(SHORT + 20, seed=77, dbfs=-30.0)
    pole.run(SHORT + 8)
    assert pole.grades() == [grade]
    assert not any(each.matches for _, each in pole.told if isinstance(each, m.EarHeard))


def test_noise_that_covers_a_horn_known_to_sound_takes_the_grade_and_raises_no_fault(
    speech: pathlib.Path,
) -> None:
    pole = Pole({PROGRAMME: speech}, ear=NOISY, item_s=SHORT, board=False)
    assert pole.microphone is not None
    pole.run(10)
    random = np.random.default_rng(9)
    rain = random.standard_normal(round(60 * RATE)).astype(np.float32)
    pole.microphone.other = sounds.at_level(rain, -14.0)
    pole.run(SHORT)
    assert pole.grades() == [Evidence.UNVERIFIED]
    assert "playing_silent" not in pole.faults


def test_a_dead_microphone_is_a_fault_of_its_own_and_the_line_goes_on_to_tell(
    speech: pathlib.Path,
) -> None:
    pole = Pole({PROGRAMME: speech}, ear=NOISY, item_s=SHORT)
    pole.run(10)
    pole.microphone = None  # nothing arrives any more
    assert run_until(pole, "ear_silent", 5) > 2
    pole.run(SHORT - 4)
    assert pole.grades() == [Evidence.OUTPUT]
    assert pole.happened("playing_silent") == []


@pytest.mark.requirement("HLT-3")
@pytest.mark.parametrize("action", list(SoundAction))
def test_a_squeal_is_a_fault_and_does_what_the_settings_ask_to_the_end_of_the_item(
    speech: pathlib.Path, action: SoundAction
) -> None:
    pole = Pole({PROGRAMME: speech}, ear=NOISY, actions=FallbackParameters(squeal_action=action))
    assert pole.microphone is not None
    pole.run(22)
    before = gain_db(pole, 10, 20)
    pole.microphone.squeal = (2710.0, -30.0)
    assert run_until(pole, "squeal", 2) > 0.5
    pole.run(6)
    pole.microphone.squeal = None
    now_s = (pole.now_ms - BEGIN) / 1000
    after = gain_db(pole, now_s - 5, now_s)
    told = pole.happened("squeal")[0]
    assert told.startswith("active, ")
    assert int(told.split()[1]) == pytest.approx(2710, abs=12)
    wished = {SoundAction.TELL: 0.0, SoundAction.LOWER: -LOWER_CDB / 100}.get(action, -80.0)
    assert after - before == pytest.approx(wished, abs=0.5) or after < wished == -80
    pole.run(BEGIN / 1000 + ITEM_S + 8 - pole.now_ms / 1000)
    assert pole.happened("squeal")[-1] == "idle"
    assert gain_db(pole, ITEM_S + 1, ITEM_S + 7) == pytest.approx(before, abs=0.5)
    assert pole.happened("written_silent") == []  # a mute that we made is no silence of the source


@pytest.mark.requirement("HLT-3")
def test_a_siren_of_a_minute_plays_whole_while_everything_squeals(
    speech: pathlib.Path, siren: pathlib.Path
) -> None:
    sound = {PROGRAMME: speech, SIREN: siren}
    pole = Pole(sound, ear=NOISY, actions=MUTED)
    assert pole.microphone is not None
    pole.run(8)
    pole.microphone.squeal, pole.line.is_cut = (1800.0, -20.0), True
    pole.ask_board(LineHolding.COMMAND, LineCommand.TEST)
    sound_alert(pole)
    pole.run(75)
    starts = [each for _, each in pole.told if isinstance(each, m.Started)]
    (begun_ns,) = (each.at_ns for each in starts if each.source.startswith("alert-"))
    begun_s = (begun_ns - pole.epoch_ns) / 1e9 - 2
    part = pole.since(begun_s + 0.2)[: round(59.6 * RATE)]
    loudness = [level_dbfs(part[at : at + 4800]) for at in range(0, len(part) - 4799, 4800)]
    # no tenth of a second is missing or lowered: full volume is that of the file
    assert loudness == pytest.approx([-13.47] * 596, abs=0.2)
    assert any(told.startswith("active") for told in pole.happened("squeal"))
    assert all("muted" not in told for told in pole.happened("squeal")[:1])
    assert pole.happened("speaker_open")[0] == "active"
    assert pole.happened("written_hiss") == pole.happened("written_clipping") == []


@pytest.mark.requirement("HLT-3")
def test_an_alert_sounds_at_full_level_though_the_item_before_it_was_muted_for_its_squeal(
    speech: pathlib.Path, siren: pathlib.Path
) -> None:
    pole = Pole({PROGRAMME: speech, SIREN: siren}, ear=NOISY, actions=MUTED)
    assert pole.microphone is not None
    pole.run(8)
    pole.microphone.squeal = (1800.0, -20.0)
    run_until(pole, "squeal", 3)
    pole.run(2)
    assert level_dbfs(pole.written[-1]) < -100
    sound_alert(pole)
    pole.run(10)
    assert level_dbfs(pole.written[-1]) == pytest.approx(-13.47, abs=0.2)
    assert level_dbfs(pole.written[-80]) > -20  # the attention tone before it


@pytest.mark.requirement("HLT-3")
def test_our_own_tones_are_no_squeal(siren: pathlib.Path) -> None:
    pole = Pole({PROGRAMME: siren}, ear=NOISY, actions=MUTED)
    pole.run(30)
    assert pole.happened("squeal") == []
    assert pole.faults == set()


@pytest.mark.requirement("HLT-3")
@pytest.mark.parametrize("fault", ["speaker_open", "speaker_short"])
@pytest.mark.parametrize("action", list(SoundAction))
def test_a_broken_line_is_a_fault_and_does_to_every_item_what_the_settings_ask_until_it_is_whole(
    speech: pathlib.Path, fault: str, action: SoundAction
) -> None:
    pole = Pole({PROGRAMME: speech}, actions=FallbackParameters(line_action=action))
    pole.ask_board(LineHolding.INTERVAL, 5)
    pole.run(12)
    before = gain_db(pole, 2, 10)
    pole.line.is_cut, pole.line.is_short = fault == "speaker_open", fault == "speaker_short"
    run_until(pole, fault, 8)
    pole.run(4)
    now_s = (pole.now_ms - BEGIN) / 1000
    wished = {SoundAction.TELL: 0.0, SoundAction.LOWER: -LOWER_CDB / 100}.get(action, -80.0)
    after = gain_db(pole, now_s - 3, now_s)
    assert after - before == pytest.approx(wished, abs=0.5) or after < wished == -80
    pole.run(ITEM_S + 10 - now_s)  # the next item has begun
    after = gain_db(pole, ITEM_S + 4, ITEM_S + 9)
    assert after - before == pytest.approx(wished, abs=0.5) or after < wished == -80
    words = {
        SoundAction.LOWER: ", lowered by 6 dB",
        SoundAction.MUTE: ", muted to the end of the item",
    }
    first, *later = pole.happened(fault)
    assert first == "active" + words.get(action, "")
    assert len(later) == (action is not SoundAction.TELL)
    assert all(each.startswith(f"active{words[action]}, item ") for each in later)
    pole.line.is_cut = pole.line.is_short = False
    pole.ask_board(LineHolding.COMMAND, LineCommand.RESET)
    pole.run(ITEM_S + 5)
    first_play, second_play = pole.of(PlayEnded)[:2]
    volume = {SoundAction.TELL: 10, SoundAction.LOWER: 7}.get(action, 0)
    assert first_play.volume == second_play.volume == volume
    assert pole.happened(fault)[-1] == "idle"
    assert fault not in pole.faults
    assert (pole.happened("playing_silent") == []) == (action is SoundAction.MUTE)
    assert pole.happened("written_silent") == []  # a mute that we made is no silence of the source


@pytest.mark.requirement("HLT-3")
@pytest.mark.parametrize("action", list(SoundAction))
def test_clipping_is_a_fault_and_does_what_the_settings_ask_to_the_end_of_the_item(
    tmp_path: pathlib.Path, action: SoundAction
) -> None:
    clipped = np.clip(8 * sounds.syllables(ITEM_S), -0.99, 0.99).astype(np.float32)
    file = write_wav(tmp_path / "clipped.wav", clipped)
    pole = Pole({PROGRAMME: file}, actions=FallbackParameters(clipping_action=action))
    run_until(pole, "written_clipping", 12)
    pole.run(4)
    told = pole.happened("written_clipping")[0]
    assert told.endswith("muted to the end of the item") == (action is SoundAction.MUTE)
    assert ("lowered by" in told) == (action is SoundAction.LOWER)
    assert (level_dbfs(pole.since(0)[-RATE:]) < -100) == (action is SoundAction.MUTE)
    pole.run(ITEM_S)
    volume = pole.of(PlayEnded)[0].volume
    assert {SoundAction.TELL: volume == 10, SoundAction.MUTE: volume == 0}.get(
        action, 0 < volume < 10
    )


def test_a_source_that_is_silent_is_told_within_ten_seconds_and_is_no_fault_of_the_line(
    tmp_path: pathlib.Path,
) -> None:
    half = np.concatenate([sounds.syllables(10), np.zeros(50 * RATE, np.float32)])
    pole = Pole({PROGRAMME: write_wav(tmp_path / "half.wav", half)}, ear=NOISY)
    pole.run(12)
    assert run_until(pole, "written_silent", 10) > 7
    assert pole.faults == {"written_silent"}
    assert pole.happened("written_silent")[0].startswith("active, -")


# --- two players in one play


@pytest.mark.requirement("HLT-2")
def test_a_record_joins_what_two_players_measured_and_counts_the_hole_between(
    speech: pathlib.Path,
) -> None:
    whole = Pole({PROGRAMME: speech})
    whole.run(ITEM_S + 8)
    broken = Pole({PROGRAMME: speech})
    broken.run(32)
    told = broken.stage.hearing.loudness
    assert told is not None
    broken.now_ms += 2000  # nobody plays
    broken.start_player()
    broken.run(ITEM_S - 26)
    ((one,), (two,)) = whole.of(PlayEnded), broken.of(PlayEnded)
    assert one.loudness_clufs is not None
    assert two.loudness_clufs == pytest.approx(one.loudness_clufs, abs=50)
    assert two.true_peak_cdb == pytest.approx(one.true_peak_cdb, abs=60)
    assert two.longest_gap_ms >= 2000 > one.longest_gap_ms
    assert two.silent_ms - one.silent_ms == pytest.approx(2000, abs=1200)


def test_a_record_that_waits_for_a_player_that_is_lost_has_what_that_one_told(
    speech: pathlib.Path,
) -> None:
    pole = Pole({PROGRAMME: speech})
    pole.run(ITEM_S + 1.9)
    assert pole.of(PlayEnded) == []
    pole.start_player()
    pole.run(3)
    (ended,) = pole.of(PlayEnded)
    assert ended.loudness_clufs is not None
    assert ended.true_peak_cdb is not None
