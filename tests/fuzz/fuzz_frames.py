"""The serial line of the bench: whatever comes out of it, on both sides."""

from __future__ import annotations

from loa_protocol.conversation import Conversation, Received
from loa_protocol.frames import FrameDecoder, Side, encode, parse_line


def fuzz(data: bytes) -> None:
    """Decode *data* whole and in pieces, and hand it to both sides; nothing may raise."""
    frames = FrameDecoder().feed(data + b"\n")
    decoder = FrameDecoder()
    assert [f for byte in data + b"\n" for f in decoder.feed(bytes([byte]))] == frames
    for frame in frames:
        assert parse_line(encode(frame)[:-1]) == frame
    for side in Side:
        conversation = Conversation(side, session=1)
        conversation.send(b"x" * 200, 0)
        for effect in conversation.feed(data, 1):
            if isinstance(effect, Received):
                conversation.send(effect.payload, 2)
        conversation.tick(10**9)
