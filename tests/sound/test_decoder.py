"""Files into mono 48 kHz: every format and rate, exact places, and refusals by name."""

from __future__ import annotations

import pathlib
import struct

import numpy as np
import pytest

from loa_sound import decoder as limits
from loa_sound.blocks import BLOCK, RATE, Samples
from loa_sound.container import is_length_declared
from loa_sound.decoder import Decoder, decode
from loa_sound.errors import SoundError
from support.sound_files import chirp, noise, power_at, to_pcm, tone, write, write_wav


def decode_whole(path: pathlib.Path) -> Samples:
    return np.concatenate(list(decode(path)))


def read_from(path: pathlib.Path, position: int, count: int) -> Samples:
    decoder = Decoder(path)
    decoder.seek(position)
    parts: list[Samples] = []
    while sum(map(len, parts)) < count:
        chunk = decoder.read()
        assert chunk is not None
        parts.append(chunk)
    decoder.close()
    return np.concatenate(parts)[:count]


@pytest.mark.requirement("AUD-1")
@pytest.mark.parametrize(
    ("suffix", "rate"),
    [
        ("wav", 8_000),
        ("wav", 44_100),
        ("wav", 96_000),
        ("flac", 22_050),
        ("flac", 48_000),
        ("mp3", 24_000),
        ("mp3", 44_100),
        ("m4a", 32_000),
        ("m4a", 44_100),
        ("aac", 48_000),
        ("opus", 48_000),
        ("opus", 16_000),
    ],
)
def test_every_format_and_rate_becomes_the_same_sound(
    tmp_path: pathlib.Path, suffix: str, rate: int
) -> None:
    path = write(tmp_path / f"x.{suffix}", tone(2, 1000, 0.25, rate), rate)
    sound = decode_whole(path)
    assert abs(len(sound) - 2 * RATE) < RATE // 10  # AAC and ADTS keep their padding
    middle = sound[RATE // 2 : RATE * 3 // 2]
    assert power_at(middle, 1000) > 0.99
    assert float(np.sqrt((middle**2).mean())) == pytest.approx(0.25 / 2**0.5, rel=0.06)  # 0.5 dB


def test_blocks_are_20_ms_and_the_last_one_is_as_long_as_it_is(tmp_path: pathlib.Path) -> None:
    path = write_wav(tmp_path / "x.wav", chirp(1)[: 10 * BLOCK + 7])
    blocks = list(decode(path))
    assert [len(block) for block in blocks] == [BLOCK] * 10 + [7]
    assert all(block.dtype == np.float32 for block in blocks)


def test_a_16_bit_wav_at_48_khz_comes_back_sample_for_sample(tmp_path: pathlib.Path) -> None:
    sound = noise(1, 0.2)
    path = write_wav(tmp_path / "x.wav", sound)
    assert np.array_equal(to_pcm(decode_whole(path)), to_pcm(sound))


def test_equal_channels_do_not_grow_louder_when_mixed_to_one(tmp_path: pathlib.Path) -> None:
    one = tone(1, level=0.8)
    path = write(tmp_path / "x.flac", np.stack([one, one]))
    assert np.abs(decode_whole(path)).max() == pytest.approx(0.8, abs=0.01)


def test_one_silent_channel_halves_the_other(tmp_path: pathlib.Path) -> None:
    one = tone(1, level=0.8)
    path = write(tmp_path / "x.flac", np.stack([one, one * 0]))
    assert np.abs(decode_whole(path)).max() == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize("rate", [48_000, 44_100, 22_050])
@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3"])
def test_a_seek_gives_the_very_samples_that_reading_through_gives(
    tmp_path: pathlib.Path, suffix: str, rate: int
) -> None:
    path = write(tmp_path / f"x.{suffix}", chirp(12, rate), rate)
    whole = decode_whole(path)
    for position in (0, 1, 4_801, 3 * RATE + 17, 7 * RATE + 333, 11 * RATE + 5):
        found = read_from(path, position, 4_800)
        assert np.allclose(found, whole[position : position + 4_800], atol=1e-6), position


@pytest.mark.parametrize("suffix", ["opus", "m4a", "aac"])
def test_a_seek_in_a_lossy_file_lands_on_the_sample(tmp_path: pathlib.Path, suffix: str) -> None:
    path = write(tmp_path / f"x.{suffix}", chirp(12))
    whole = decode_whole(path)
    for position in (5, 3 * RATE + 17, 10 * RATE + 333):
        found = read_from(path, position, 4_800)
        wanted = whole[position : position + 4_800]
        # AAC fills some bands with noise of its own, anew each time; the wave is where it was.
        assert np.corrcoef(found, wanted)[0, 1] > 0.999, position


def test_a_seek_in_an_mp3_of_changing_bit_rate_lands_on_the_sample(tmp_path: pathlib.Path) -> None:
    quiet_then_noise = np.concatenate([chirp(10), chirp(10) + noise(10, 0.1)])
    path = write(tmp_path / "x.mp3", quiet_then_noise, global_quality=118 * 2, flags="+qscale")
    whole = decode_whole(path)
    for position in (4 * RATE + 11, 15 * RATE + 11):
        found = read_from(path, position, 4_800)
        assert np.allclose(found, whole[position : position + 4_800], atol=1e-6), position


def test_seeks_may_go_back_and_forth(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "x.opus", chirp(12))
    whole = decode_whole(path)
    decoder = Decoder(path)
    for position in (9 * RATE, RATE, 11 * RATE, 0, 3 * RATE):
        decoder.seek(position)
        assert decoder.position == position
        chunk = decoder.read()
        assert chunk is not None
        assert np.allclose(chunk, whole[position : position + len(chunk)], atol=1e-6)
    decoder.close()


def test_reading_at_the_end_says_none_again_and_again(tmp_path: pathlib.Path) -> None:
    decoder = Decoder(write_wav(tmp_path / "x.wav", tone(0.3)))
    while decoder.read() is not None:
        pass
    assert decoder.read() is None
    assert decoder.position == RATE * 3 // 10
    decoder.close()


def test_not_a_number_in_a_float_file_is_silence_and_giants_are_bounded(
    tmp_path: pathlib.Path,
) -> None:
    sound = tone(1)
    sound[RATE // 4 : RATE // 4 + 100] = np.nan
    sound[RATE // 2] = 1e30
    path = write(tmp_path / "x.wav", sound, codec="pcm_f32le")
    heard = decode_whole(path)
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() <= 8.0
    assert not heard[RATE // 4 : RATE // 4 + 100].any()


# --- refusals


def refusal(path: pathlib.Path) -> str:
    with pytest.raises(SoundError) as caught:
        for _ in decode(path):
            pass
    assert caught.value.path == path
    return caught.value.reason


@pytest.mark.requirement("AUD-1")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.mp3", b"the minutes of the commune's meeting\n" * 200),
        ("empty.wav", b""),
        ("page.opus", b"<!doctype html><html><body>404</body></html>"),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:10,\nother.wav\n"),
        ("list.wav", b"ffconcat version 1.0\nfile other.wav\n"),
        ("picture.mp3", b"\x89PNG\r\n\x1a\n" + bytes(500)),
    ],
)
def test_what_is_no_sound_is_refused_as_such(
    tmp_path: pathlib.Path, name: str, content: bytes
) -> None:
    write_wav(tmp_path / "other.wav", tone(1))  # there, so that only the disguise is refused
    path = tmp_path / name
    path.write_bytes(content)
    assert refusal(path) == "not_audio"


def test_random_bytes_called_mp3_are_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.mp3"
    path.write_bytes(np.random.default_rng(5).bytes(100_000))
    assert refusal(path) in ("not_audio", "damaged")


def test_a_missing_file_is_unreadable(tmp_path: pathlib.Path) -> None:
    assert refusal(tmp_path / "nowhere.opus") == "unreadable"


def test_a_folder_is_no_sound(tmp_path: pathlib.Path) -> None:
    assert refusal(tmp_path) in ("unreadable", "not_audio")


@pytest.mark.requirement("AUD-1")
@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "opus"])
def test_a_file_cut_in_half_is_truncated(tmp_path: pathlib.Path, suffix: str) -> None:
    path = write(tmp_path / f"x.{suffix}", chirp(6))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert refusal(path) == "truncated"


def test_an_mp4_without_its_index_is_damaged(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "x.m4a", chirp(6))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert refusal(path) == "damaged"


def test_an_ogg_cut_at_the_end_of_a_page_is_truncated_all_the_same(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "x.opus", chirp(6))
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"OggS")])
    assert refusal(path) == "truncated"


@pytest.mark.parametrize("suffix", ["flac", "m4a", "mp3"])
def test_rot_in_the_middle_is_named(tmp_path: pathlib.Path, suffix: str) -> None:
    path = write(tmp_path / f"x.{suffix}", chirp(6) + noise(6, 0.05))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = bytes(3000)
    path.write_bytes(content)
    assert refusal(path) in ("damaged", "truncated")


def test_a_wav_whose_sizes_contradict_each_other_lies_about_its_length(
    tmp_path: pathlib.Path,
) -> None:
    path = write_wav(tmp_path / "x.wav", tone(2))
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, 40, 10 * 60 * RATE * 2)  # the data chunk says ten minutes
    path.write_bytes(content)
    assert refusal(path) == "length"


def test_a_flac_that_holds_more_than_it_says_lies_about_its_length(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "x.flac", chirp(6))
    content = bytearray(path.read_bytes())
    at = content.index(b"fLaC") + 8 + 10 + 3  # STREAMINFO: the low 32 bits of the total samples
    (total,) = struct.unpack_from(">I", content, at + 1)
    assert total == 6 * RATE
    struct.pack_into(">I", content, at + 1, 2 * RATE)
    path.write_bytes(content)
    assert refusal(path) == "length"


def test_a_streamed_wav_that_never_knew_its_length_is_played(tmp_path: pathlib.Path) -> None:
    path = write_wav(tmp_path / "x.wav", tone(2))
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, 4, 0xFFFFFFFF)
    struct.pack_into("<I", content, 40, 0xFFFFFFFF)
    path.write_bytes(content)
    assert len(decode_whole(path)) == 2 * RATE


def test_a_wav_may_hold_notes_before_its_sound(tmp_path: pathlib.Path) -> None:
    path = write_wav(tmp_path / "x.wav", tone(1))
    content = path.read_bytes()
    note = b"LIST" + struct.pack("<I", 5) + b"hello" + b"\0"
    longer = content[:4] + struct.pack("<I", len(content) - 8 + len(note)) + content[8:36]
    path.write_bytes(longer + note + content[36:])
    assert len(decode_whole(path)) == RATE


def test_an_mp3_without_a_header_of_its_length_is_not_judged_by_a_guess(
    tmp_path: pathlib.Path,
) -> None:
    path = write(tmp_path / "x.mp3", chirp(6), bit_rate=64_000)
    assert is_length_declared(path, "mp3")
    # The Xing frame is the first; what follows is a plain stream of frames of mixed size.
    content = path.read_bytes()
    head = content.index(b"Info") if b"Info" in content else content.index(b"Xing")
    path.write_bytes(content[content.index(b"\xff\xfb", head) :])
    assert not is_length_declared(path, "mp3")
    assert len(decode_whole(path)) > 5 * RATE


@pytest.mark.parametrize("rubbish", ["tag", "zeros", "noise", "another"])
def test_rubbish_behind_a_whole_sound_does_not_spoil_it(
    tmp_path: pathlib.Path, rubbish: str
) -> None:
    path = write(tmp_path / "x.mp3", chirp(6))
    other = write(tmp_path / "y.mp3", tone(0.1, rate=44_100), 44_100).read_bytes()
    with path.open("ab") as file:
        file.write(
            {
                "tag": b"TAG" + b"An officer's remark".ljust(125, b"\0"),
                "zeros": bytes(600),
                "noise": np.random.default_rng(1).bytes(600),
                "another": other[-1_500:],
            }[rubbish]
        )
    assert len(decode_whole(path)) == pytest.approx(6 * RATE, abs=RATE // 10)


def test_a_sound_that_changes_its_rate_on_the_way_is_damaged(tmp_path: pathlib.Path) -> None:
    one = write(tmp_path / "x.aac", chirp(1))
    two = write(tmp_path / "y.aac", chirp(1, 44_100), 44_100)
    one.write_bytes(one.read_bytes() + two.read_bytes())
    assert refusal(one) in ("damaged", "truncated")


def test_a_seek_back_to_the_beginning_of_an_mp4_is_the_beginning(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "x.m4a", chirp(12))
    whole, decoder = decode_whole(path), Decoder(path)
    for position in (9 * RATE, 0, 9 * RATE, 600):
        decoder.seek(position)
        chunk = decoder.read()
        assert chunk is not None
        wanted = whole[position : position + 400]
        assert np.corrcoef(chunk[:400], wanted)[0, 1] > 0.999, position
    decoder.close()


def test_limits_are_kept(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_wav(tmp_path / "x.wav", tone(3))
    monkeypatch.setattr(limits, "MAX_SECONDS", 2)
    assert refusal(path) == "too_large"
    monkeypatch.setattr(limits, "MAX_FILE_BYTES", 1000)
    assert refusal(path) == "too_large"


def test_a_sound_that_never_ends_is_stopped_at_the_limit(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "x.aac", chirp(6))  # ADTS says nothing of its length
    monkeypatch.setattr(limits, "MAX_SECONDS", 2)
    assert refusal(path) == "too_large"


def test_a_strange_sample_rate_is_refused(tmp_path: pathlib.Path) -> None:
    path = write_wav(tmp_path / "x.wav", tone(1), rate=4_000)
    assert refusal(path) == "not_audio"
