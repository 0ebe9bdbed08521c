"""Waveforms: what is silent and what is clipped is seen where it is, in line, picture and JSON."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from xml.etree import ElementTree

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_manager.cli.main import run
from loa_manager.media.sketch import BARS, Sketch, draw_sketch
from loa_manager.media.waveform import CLIPPED, SILENT, Drawn, line, to_png, to_svg
from loa_sound.measure import measure_file
from loa_sound.quality import examine_file
from support.schedules import item, session, text
from support.sound_files import RATE, tone, write_wav

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


def sketch_of(path: Path) -> Sketch:
    """Draw two seconds soft, two silent, two clipped, two loud."""
    hard = np.clip(tone(2, 300, 3.0), -1, 1)
    parts = (tone(2, 300, 0.02), np.zeros(2 * RATE), hard, tone(2, 300, 0.9))
    write_wav(path, np.concatenate(parts).astype(np.float32))
    return draw_sketch(examine_file(path))


def test_a_line_shows_level_silence_and_clipping_in_their_places(tmp_path: Path) -> None:
    drawn = line(sketch_of(tmp_path / "x.wav"), 40)
    assert len(drawn) == 40
    assert set(drawn[11:19]) == {SILENT}
    assert set(drawn[20:30]) == {CLIPPED}
    assert max(drawn[:10]) < min(drawn[31:]), "louder is taller"


@given(
    st.integers(0, 100_000),
    st.binary(max_size=BARS),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=5),
    st.lists(st.integers(0, 10**6), max_size=5),
    st.integers(1, 200),
)
def test_whatever_is_kept_can_be_drawn(
    length_ms: int,
    bars: bytes,
    silences: list[tuple[int, int]],
    clipped: list[int],
    width: int,
) -> None:
    sketch = Sketch(length_ms, bars, tuple(silences), tuple(clipped))
    assert 1 <= len(line(sketch, width)) <= width
    drawn = [Drawn('<b> & "\x00"', sketch)]
    ElementTree.fromstring(to_svg(drawn, silence="<", clipped="&"))
    assert to_png(drawn).startswith(b"\x89PNG")


def test_the_svg_has_a_row_for_each_sound_with_its_marks(tmp_path: Path) -> None:
    sketch = sketch_of(tmp_path / "x.wav")
    sounds = [Drawn("Giá lúa & <cà phê>", sketch), Drawn("Nhạc", Sketch(1000, bytes([200] * 9)))]
    root = ElementTree.fromstring(to_svg(sounds, silence="silence", clipped="clipped"))
    texts = [each.text for each in root.iter(f"{SVG}text")]
    assert [each.text for each in root.iter(f"{SVG}title")] == ["Giá lúa & <cà phê>", "Nhạc"]
    assert "0:08" in texts
    assert texts[-2:] == ["silence", "clipped"]
    assert len(list(root.iter(f"{SVG}polygon"))) == 2
    assert len(list(root.iter(f"{SVG}line"))) == len(sketch.clipped) > 10
    marks = [each for each in root.iter(f"{SVG}rect") if each.get("fill") == "#d9d9d9"]
    assert len(marks) == 1 + 1, "one silence, one legend"


def test_another_decoder_sees_the_same_in_the_png(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(to_png([Drawn("x", sketch_of(tmp_path / "x.wav"))]))
    with av.open(str(path)) as picture:
        (frame,) = picture.decode(video=0)
        pixels = frame.to_ndarray(format="rgb24")
    middle = pixels[16 + 28, 16:-16]
    grey, blue, red = (0xD9,) * 3, (0x1F, 0x5A, 0x8C), (0xC0, 0x18, 0x2A)
    assert tuple(middle[50]) == tuple(middle[600]) == blue
    assert tuple(middle[240]) == grey
    assert red in {tuple(each) for each in middle[320:480]}
    assert tuple(pixels[0, 0]) == (255, 255, 255)


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("province")
    (folder / "secret").write_text("correct horse battery\n")
    word = ("--passphrase-file", str(folder / "secret"))
    assert run(["init", "--home", f"{folder}/ls", "--province", "vn/ls", "--test", *word]) == 0
    return folder / "ls"


def week(folder: Path) -> Path:
    sketch_of(folder / "hong.wav")
    write_wav(folder / "nhac.wav", tone(1, 440, 0.3))
    today = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=7))).date()
    last = today + datetime.timedelta(days=6)
    entries = (item(file='"hong.wav"'), item(file='"nhac.wav"', title='"Nhạc hiệu"'))
    path = folder / "tuan.toml"
    path.write_bytes(text(session(*entries), from_=today.isoformat(), to=last.isoformat()))
    return path


@pytest.mark.requirement("TIM-3")
def test_check_shows_the_sounds_of_a_schedule_and_of_its_draft(
    province: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, home = week(tmp_path), ("--home", str(province))
    picture = tmp_path / "week.svg"
    assert run(["playlist", "check", str(path), "--picture", str(picture), *home]) == 0
    out, err = capsys.readouterr()
    assert "What sounds:" in out
    (row,) = (each for each in out.splitlines() if each.startswith("Giá lúa  "))
    assert SILENT * 8 in row
    assert CLIPPED * 3 in row
    assert f"{SILENT} silence  {CLIPPED} clipped" in err
    assert 'item 1 "Giá lúa": hong.wav: clipped at' in err
    ElementTree.fromstring(picture.read_bytes())
    draft = str(tmp_path / "out" / "tuan.draft")
    assert run(["playlist", "draft", str(path), "-o", draft, *home]) == 0
    capsys.readouterr()
    assert run(["playlist", "check", draft, "--json", *home]) == 0
    sounds = json.loads(capsys.readouterr().out)["sounds"]
    assert [each["title"] for each in sounds] == ["Giá lúa", "Nhạc hiệu"]
    ((start, end),) = sounds[0]["silences_ms"]
    assert abs(start - 2000) < 60
    assert abs(end - 4000) < 60
    assert all(3900 <= at < 6100 for at in sounds[0]["clipped_ms"])
    assert sounds[1]["silences_ms"] == sounds[1]["clipped_ms"] == []
    heard = tmp_path / "heard.wav"
    policy = ("--scope", "vn/ls/st0137", "--to", str(heard))
    assert run(["media", "play", str(tmp_path / "nhac.wav"), *policy, *home]) == 0
    assert measure_file(heard).integrated_lufs == pytest.approx(-23, abs=0.1)
    assert run(["playlist", "check", draft, "--picture", "x.jpg", *home]) == 2
    assert ".svg or .png" in capsys.readouterr().err
