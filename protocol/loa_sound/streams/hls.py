"""Reads HLS playlists (RFC 8216): text from a stranger into the addresses of sound. Pure.

A master playlist names variants, of which the one of the lowest bandwidth that has sound is taken:
a horn has no use for more. A media playlist names segments by number; which of them are new is told
here, fetching them is the caller's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

from loa_protocol.errors import MessageError

MAX_BYTES: Final = 256 * 1024
MAX_SEGMENTS: Final = 1000
BEHIND: Final = 3  # segments from the live edge at which one begins (RFC 8216 section 6.3.3)
_ATTRIBUTE: Final = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^,"]*)')
_MAX_TARGET_S: Final = 60


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a stream."""

    number: int
    url: str
    init: str | None  # what has to be read before it (EXT-X-MAP)
    is_cut: bool = False  # of another form or other times than the one before it


@dataclass(frozen=True, slots=True)
class MediaList:
    """The segments of now."""

    target_s: int
    segments: tuple[Segment, ...]
    is_over: bool

    def after(self, last: int | None) -> tuple[Segment, ...]:
        """Return the segments behind number *last*; near the live edge where that is unknown.

        Numbers that went back are a stream that began anew.
        """
        if last is None or (self.segments and self.segments[-1].number < last):
            return self.segments if self.is_over else self.segments[-BEHIND:]
        return tuple(each for each in self.segments if each.number > last)


def parse_playlist(data: bytes, url: str) -> str | MediaList:
    """Read the playlist *data* that was found at *url*.

    Returns:
        The address of the variant to be asked next, or the segments.

    Raises:
        MessageError: it is no playlist, or one that Loa does not play (encrypted, by byte ranges).
    """
    if len(data) > MAX_BYTES:
        raise MessageError("a playlist of this size is none")
    try:
        lines = [line.strip() for line in data.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise MessageError("a playlist is UTF-8 text") from None
    if not lines or lines[0] != "#EXTM3U":
        raise MessageError("no playlist")
    if any(line.startswith("#EXT-X-STREAM-INF:") for line in lines):
        return _variant(lines, url)
    return _media(lines, url)


def _variant(lines: list[str], url: str) -> str:
    found: list[tuple[int, str]] = []
    bandwidth: int | None = None
    for line in lines:
        if line.startswith("#EXT-X-STREAM-INF:"):
            bandwidth = _number(_attributes(line).get("BANDWIDTH", "0"))
        elif line and not line.startswith("#") and bandwidth is not None:
            found.append((bandwidth, _address(line, url)))
            bandwidth = None
    if not found:
        raise MessageError("a playlist without a variant")
    return min(found)[1]


def _media(lines: list[str], url: str) -> MediaList:
    segments: list[Segment] = []
    number, target_s, is_over, is_cut = 0, 0, False, False
    init: str | None = None
    for line in lines:
        tag, _colon, value = line.partition(":")
        match tag:
            case "#EXT-X-MEDIA-SEQUENCE":
                number = _number(value)
            case "#EXT-X-TARGETDURATION":
                target_s = min(_number(value), _MAX_TARGET_S)
            case "#EXT-X-KEY" if _attributes(line).get("METHOD") != "NONE":
                raise MessageError("an encrypted stream")
            case "#EXT-X-BYTERANGE":
                raise MessageError("a stream by byte ranges")
            case "#EXT-X-MAP":
                attributes = _attributes(line)
                if "BYTERANGE" in attributes or "URI" not in attributes:
                    raise MessageError("a stream by byte ranges")
                init = _address(attributes["URI"], url)
            case "#EXT-X-DISCONTINUITY":
                is_cut = True
            case "#EXT-X-ENDLIST":
                is_over = True
            case _ if line and not line.startswith("#"):
                place = number + len(segments)
                segments.append(Segment(place, _address(line, url), init, is_cut))
                is_cut = False
    if len(segments) > MAX_SEGMENTS:
        raise MessageError("more segments than anybody lists")
    if not target_s:
        raise MessageError("a playlist without a target duration")
    return MediaList(target_s, tuple(segments), is_over)


def _attributes(line: str) -> dict[str, str]:
    _tag, _colon, rest = line.partition(":")
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(rest)}


def _number(text: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise MessageError(f"no number: {text[:20]!r}")
    return int(text)


def _address(text: str, url: str) -> str:
    try:
        found = urljoin(url, text)
        scheme = urlsplit(found).scheme
    except ValueError:
        raise MessageError(f"no address: {text[:60]!r}") from None
    if scheme not in ("http", "https"):
        raise MessageError(f"no address that is fetched: {text[:60]!r}")
    return found
