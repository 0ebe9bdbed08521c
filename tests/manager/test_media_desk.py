"""``loa media`` at a desk: trimmed before the hash, judged in words, heard, and made from text."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from loa_manager.cli.main import run
from loa_manager.home import Home
from loa_manager.media.advice import advice
from loa_manager.media.sketch import BARS, Sketch, parse_sketch
from loa_manager.media.speech import find_engine, say
from loa_manager.media.utterance import Utterance
from loa_manager.publish.drafts import measure_media
from loa_manager.publish.editing import media_store
from loa_manager.publish.media import MediaStore, parse_note
from loa_protocol.errors import ConfigError, MessageError
from loa_sound.measure import measure_file
from loa_sound.quality import Finding, Trouble
from support.listening import read_sound
from support.schedules import item, schedule, session
from support.sound_files import RATE, Wave, chirp, read_wav, to_pcm, tone, write, write_wav


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


@pytest.fixture
def store(tmp_path: Path) -> MediaStore:
    return MediaStore(tmp_path / "media")


def padded(seconds: float = 1.0) -> Wave:
    quiet = np.zeros(round(seconds * RATE), dtype=np.float32)
    return np.concatenate((quiet, chirp(2), quiet))


# --- trimming


@pytest.mark.requirement("AUD-2")
@pytest.mark.parametrize("suffix", ["wav", "opus", "mp3"])
def test_silent_ends_go_before_the_hash_is_taken(
    store: MediaStore, tmp_path: Path, suffix: str
) -> None:
    kept = store.add(write(tmp_path / f"x.{suffix}", padded()))
    assert kept.is_transcoded
    assert kept.facts.sha256 == hashlib.sha256(kept.path.read_bytes()).digest()
    assert abs(kept.facts.duration_ms - 2060) < 60
    assert abs(kept.cut_ms[0] - 990) < 60
    assert abs(kept.cut_ms[1] - 950) < 60
    assert measure_file(kept.path).leading_silence_ms < 60


def test_what_is_trimmed_stays_as_it_is_when_it_comes_again(
    store: MediaStore, tmp_path: Path
) -> None:
    kept = store.add(write_wav(tmp_path / "x.wav", padded()))
    again = store.add(kept.path)
    assert again.facts == kept.facts
    assert not any(again.cut_ms)


def test_a_file_is_left_whole_when_somebody_says_so_and_that_is_remembered(
    store: MediaStore, tmp_path: Path
) -> None:
    source = write_wav(tmp_path / "x.wav", padded())
    whole = store.add(source, trim=False)
    assert whole.facts.duration_ms == 4000
    assert store.add(source) == whole, "a draft keeps to what was said of the file"
    trimmed = store.add(source, trim=True)
    assert trimmed.facts.duration_ms < 2200
    assert store.add(source) == trimmed
    assert [each.facts for each in store.list()] == [trimmed.facts]


def test_a_kept_file_outlives_its_own_trimming(store: MediaStore, tmp_path: Path) -> None:
    first = store.add(write_wav(tmp_path / "x.wav", padded()), trim=False)
    second = store.add(first.path, trim=True)
    assert second.facts.sha256 != first.facts.sha256
    assert first.path.is_file(), "another note still names it"


def test_pauses_that_the_schedule_announces_and_signed_bulletins_keep_their_ends(
    store: MediaStore, tmp_path: Path
) -> None:
    for name in ("mac-niem.wav", "tinh.wav", "tin.wav"):
        write_wav(tmp_path / name, padded() + np.float32(len(name) * 1e-5))
    week = schedule(
        session(
            item(file='"mac-niem.wav"', expected_silence='["0:00-0:01"]'),
            item(file='"tinh.wav"', bulletin=f'"{"ab" * 32}"'),
            item(file='"tin.wav"'),
        )
    )
    kept, faults = measure_media(week, tmp_path, store)
    assert faults == []
    lengths = {name: each.facts.duration_ms for name, each in kept.items()}
    assert lengths["mac-niem.wav"] == lengths["tinh.wav"] == 4000
    assert lengths["tin.wav"] < 2200


def test_notes_of_before_are_read_and_damaged_ones_are_not(
    store: MediaStore, tmp_path: Path
) -> None:
    store.add(write_wav(tmp_path / "x.wav", chirp(1)))
    note = json.loads(next((store.folder / "known").iterdir()).read_bytes())
    older = {key: note[key] for key in note if key not in ("trim", "cut_ms", "findings")}
    assert parse_note(json.dumps(older).encode()) == older
    for key, value in (("cut_ms", [1]), ("cut_ms", [1, "2"]), ("findings", [["loud", 1, 2]]),
                       ("findings", [1]), ("trim", 1), ("more", 1)):  # fmt: skip
        with pytest.raises(MessageError):
            parse_note(json.dumps(note | {key: value}).encode())


# --- words


@pytest.mark.parametrize("trouble", Trouble)
def test_every_trouble_has_words_that_say_what_to_do(trouble: Trouble) -> None:
    text = advice(Finding(trouble, 1234, 65_000))
    assert "{" not in text
    assert len(text) > 40


def test_the_command_says_what_was_cut_and_what_is_the_matter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = np.concatenate((np.zeros(RATE, dtype=np.float32), np.clip(padded(0.0) * 20, -1, 1)))
    path = str(write_wav(tmp_path / "x.wav", bad.astype(np.float32)))
    home = ("--home", str(tmp_path / "nga"))
    assert run(["media", "add", path, *home]) == 0
    err = capsys.readouterr().err
    assert "x.wav: silence cut off, 1.0 s before; --no-trim leaves it" in err
    assert "Warning: x.wav: clipped at" in err
    assert "input turned down" in err
    assert run(["media", "add", path, "--no-trim", "--json", *home]) == 0
    out, err = capsys.readouterr()
    (row,) = json.loads(out)
    assert row["duration_ms"] == 3000
    assert row["cut"] == {"before_ms": 0, "behind_ms": 0}
    assert [each["code"] for each in row["warnings"]] == ["clipped"]
    assert err == ""
    assert run(["media", "measure", path, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert abs(row["cut"]["before_ms"] - 990) < 20, "what adding it would cut"


# --- sketches


def test_a_sketch_is_kept_and_drawn_anew_where_it_is_damaged(
    store: MediaStore, tmp_path: Path
) -> None:
    sound = np.concatenate((tone(2, level=0.5), np.zeros(RATE * 2, dtype=np.float32), tone(2)))
    kept = store.add(write_wav(tmp_path / "x.wav", sound))
    sketch = store.sketch(kept.path, kept.facts.sha256)
    assert abs(sketch.length_ms - 6000) <= 1
    assert len(sketch.bars) == BARS
    assert abs(max(sketch.bars) - 255 * (60 - 6) / 60) < 6, "half of full scale is -6 dBFS"
    ((start, end),) = sketch.silences
    assert abs(start - 2000) < 60
    assert abs(end - 4000) < 60
    (store.folder / "sketch" / kept.path.name).write_bytes(b"{}")
    assert store.sketch(kept.path, kept.facts.sha256) == sketch
    assert parse_sketch(sketch.to_bytes()) == sketch


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", Sketch(-1, b"").to_bytes(), Sketch(1, bytes(BARS + 1)).to_bytes()]
)
def test_what_is_no_sketch_is_refused(data: bytes) -> None:
    with pytest.raises(MessageError):
        parse_sketch(data)


# --- play


@pytest.mark.requirement("AUD-2")
def test_played_into_a_file_it_is_as_loud_as_on_the_pole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, heard = write_wav(tmp_path / "x.wav", tone(3, level=0.5)), tmp_path / "heard.wav"
    home = ("--home", str(tmp_path / "nga"))
    assert run(["media", "play", str(source), "--gain", "--to", str(heard), *home]) == 0
    assert measure_file(heard).integrated_lufs == pytest.approx(-23, abs=0.1)
    assert run(["media", "play", str(source), "--to", str(heard), *home]) == 0
    assert np.array_equal(read_wav(heard), read_wav(source))
    kept = media_store(Home(tmp_path / "nga")).add(source)
    digits = kept.facts.sha256.hex()[:8]
    assert run(["media", "play", digits, "--to", str(heard), *home]) == 0
    assert abs(len(read_wav(heard)) - 3 * RATE) < 100
    capsys.readouterr()
    assert run(["media", "play", "abcdef12", "--to", str(heard), *home]) == 2
    assert "0 kept files begin so" in capsys.readouterr().err
    assert run(["media", "play", "no-such.wav", *home]) == 6


CARD = """
pcm.horn {{ type file slave.pcm {{ type null }} file "{out}" format raw }}
pcm.default {{ type file slave.pcm {{ type null }} file "{out}" format raw }}
"""


def play_on(tmp_path: Path, card: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "asound.conf").write_text(card)
    return subprocess.run(
        [sys.executable, "-m", "loa_manager", "--lang", "en", "media", "play", *arguments],
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "ALSA_CONFIG_PATH": str(tmp_path / "asound.conf"),
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.needs("portaudio")
@pytest.mark.parametrize("device", [(), ("--device", "horn")])
def test_the_desks_card_gets_every_sample(tmp_path: Path, device: tuple[str, ...]) -> None:
    source = write_wav(tmp_path / "x.wav", chirp(1.5))
    done = play_on(tmp_path, CARD.format(out=tmp_path / "card.raw"), str(source), *device)
    assert done.returncode == 0, done.stderr
    heard = np.frombuffer((tmp_path / "card.raw").read_bytes(), dtype="<i2")
    assert np.array_equal(heard[: len(to_pcm(chirp(1.5)))], to_pcm(chirp(1.5)))
    assert "Length" in done.stdout


@pytest.mark.needs("portaudio")
def test_a_desk_without_a_card_is_told_what_to_do(tmp_path: Path) -> None:
    source = str(write_wav(tmp_path / "x.wav", chirp(0.3)))
    done = play_on(tmp_path, CARD.format(out="/dev/null"), source, "--device", "tuba")
    assert done.returncode == 2
    assert "no device tuba; there are: " in done.stderr
    assert "--to FILE.wav" in done.stderr


# --- speech


@pytest.mark.needs("espeak-ng")
def test_text_becomes_a_trimmed_recording_with_its_text_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "hop-thon.wav"
    text = "Mời bà con họp thôn tối nay."
    command = ["media", "say", text, "--language", "vi", "--out", str(out)]
    assert run(command) == 0
    assert "an editor and an approver sign it" in capsys.readouterr().err
    sound = read_sound(out)
    assert 1.0 < len(sound) / RATE < 5.0
    assert measure_file(out).leading_silence_ms <= 11
    assert (tmp_path / "hop-thon.txt").read_text() == f"{text}\n"
    slow = [*command[:-1], str(tmp_path / "slow.opus"), "--speed", "80", "--json"]
    assert run(slow) == 0
    assert json.loads(capsys.readouterr().out)["duration_ms"] > len(sound) / 48 * 1.2
    south = [*command[:-1], str(tmp_path / "south.wav"), "--voice", "vi-vn-x-south"]
    assert run(south) == 0
    assert not np.array_equal(read_sound(tmp_path / "south.wav"), sound)
    (tmp_path / "tin.txt").write_text("--version\n")
    assert run(["media", "say", "--file", str(tmp_path / "tin.txt"), *command[3:]]) == 0
    assert len(read_sound(out)) > RATE / 4, "text is never taken for an option"


@pytest.mark.needs("espeak-ng")
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("--voice", "no-such-voice"), "no voice no-such-voice"),  # or Norwegian would speak
        (("--language", "vix"), "there are: vi, vi-vn-x-central"),
        (("--voice", "-w/etc/x"), "no name of a voice"),
        (("--engine", "piper"), "there are: espeak-ng"),
        (("--out", "x.mp3"), "ends in .wav or .opus"),
        (("--file", "x.txt"), "either TEXT or --file"),
    ],
)
def test_what_cannot_be_said_is_told(
    change: tuple[str, str], fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ("--out", str(tmp_path / "x.wav"))
    assert run(["media", "say", "Chào", "--language", "vi", *out, *change]) == 2
    assert fault in capsys.readouterr().err
    assert not (tmp_path / "x.wav").exists()


def test_without_espeak_ng_the_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="apt install espeak-ng"):
        say(Utterance(text="Chào", language="vi"), find_engine("espeak-ng"), tmp_path / "x.wav")


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package with a speech engine as pip would: a module and its entry points."""
    site = tmp_path / "site"
    (site / "beeper-1.0.dist-info").mkdir(parents=True)
    (site / "beeper-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: beeper\nVersion: 1.0\n"
    )
    (site / "beeper-1.0.dist-info" / "entry_points.txt").write_text(
        "[loa.speech]\nbeeper = beeper_engine:Beeper\nbroken = beeper_engine:Nothing\n"
    )
    (site / "beeper_engine.py").write_text(
        "from support.sound_files import tone, write_wav\n"
        "class Beeper:\n"
        "    def speak(self, utterance, target):\n"
        "        write_wav(target, tone(0.1 * len(utterance.text.split()), 500, 0.3))\n"
    )
    monkeypatch.syspath_prepend(str(site))


@pytest.mark.usefixtures("plugin")
def test_another_package_brings_its_own_engine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.wav"
    command = ["media", "say", "một hai ba bốn", "--language", "vi", "--out", str(out)]
    assert run([*command, "--engine", "beeper"]) == 0
    assert abs(len(read_sound(out)) - RATE * 4 // 10) < 50
    assert run([*command, "--engine", "broken"]) == 2
    assert "does not load" in capsys.readouterr().err
    assert run([*command, "--engine", "none"]) == 2
    assert "espeak-ng, beeper, broken" in capsys.readouterr().err
