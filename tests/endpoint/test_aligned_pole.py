"""From a better clock to the samples and the record: agent and desk in one, in virtual time."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np
import pytest

from loa_endpoint.audio import messages as m
from loa_endpoint.core.clock import Reading
from loa_protocol.objects.playlist import Bearer, BearerKind, Media, Session
from loa_protocol.record import PlayEnded
from support.director_stage import BEGIN
from support.mixing_pole import Pole
from support.province import playlist, policy
from support.sound_files import noise, write_wav

LENGTH_MS = 20_000
STEP_MS = 4
RATE = 48_000


class CorrectedPole(Pole):
    """A pole whose clock is found to be slow."""

    ahead_ms = 0

    def reading(self) -> Reading:
        true = super().reading()
        return dataclasses.replace(true, unix_ms=true.unix_ms + self.ahead_ms)


@pytest.mark.requirement("AUD-5")
def test_a_time_answer_in_the_midst_of_an_item_moves_it_slowly_and_is_in_its_record(
    tmp_path: pathlib.Path,
) -> None:
    sound = noise(LENGTH_MS / 1000)
    files = {b"m" * 32: write_wav(tmp_path / "m.wav", sound)}
    facts = {"duration_ms": LENGTH_MS, "gain_cdb": 0, "loudness_clufs": -2300}
    base, by_file = playlist(), Bearer(kind=BearerKind.MEDIA, reference=0, cost=10)
    schedule = dataclasses.replace(
        base,
        media=(Media(sha256=b"m" * 32, size=9, **facts),),
        items=(
            dataclasses.replace(
                base.items[0], offset_ms=0, duration_ms=LENGTH_MS, bearers=(by_file,)
            ),
        ),
        sessions=(Session(id="s1", start=BEGIN // 1000, duration_s=600, volume=15),),
        fm_windows=(),
    )
    pole = CorrectedPole(schedule, policy(), files, begin_ms=BEGIN - 12_000)
    pole.run(BEGIN + 5_000)
    pole.ahead_ms = STEP_MS
    pole.run(BEGIN + LENGTH_MS + 3_000)
    assert [type(each) for each in pole.said].count(m.Align) == 1
    (ended,) = pole.kept(PlayEnded)
    assert (ended.offset_ms, ended.drift_ms, ended.xruns) == (0, STEP_MS, 0)
    place = 18 * RATE  # as it sounds by the better clock, within a sample
    heard = pole.heard(BEGIN + 18_000 - 10, BEGIN + 18_000 + 110)
    match = np.correlate(heard, sound[place : place + RATE // 10], "valid")
    moved_ms = 10 - int(np.argmax(match)) / 48
    assert moved_ms == pytest.approx(STEP_MS, abs=0.6)
