"""HLS playlists as strangers write them: segments and variants to be fetched, or a named error."""

from __future__ import annotations

from urllib.parse import urlsplit

from loa_protocol.errors import FormatError
from loa_sound.streams.hls import MediaList, parse_playlist

_URL = "https://radio.example.vn/live/a.m3u8"


def fuzz(data: bytes) -> None:
    """Read *data* as it stands, and behind the line that makes a playlist of it."""
    for each in (data, b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n" + data):
        try:
            found = parse_playlist(each, _URL)
        except FormatError:
            continue
        urls = [found] if isinstance(found, str) else _urls(found)
        assert all(urlsplit(url).scheme in ("http", "https") for url in urls)


def _urls(found: MediaList) -> list[str]:
    assert all(each.number > 3 for each in found.after(3)) or found.segments[-1].number < 3
    return [url for each in found.segments for url in (each.url, each.init) if url is not None]
