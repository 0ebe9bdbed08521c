"""How loud a pole is: items, caps by the hour, FM beside the files, in what it writes."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np
import pytest

from loa_endpoint.core.bearer import SignalRead
from loa_manager.publish.gain import MediaFacts, gain_cdb
from loa_protocol.objects.playlist import (
    Bearer,
    BearerKind,
    FmWindow,
    Item,
    Media,
    Playlist,
    Proof,
    ProofKind,
    Session,
)
from loa_protocol.objects.policy import Policy, VolumeCap
from loa_protocol.record import Happening, PlayEnded
from loa_sound.measure import measure_file
from support.director_stage import BEGIN, GOOD_FM
from support.loudness import at_level, chord, lufs, speech
from support.mixing_pole import Pole, level_db
from support.province import playlist, policy
from support.sound_files import Wave, tone, write, write_wav

S = 48_000
NINE_PM = (BEGIN // 1000 + 7 * 3600) // 86_400 * 86_400 + 21 * 3600 - 7 * 3600  # in Vietnam
UNTIL_TEN = policy().hours[0]


def published(path: pathlib.Path, number: int) -> Media:
    """Return the media row as the publisher makes it: measured, with its gain."""
    found = measure_file(path)
    assert found.integrated_lufs is not None
    facts = MediaFacts(
        sha256=bytes([number]) * 32,
        size=path.stat().st_size,
        duration_ms=found.duration_ms,
        loudness_clufs=round(found.integrated_lufs * 100),
        true_peak_cdbtp=round(found.true_peak_dbtp * 100),
    )
    return Media(
        sha256=facts.sha256,
        size=facts.size,
        duration_ms=facts.duration_ms,
        gain_cdb=gain_cdb(facts, policy().loudness_clufs),
        loudness_clufs=facts.loudness_clufs,
    )


def item(number: int, offset_ms: int, duration_ms: int, *bearers: Bearer, **facts: object) -> Item:
    changes = {"offset_ms": offset_ms, "duration_ms": duration_ms, "bearers": bearers, **facts}
    return dataclasses.replace(playlist().items[0], id=f"i{number}", **changes)  # type: ignore[arg-type]  # facts of items


def by_file(reference: int) -> Bearer:
    return Bearer(kind=BearerKind.MEDIA, reference=reference, cost=10)


BY_FM = Bearer(kind=BearerKind.FM, reference=0, cost=1)


def week(
    items: tuple[Item, ...],
    media: tuple[Media, ...],
    *,
    begin_s: int = BEGIN // 1000,
    volume: int = 15,
) -> Playlist:
    window = FmWindow(
        frequency_khz=61_500,
        start=begin_s - 60,
        end=begin_s + 600,
        volume=15,
        proofs=(Proof(kind=ProofKind.PI, value=0x7301),),
    )
    session = Session(id="s1", start=begin_s, duration_s=600, volume=volume)
    base = playlist()
    return dataclasses.replace(
        base, media=media, items=items, sessions=(session,), fm_windows=(window,)
    )


@pytest.mark.requirement("AUD-2")
def test_items_of_very_different_loudness_come_out_alike(tmp_path: pathlib.Path) -> None:
    sounds = {
        write_wav(tmp_path / "soft.wav", at_level(speech(6), -38)): 0,
        write_wav(tmp_path / "loud.wav", at_level(chord(6), -14)): 1,
        write(tmp_path / "right.opus", at_level(speech(6), -23), bit_rate=64_000): 2,
        write(tmp_path / "middle.mp3", at_level(chord(6), -30), bit_rate=128_000): 3,
    }
    rows = tuple(published(path, number) for path, number in sounds.items())
    items = tuple(item(n, 6_000 * n, 6_000, by_file(n)) for n in sounds.values())
    files = {rows[number].sha256: path for path, number in sounds.items()}
    pole = Pole(week(items, rows), policy(), files, begin_ms=BEGIN - 12_000)
    pole.run(BEGIN + 27_000)
    heard = [lufs(pole.heard(BEGIN + 6_000 * n, BEGIN + 6_000 * (n + 1))) for n in range(4)]
    assert max(heard) - min(heard) <= 1.0, heard
    assert np.mean(heard) == pytest.approx(-23, abs=0.5)
    told = [each.loudness_clufs for each in pole.kept(PlayEnded)]
    assert told == pytest.approx([round(each * 100) for each in heard], abs=60)


# --- caps by the hour


def late(until_min: int = 22 * 60) -> Policy:
    """A policy that lowers the cap to 9 at 21:00, and lets items sound until ten."""
    hours = (dataclasses.replace(UNTIL_TEN, end_min=until_min),)
    return policy(hours=hours, volume_caps=(VolumeCap(start_min=21 * 60, end_min=1440, level=9),))


def carrier(hz: float, level: float) -> Callable[[int], Wave]:
    def piece(at_ms: int) -> Wave:
        t = at_ms % 1000 / 1000 + np.arange(4800) / S
        return (level * np.sin(2 * np.pi * hz * t)).astype(np.float32)

    return piece


def falls_at_nine(pole: Pole, hz: float) -> None:
    """Check that a tone falls by 12 dB (level 15 to 9), softly, within a second of 21:00."""
    at_ms = NINE_PM * 1000
    before = level_db(pole.heard(at_ms - 300, at_ms - 100), hz)
    after = level_db(pole.heard(at_ms + 1_000, at_ms + 1_200), hz)
    assert after == pytest.approx(before - 12, abs=0.3)
    half_way = level_db(pole.heard(at_ms + 300, at_ms + 320), hz)
    assert after < half_way < before


@pytest.mark.requirement("VOL-1")
@pytest.mark.parametrize("way", ["file", "fm"])
def test_the_cap_of_nine_o_clock_holds_while_playing(way: str, tmp_path: pathlib.Path) -> None:
    sound = {b"m" * 32: write_wav(tmp_path / "m.wav", tone(30, 500))}
    begin_s = NINE_PM - 10
    bearers = (BY_FM,) if way == "fm" else (by_file(0),)
    rows = (
        Media(sha256=b"m" * 32, size=9, duration_ms=30_000, gain_cdb=0, loudness_clufs=-2300),
        Media(sha256=b"v" * 32, size=9, duration_ms=8_000, gain_cdb=0, loudness_clufs=-2300),
    )
    over = item(1, 6_000, 8_000, by_file(1), duck_cdb=-600)
    sound[b"v" * 32] = write_wav(tmp_path / "v.wav", tone(8, 2000))
    schedule = week((item(0, 0, 30_000, *bearers), over), rows, begin_s=begin_s)
    pole = Pole(schedule, late(), sound, begin_ms=(begin_s - 12) * 1000, air=carrier(500, 0.1))
    pole.readings = GOOD_FM
    pole.run((NINE_PM + 8) * 1000)
    falls_at_nine(pole, 500)
    falls_at_nine(pole, 2000)  # the announcement over it
    capped = [each.detail for each in pole.kept(Happening) if each.name == "volume_capped"]
    assert sorted(capped) == ["item i0: asked 15, cap 9", "item i1: asked 15, cap 9"]
    pole.run((NINE_PM + 24) * 1000)
    assert [each.volume for each in pole.kept(PlayEnded)] == [9, 9]


@pytest.mark.requirement("VOL-1")
def test_a_level_over_the_cap_is_capped_from_the_first_sample_and_told(
    tmp_path: pathlib.Path,
) -> None:
    sound = {b"m" * 32: write_wav(tmp_path / "m.wav", tone(10, 500))}
    row = Media(sha256=b"m" * 32, size=9, duration_ms=10_000, gain_cdb=0, loudness_clufs=-2300)
    schedule = week((item(0, 0, 10_000, by_file(0)),), (row,), begin_s=NINE_PM + 600)
    begin_ms = (NINE_PM + 600) * 1000
    pole = Pole(schedule, late(), sound, begin_ms=begin_ms - 12_000)
    pole.run(begin_ms + 14_000)
    whole = pole.heard(begin_ms - 500, begin_ms + 9_000)
    assert np.abs(whole).max() == pytest.approx(0.1 * 10 ** (-12 / 20), rel=0.01)
    (told,) = (each for each in pole.kept(Happening) if each.name == "volume_capped")
    assert told.detail == "item i0: asked 15, cap 9"


# --- FM beside the files


def sending(sound: Wave, *, until_ms: int = 2**60) -> Callable[[int], Wave]:
    """FM that sends *sound* over and over, and from *until_ms* on hiss."""
    hiss = (0.2 * np.random.default_rng(5).standard_normal(4800)).astype(np.float32)

    def piece(at_ms: int) -> Wave:
        if at_ms >= until_ms:
            return hiss
        first = at_ms * S // 1000 % len(sound)
        return np.roll(sound, -first)[:4800]

    return piece


@pytest.mark.requirement("AUD-2", "RAD-4")
@pytest.mark.parametrize("off_db", [-9, 6])
def test_fm_and_the_file_behind_it_are_equally_loud_and_no_hole_is_between(
    off_db: float, tmp_path: pathlib.Path
) -> None:
    programme = at_level(chord(4), -23)
    sent = (programme * 10 ** (off_db / 20)).astype(np.float32)
    path = write_wav(tmp_path / "m.wav", np.tile(at_level(chord(4), -26), 10))
    row = published(path, 1)
    lost_ms = BEGIN + 15_000
    pole = Pole(
        week((item(0, 0, 40_000, BY_FM, by_file(0)),), (row,)),
        policy(),
        {row.sha256: path},
        begin_ms=BEGIN - 12_000,
        air=sending(sent, until_ms=lost_ms),
    )
    pole.readings = GOOD_FM
    pole.run(lost_ms)
    assert pole.director.play is not None
    assert pole.director.play.bearer is BearerKind.FM
    pole.readings = (GOOD_FM[0], SignalRead(300, 0))  # the carrier is gone
    pole.run(BEGIN + 30_000)
    (switch,) = (each for each in pole.kept(Happening) if each.name == "switch")
    assert "failure" in switch.detail
    by_air = lufs(pole.heard(lost_ms - 8_000, lost_ms))
    by_disk = lufs(pole.heard(BEGIN + 20_000, BEGIN + 28_000))
    assert abs(by_air - by_disk) <= 1.5, (by_air, by_disk)
    assert longest_gap_ms(pole.heard(BEGIN + 1_000, BEGIN + 28_000)) <= 50


def longest_gap_ms(sound: Wave) -> float:
    """Return the longest run below -60 dBFS."""
    loud = np.flatnonzero(np.abs(sound) >= 0.001)
    return float(np.diff(loud).max()) / S * 1000
