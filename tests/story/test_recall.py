"""What did the pole say? A real board is asked, answers, and is checked against its own records."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loa_endpoint.app.recall import FOLDER
from loa_lab.village.crew import CommandError
from support.hamlet import Hamlet, Piece, Pole, hamlet, soon_s
from support.listening import place_of, read_sound
from support.sound_files import RATE, chirp, write

pytestmark = pytest.mark.story
SECONDS = 8
CODEC_MS = 60  # one packet: what the codec lets out before an attack is heard within it
UNHEARD = 1e-3  # of full scale: -60 dB; it begins up to 200 ms before, at -100 dB


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hamlet]:
    with hamlet(tmp_path_factory.mktemp("hamlet"), poles=1) as made:
        yield made


@pytest.fixture(scope="module")
def piece(here: Hamlet) -> Piece:
    return Piece("sang", write(here.folder / "sang.flac", chirp(SECONDS)), SECONDS * 1000)


@pytest.fixture(scope="module")
def played(here: Hamlet, piece: Piece) -> tuple[Pole, Any]:
    pole = here.pole("c01")
    here.publish(pole, [piece], start_s=soon_s(5))
    pole.start()
    (play,) = here.ended(pole, 1)
    return pole, play


def recall(here: Hamlet, at_s: int, out: Path, *options: str) -> dict[str, Any]:
    time = datetime.fromtimestamp(at_s, UTC).isoformat()
    arguments = ("st0137/c01", time, "--minutes", "1", "--out", out, "--home", here.home.path)
    passphrase = ("--passphrase-file", here.folder / "passphrase")
    said = here.crew.run("loa", "recall", *arguments, *passphrase, "--yes", "--json", *options)
    facts: dict[str, Any] = json.loads(said)
    return facts


@pytest.mark.requirement("AUD-7")
def test_what_was_said_comes_back_and_is_what_was_written_and_what_the_record_names(
    here: Hamlet, played: tuple[Pole, Any], tmp_path: Path
) -> None:
    pole, play = played
    assert play.recorded is not None
    at_s, out = play.started_ms // 1000 - 53, tmp_path / "noi-gi.ogg"
    facts = recall(here, at_s, out)
    assert facts["state"] in ("ended", "begun")
    hashes = [each["sha256"] for each in facts["files"]]
    assert hashes == [sha256 for _start, _length, sha256 in play.recorded]
    assert [each["item"] for each in facts["files"][0]["plays"]] == ["sang"]
    said = read_sound(out)
    lead_ms = play.started_ms - at_s * 1000
    part = said[(lead_ms + 3000) * RATE // 1000 :][:RATE]
    heard = pole.recording().part(play.started_ms, play.started_ms + SECONDS * 1000) / 32768
    place, alike = place_of(part, heard.astype(np.float32))
    assert place == pytest.approx(3000, abs=30 + play.uncertainty_ms)  # of the board's clock
    assert alike > 0.9
    before = said[: (lead_ms - CODEC_MS - play.uncertainty_ms) * RATE // 1000]
    assert np.abs(before).max() < UNHEARD
    again = recall(here, at_s, tmp_path / "again.ogg")
    assert again["order"] == facts["order"]  # the same question is asked once


def test_a_recalled_file_that_was_changed_at_the_server_is_refused(
    here: Hamlet, played: tuple[Pole, Any], tmp_path: Path
) -> None:
    _pole, play = played
    at_s = play.started_ms // 1000 - 53
    facts = recall(here, at_s, tmp_path / "good.ogg")
    (file,) = (here.home.path / "recall" / facts["order"]).glob("*.opus")
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        with pytest.raises(CommandError) as refused:
            recall(here, at_s, tmp_path / "bad.ogg")
        assert "media_hash" in refused.value.said
        assert not (tmp_path / "bad.ogg").exists()
    finally:
        file.write_bytes(whole)


def test_a_pole_that_is_off_answers_when_it_is_back(
    here: Hamlet, played: tuple[Pole, Any], tmp_path: Path
) -> None:
    pole, play = played
    pole.stop()
    at_s = play.started_ms // 1000 - 55  # another question
    with pytest.raises(CommandError) as silent:
        recall(here, at_s, tmp_path / "later.ogg", "--wait", "1s")
    assert silent.value.code != 0
    assert not (tmp_path / "later.ogg").exists()
    (pole.home / FOLDER / "next.new").write_bytes(b"half a file")
    pole.start()
    facts = recall(here, at_s, tmp_path / "later.ogg")
    assert [each["here"] for each in facts["files"]] == [True]
    assert (tmp_path / "later.ogg").exists()


def test_of_a_time_in_which_nothing_was_said_nothing_comes(
    here: Hamlet, played: tuple[Pole, Any], tmp_path: Path
) -> None:
    _pole, play = played
    facts = recall(here, play.started_ms // 1000 - 63, tmp_path / "nothing.ogg")
    assert facts["files"] == []
    assert facts["out"] is None
