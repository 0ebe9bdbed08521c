"""Lines between agent and player."""

from __future__ import annotations

from loa_endpoint.audio.messages import LineSplitter, encode, parse_command, parse_event
from loa_protocol.errors import MessageError


def fuzz(data: bytes) -> None:
    """Parse *data* as a command and as an event, and cut it into lines."""
    for parse in (parse_command, parse_event):
        try:
            message = parse(data)
        except MessageError:
            continue
        assert parse(encode(message)) == message
    assert b"\n".join(LineSplitter().feed(data + b"\n")) == data
