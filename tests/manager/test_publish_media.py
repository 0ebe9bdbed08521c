"""Sound files on their way into a playlist: measured, transcoded where need be, kept by hash."""

from __future__ import annotations

import hashlib
import os
import shutil
import unicodedata
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_manager.publish import media as media_module
from loa_manager.publish.gain import gain_cdb
from loa_manager.publish.media import MediaStore, find_file, parse_note
from loa_protocol.errors import ConfigError, MessageError, StoreError
from loa_sound.errors import SoundError
from loa_sound.measure import measure_file
from loa_sound.transcode import transcode_to_opus
from support.schedules import write_tone


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


@pytest.fixture
def store(tmp_path: Path) -> MediaStore:
    return MediaStore(tmp_path / "media")


@pytest.fixture(scope="module")
def opus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    transcode_to_opus(write_tone(folder / "tone.wav", 3), folder / "tone.opus")
    return folder / "tone.opus"


def test_opus_travels_as_it_is(store: MediaStore, opus: Path) -> None:
    kept = store.add(opus)
    assert not kept.is_transcoded
    assert kept.facts.sha256 == hashlib.sha256(opus.read_bytes()).digest()
    assert kept.path.read_bytes() == opus.read_bytes()
    assert kept.facts.size == opus.stat().st_size
    assert abs(kept.facts.duration_ms - 3000) <= 20


def encode(path: Path, codec: str, rate: int, *, bit_rate: int = 64_000) -> Path:
    """Write two seconds of noise with FFmpeg's *codec*; tones would cost no bits."""
    random = np.random.default_rng(7)
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = bit_rate
        for at in range(0, rate * 2, 1024):
            noise = random.normal(0, 0.1, (1, 1024)).clip(-1, 1)
            samples = (noise * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate, frame.pts = rate, at
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    return path


@pytest.mark.requirement("AUD-1")
@pytest.mark.parametrize(
    ("name", "codec", "rate", "bit_rate", "travels"),
    [
        ("a.mp3", "libmp3lame", 44_100, 64_000, True),
        ("a.mp3", "libmp3lame", 44_100, 320_000, True),
        ("a.m4a", "aac", 48_000, 64_000, True),
        ("a.flac", "flac", 16_000, 0, True),
        ("a.flac", "flac", 48_000, 0, False),  # noise in FLAC is dearer than 320 kbit/s
        ("a.mp3", "libmp3lame", 8_000, 8_000, False),
        ("a.wav", "pcm_s16le", 16_000, 0, False),
    ],
)
def test_what_travels_as_it_is_and_what_is_transcoded(
    store: MediaStore,
    tmp_path: Path,
    name: str,
    codec: str,
    rate: int,
    *,
    bit_rate: int,
    travels: bool,
) -> None:
    source = encode(tmp_path / name, codec, rate, bit_rate=bit_rate)
    kept = store.add(source)
    assert kept.is_transcoded is not travels
    assert (kept.path.read_bytes() == source.read_bytes()) is travels
    assert travels or kept.codec == "opus"
    assert abs(kept.facts.duration_ms - 2000) < 150


@pytest.mark.requirement("AUD-2")
def test_a_wav_is_transcoded_and_what_travels_is_what_was_measured(
    store: MediaStore, tmp_path: Path
) -> None:
    kept = store.add(write_tone(tmp_path / "gia-lua.wav", 3))
    assert kept.is_transcoded
    assert (kept.codec, kept.name) == ("opus", "gia-lua.wav")
    assert kept.facts.sha256 == hashlib.sha256(kept.path.read_bytes()).digest()
    measured = measure_file(kept.path)
    assert measured.integrated_lufs is not None
    assert kept.facts.loudness_clufs == round(measured.integrated_lufs * 100)
    assert kept.facts.true_peak_cdbtp == round(measured.true_peak_dbtp * 100)
    assert kept.facts.loudness_clufs + gain_cdb(kept.facts, -2300) == -2300


def test_a_second_time_measures_and_transcodes_nothing(
    store: MediaStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_tone(tmp_path / "gia-lua.wav")
    first = store.add(source)

    def never(*_arguments: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(media_module, "examine_file", never)
    monkeypatch.setattr(media_module, "transcode_to_opus", never)
    assert store.add(source) == first
    copy = Path(shutil.copy(source, tmp_path / "other-name.wav"))
    again = MediaStore(store.folder).add(copy)
    assert again.facts == first.facts
    assert [each.name for each in store.list()] == ["gia-lua.wav"]


@pytest.mark.parametrize("harm", ["note", "file", "short"])
def test_a_damaged_store_heals_itself(store: MediaStore, tmp_path: Path, harm: str) -> None:
    source = write_tone(tmp_path / "gia-lua.wav")
    first = store.add(source)
    note = next((store.folder / "known").iterdir())
    if harm == "note":
        note.write_bytes(b"{")
    elif harm == "file":
        first.path.unlink()
    else:
        first.path.write_bytes(b"OggS")
    assert store.list() == []
    assert store.add(source).facts == first.facts
    assert hashlib.sha256(first.path.read_bytes()).digest() == first.facts.sha256


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.mp3", b"this is no sound at all" * 50, "not_audio"),
        ("a.opus", os.urandom(4000), "not_audio"),
        ("empty.wav", b"", "not_audio"),
    ],
)
def test_what_is_no_sound_is_refused_under_its_own_name(
    store: MediaStore, tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    source = tmp_path / name
    source.write_bytes(content)
    with pytest.raises(SoundError) as refused:
        store.add(source)
    assert refused.value.reason == reason
    assert refused.value.path == source
    assert [each for each in store.folder.rglob("*") if each.is_file()] == []


def test_a_cut_file_is_refused(store: MediaStore, tmp_path: Path, opus: Path) -> None:
    cut = tmp_path / "cut.opus"
    cut.write_bytes(opus.read_bytes()[:-3000])
    with pytest.raises(SoundError) as refused:
        store.add(cut)
    assert refused.value.reason == "truncated"


def test_a_file_that_lies_about_its_length_is_refused(store: MediaStore, tmp_path: Path) -> None:
    source = write_tone(tmp_path / "lie.wav")
    data = bytearray(source.read_bytes())
    data[40:44] = (len(data) * 2).to_bytes(4, "little")
    source.write_bytes(data)
    with pytest.raises(SoundError) as refused:
        store.add(source)
    assert refused.value.reason == "length"


@pytest.mark.parametrize(("seconds", "level"), [(2.0, -90.0), (0.2, -10.0)])
def test_silence_and_clicks_cannot_be_measured_and_are_refused(
    store: MediaStore, tmp_path: Path, seconds: float, level: float
) -> None:
    with pytest.raises(ConfigError, match="too short or too soft"):
        store.add(write_tone(tmp_path / "x.wav", seconds, level_db=level))


def test_a_file_that_is_not_there_is_named(store: MediaStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nicht-da"):
        store.add(tmp_path / "nicht-da.wav")


def test_progress_counts_the_bytes_of_the_source(store: MediaStore, tmp_path: Path) -> None:
    source = write_tone(tmp_path / "gia-lua.wav")
    seen: list[int] = []
    store.add(source, seen.append)
    assert sum(seen) == source.stat().st_size


@pytest.mark.requirement("SEC-4")
def test_a_file_is_found_by_its_letters_and_never_outside(tmp_path: Path) -> None:
    folder = tmp_path / "week"
    folder.mkdir()
    composed = "giá-lúa.opus"
    (folder / unicodedata.normalize("NFD", composed)).write_bytes(b"x")
    found = find_file(folder, composed)
    assert found is not None
    assert found.read_bytes() == b"x"
    (tmp_path / "secret").write_bytes(b"s")
    (folder / "link.opus").symlink_to(tmp_path / "secret")
    assert find_file(folder, "link.opus") is None
    assert find_file(folder, "gone/file.opus") is None


@given(st.binary(max_size=40) | st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.dictionaries(
        st.sampled_from(["sha256", "size", "name", "codec", "duration_ms"]), inner),
    max_leaves=6).map(lambda value: repr(value).replace("'", '"').encode()))  # fmt: skip
def test_no_bytes_break_a_note_but_by_its_named_error(data: bytes) -> None:
    with pytest.raises(MessageError):
        parse_note(data)
