"""HLS in every form that radios send, fetched over HTTP and heard without a hole or a doubling."""

from __future__ import annotations

import struct
import threading
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest

from loa_sound.blocks import RATE, Samples
from loa_sound.streams.fetching import Way
from loa_sound.streams.filling import Filling
from loa_sound.streams.hls import MediaList, parse_playlist
from loa_sound.streams.reservoir import Room
from support.live_lab import onsets_ms
from support.station import station

SECONDS = 8
TS, FMP4, PACKED = "mpegts", "fmp4", "packed"
PADDING_MS = 60  # of an encoder, at each of its beginnings
Files = dict[str, bytes]


def encode(path: Path, form: str, rate: int, codec: str, **options: str) -> None:
    """Write a tone of 100 ms each second to *path*."""
    times = np.arange(SECONDS * rate) / rate
    wave = 0.5 * np.sin(2 * np.pi * 1000 * times) * (times % 1 < 0.1)
    sound = wave.astype(np.float32)
    with av.open(str(path), "w", format=form, options=options) as out:
        stream = cast("av.AudioStream", out.add_stream(codec, rate=rate, layout="mono"))
        for at in range(0, len(sound), 1024):
            frame = av.AudioFrame.from_ndarray(sound[None, at : at + 1024], "fltp", "mono")
            frame.sample_rate, frame.pts = rate, at
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def radio(folder: Path, kind: str, rate: int = RATE, codec: str = "aac") -> Files:
    """Return an HLS stream of *kind* that has ended, in segments of about 2 s."""
    folder.mkdir()
    if kind == PACKED:
        options = {"segment_format": "adts", "segment_time": "2"}
        encode(folder / "%d.aac", "segment", rate, codec, **options)
        pieces = sorted(folder.iterdir())
        return {
            each.name: stamped(n * 180_000) + each.read_bytes() for n, each in enumerate(pieces)
        }
    options = {"hls_time": "2", "hls_list_size": "0", "hls_segment_type": kind}
    encode(folder / "live.m3u8", "hls", rate, codec, **options)
    return {
        each.name: each.read_bytes() for each in sorted(folder.iterdir()) if each.suffix != ".m3u8"
    }


def stamped(ticks: int) -> bytes:
    """Return the ID3 tag with the time of a packed segment (RFC 8216 section 3.4)."""
    body = b"com.apple.streaming.transportStreamTimestamp\0" + struct.pack(">Q", ticks)
    frame = b"PRIV" + bytes((0, 0, 0, len(body))) + b"\0\0" + body
    return b"ID3\x04\0\0" + bytes((0, 0, 0, len(frame))) + frame


def playlist(*parts: Files) -> Files:
    """Return everything of *parts*, one behind the other, with a discontinuity between them."""
    lines, files = ["#EXTM3U", "#EXT-X-TARGETDURATION:3"], Files()
    for part, found in enumerate(parts):
        lines += ["#EXT-X-DISCONTINUITY"] if part else []
        lines += [f'#EXT-X-MAP:URI="{part}/init.mp4"'] if "init.mp4" in found else []
        for name, data in found.items():
            files[f"/{part}/{name}"] = data
            lines += ["#EXTINF:2,", f"{part}/{name}"] if name != "init.mp4" else []
    files["/live.m3u8"] = "\n".join([*lines, "#EXT-X-ENDLIST", ""]).encode()
    return files


def heard(files: Files) -> Samples:
    """Return all that a relay hears of the stream."""
    with station(files) as address:
        way, room = Way.by(None, takes_plain=False), Room(before_s=0, most_s=60)
        filling = Filling(f"{address}/live.m3u8", way, threading.Event(), room)
        assert filling.run() in ("the stream has ended", "luồng đã kết thúc")
    filling.reservoir.take(0)
    return filling.reservoir.take(60)


@pytest.mark.requirement("SRC-1")
@pytest.mark.parametrize(
    ("kind", "codec"),
    [(TS, "aac"), (FMP4, "aac"), (PACKED, "aac"), (TS, "libmp3lame"), (FMP4, "libopus")],
)
def test_every_form_of_segment_is_one_sound(tmp_path: Path, kind: str, codec: str) -> None:
    sound = heard(playlist(radio(tmp_path / "a", kind, codec=codec)))
    came = onsets_ms(sound, 0)
    assert np.diff(came) == pytest.approx([1000] * (SECONDS - 1), abs=2)
    assert len(sound) == pytest.approx(SECONDS * RATE, abs=PADDING_MS * 48)


@pytest.mark.requirement("SRC-1")
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((TS, RATE), (TS, RATE)),  # times begin anew
        ((FMP4, RATE), (FMP4, RATE)),
        ((TS, RATE), (TS, 44_100)),
        ((FMP4, RATE), (FMP4, 24_000)),
        ((PACKED, RATE), (PACKED, 44_100)),
        ((TS, RATE), (PACKED, RATE)),
        ((PACKED, 44_100), (TS, RATE)),
    ],
)
def test_behind_a_discontinuity_the_stream_goes_on_whatever_its_form(
    tmp_path: Path, first: tuple[str, int], second: tuple[str, int]
) -> None:
    parts = [radio(tmp_path / f"{n}", *each) for n, each in enumerate((first, second))]
    came = onsets_ms(heard(playlist(*parts)), 0)
    steps = np.diff(came)
    assert len(came) == 2 * SECONDS
    assert np.delete(steps, SECONDS - 1) == pytest.approx([1000] * (2 * SECONDS - 2), abs=2)
    assert steps[SECONDS - 1] == pytest.approx(1000, abs=PADDING_MS)


def test_a_cut_is_of_the_segment_behind_it_alone() -> None:
    lines = ("#EXTINF:2,", "a.ts", "#EXT-X-DISCONTINUITY", "#EXTINF:2,", "b.ts", "c.ts")
    body = "\n".join(("#EXTM3U", "#EXT-X-TARGETDURATION:2", *lines)).encode()
    listed = parse_playlist(body, "https://radio.example.vn/live.m3u8")
    assert isinstance(listed, MediaList)
    assert [each.is_cut for each in listed.segments] == [False, True, False]
