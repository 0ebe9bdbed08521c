"""Lines of the process that fetches a stream: words for the player, bounded, whatever comes."""

from __future__ import annotations

from loa_endpoint.audio.stream_words import StreamWords


def fuzz(data: bytes) -> None:
    """Read *data*, whole and with an end of line behind it."""
    words = StreamWords()
    words.feed(data)
    words.feed(b"\n")
    assert len(words.why) <= 300
    assert len(words._rest) <= 4096
