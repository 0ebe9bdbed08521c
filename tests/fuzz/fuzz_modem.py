"""Fuzz target: what a modem says, to the endpoint's driver and to whoever sends by one."""

from __future__ import annotations

from loa_endpoint.core.modem import Message, ModemHost
from loa_endpoint.core.sms_shelf import SmsShelf
from loa_protocol.sms_sending import SmsSending


def fuzz(data: bytes) -> None:
    """Say *data* in pieces while commands are under way; nothing comes out but events."""
    host, shelf = ModemHost(), SmsShelf()
    sending = SmsSending([b"\x00\x01\x00"], 0)
    host.start(0)
    for now_ms, at in enumerate(range(0, len(data), 7)):
        piece = data[at : at + 7]
        for event in (*host.feed(piece, now_ms * 500), *host.tick(now_ms * 500)):
            if isinstance(event, Message):
                shelf.take(event, now_ms)
        assert len(host.outgoing()) < 4096
        sending.feed(piece, now_ms)
        sending.outgoing()
