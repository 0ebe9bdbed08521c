"""What comes to the door for encoders: a head of SOURCE or PUT, or a named error."""

from __future__ import annotations

from loa_manager.live.request_head import END, parse_head
from loa_protocol.errors import FormatError


def fuzz(data: bytes) -> None:
    """Read *data* as a head; nobody gets in who does not know the password."""
    for each in (data, b"SOURCE /live ICE/1.0\r\n" + data + END):
        try:
            head = parse_head(each)
        except FormatError:
            continue
        assert not head.is_let_in("/live", "a password that nobody has sent")
