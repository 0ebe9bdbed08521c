"""What others send as they please: the reservoir, HLS, and who is believed."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_hls import fuzz as fuzz_hls
from fuzz.targets import seeds
from loa_protocol.errors import ConfigError, FetchError, MessageError
from loa_sound.blocks import RATE
from loa_sound.streams.fetching import Way
from loa_sound.streams.filling import Filling
from loa_sound.streams.hls import BEHIND, MediaList, parse_playlist
from loa_sound.streams.reservoir import Reservoir, Room
from support.broker_lab import server_tls
from support.device_ca_lab import X509Lab
from support.sound_files import tone, write
from support.station import station


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


# --- the reservoir


def test_a_reservoir_fills_gives_at_the_clock_s_pace_and_fills_again_when_dry() -> None:
    held = Reservoir(Room(before_s=1, most_s=3))
    held.put(np.ones(RATE // 2, dtype=np.float32))
    assert len(held.take(0)) == 0
    held.put(np.ones(RATE // 2, dtype=np.float32))
    assert [len(held.take(n / 2)) for n in range(4)] == [0, RATE // 2, RATE // 2, 0]
    assert held.dry == 1
    held.put(np.ones(RATE // 2, dtype=np.float32))
    assert len(held.take(9)) == 0


@given(st.lists(st.integers(1, RATE), max_size=20))
def test_a_burst_never_makes_a_reservoir_hold_more_than_it_may(sizes: list[int]) -> None:
    held = Reservoir(Room(before_s=0.5, most_s=2))
    for size in sizes:
        held.put(np.ones(size, dtype=np.float32))
        assert held.held_s <= 2
    assert round(held.held_s * RATE) + held.dropped == sum(sizes)


# --- HLS


URL = "https://radio.example.vn/live/index.m3u8"


def test_of_several_variants_the_smallest_is_taken_and_segments_follow_by_number() -> None:
    master, media = (data for data in seeds("hls"))
    assert parse_playlist(master, URL) == "https://radio.example.vn/live/lo.m3u8"
    listed = parse_playlist(media, URL)
    assert isinstance(listed, MediaList)
    assert [(each.number, each.url) for each in listed.segments] == [
        (17, "https://radio.example.vn/live/a17.m4s"),
        (18, "https://cdn.example.vn/a18.m4s?x=1"),
    ]
    assert listed.segments[0].init == "https://radio.example.vn/live/init.mp4"
    assert [each.number for each in listed.after(17)] == [18]
    assert [each.number for each in listed.after(40)] == [17, 18]  # it began anew


def test_a_stream_is_entered_near_its_live_edge() -> None:
    lines = "".join(f"#EXTINF:4,\n{n}.ts\n" for n in range(9))
    listed = parse_playlist(f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n{lines}".encode(), URL)
    assert isinstance(listed, MediaList)
    assert [each.number for each in listed.after(None)] == [6, 7, 8]
    assert BEHIND == 3


@pytest.mark.parametrize(
    "line",
    [
        '#EXT-X-KEY:METHOD=AES-128,URI="k"', "#EXT-X-BYTERANGE:1@2", "file:///etc/passwd",
        "#EXT-X-MEDIA-SEQUENCE:-1", "http://[", '#EXT-X-MAP:URI="concat:a|b"',
    ],
)  # fmt: skip
def test_what_a_playlist_may_not_ask_for_is_refused(line: str) -> None:
    with pytest.raises(MessageError):
        parse_playlist(f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n{line}\n".encode(), URL)


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_any_bytes_are_a_playlist_or_a_named_error(data: bytes) -> None:
    fuzz_hls(data)


# --- over the network


@pytest.mark.requirement("SEC-3")
def test_a_server_whose_certificate_nobody_vouches_for_is_not_heard(tmp_path: Path) -> None:
    lab, ca = X509Lab(), tmp_path / "ca.pem"
    ca.write_bytes(lab.ca_pem)
    with station({"/a": b"x" * 10}, server_tls(lab).server_context()) as numbers:
        address = numbers.replace("127.0.0.1", "localhost")
        assert Way.by(ca, takes_plain=False).fetch(f"{address}/a", 10) == b"x" * 10
        with pytest.raises(FetchError, match=r"certificate|self-signed|issuer"):
            Way.by(None, takes_plain=False).fetch(f"{address}/a", 10)
        with pytest.raises(FetchError, match="too long"):
            Way.by(ca, takes_plain=False).fetch(f"{address}/a", 9)


@pytest.mark.requirement("SEC-3")
def test_plain_http_is_taken_from_this_machine_alone_also_where_one_leads_on() -> None:
    way = Way.by(None, takes_plain=False)
    for url in ("http://radio.example.vn/live", "ftp://a/b", "file:///etc/passwd", "https://", "x"):
        with pytest.raises(ConfigError):
            way.check(url)
    with station({}) as address:
        with pytest.raises(ConfigError):
            way.open(f"{address}/to/http://radio.example.vn/live")
        with pytest.raises(FetchError, match="circles"):
            way.open(f"{address}/to//to//to//to//to//to/{address}")
        with pytest.raises(FetchError) as caught:
            way.open(f"{address}/none")
    assert caught.value.status == 404
    Way.by(None, takes_plain=True).check("http://radio.example.vn/live")


@pytest.mark.requirement("SEC-3")
def test_where_hosts_are_named_no_other_is_asked_wherever_a_server_leads(tmp_path: Path) -> None:
    lab, ca = X509Lab(), tmp_path / "ca.pem"
    ca.write_bytes(lab.ca_pem)
    with station({"/a": b"x"}, server_tls(lab).server_context()) as numbers:
        named = numbers.replace("127.0.0.1", "localhost")
        way = Way.by(ca, takes_plain=False, hosts=frozenset({"localhost"}))
        assert way.fetch(f"{named}/to/{named}/a", 1) == b"x"
        for url in (f"{named}/to/{numbers}/a", f"{named}/to/{named.replace('https', 'http')}/a"):
            with pytest.raises(ConfigError, match="another host"):
                way.open(url)


@pytest.mark.requirement("SRC-1")
@pytest.mark.parametrize("kind", ["mp3", "aac", "opus"])
def test_each_codec_of_radios_fills_the_reservoir_and_its_end_is_told(
    tmp_path: Path, kind: str
) -> None:
    lab, ca = X509Lab(), tmp_path / "ca.pem"
    ca.write_bytes(lab.ca_pem)
    data = write(tmp_path / f"a.{kind}", tone(3, 440, 0.3)).read_bytes()
    with station({"/live": data}, server_tls(lab).server_context()) as numbers:
        way = Way.by(ca, takes_plain=False, hosts=frozenset({"localhost"}))
        url = numbers.replace("127.0.0.1", "localhost") + "/live"
        filling = Filling(url, way, threading.Event())
        opened: list[bool] = []
        assert filling.run(lambda: opened.append(True)) == "the stream has ended"
    assert opened == [True]
    assert filling.reservoir.take(0).size == 0
    heard = filling.reservoir.take(2)
    assert np.sqrt(np.square(heard).mean()) == pytest.approx(0.3 / 2**0.5, rel=0.1)
