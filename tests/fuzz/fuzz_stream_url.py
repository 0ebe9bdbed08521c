"""Addresses of streams: who finds a host in one finds what the fetching libraries ask."""

from __future__ import annotations

from urllib.parse import urlsplit

from loa_protocol.errors import MessageError
from loa_protocol.stream_url import MAX_URL, is_host, is_stream_url, stream_host


def fuzz(data: bytes) -> None:
    """Take *data* as an address, and compare with the library that fetches."""
    url = data.decode("utf-8", "replace")
    try:
        host = stream_host(url)
    except MessageError:
        assert not is_stream_url(url)
        return
    assert is_stream_url(url)
    assert is_host(host)
    assert len(url) <= MAX_URL
    assert url.isascii()
    parts = urlsplit(url)
    query = f"?{parts.query}" if "?" in url else ""
    assert f"https://{parts.netloc}{parts.path}{query}" == url  # nothing stripped on the way
    assert (parts.scheme, parts.hostname) == ("https", host)
    assert (parts.username, parts.password, parts.fragment) == (None, None, "")
    assert parts.port is None or 0 < parts.port < 65_536
    assert parts.path.startswith("/")
