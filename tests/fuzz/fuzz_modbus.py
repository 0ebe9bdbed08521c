"""Fuzz target: whatever a Modbus line brings, on the master's and on the slave's side."""

from __future__ import annotations

import contextlib

from loa_protocol.errors import FrameError, MessageError
from loa_protocol.line_map import LineReading
from loa_protocol.modbus import (
    Function,
    ModbusRefusal,
    ReplyDecoder,
    Request,
    RequestDecoder,
    parse_reply,
    parse_request,
    read_request,
    write_request,
)

ASKED = (read_request(20, Function.READ_INPUT, 0, 15), write_request(20, 2, 2))


def fuzz(data: bytes) -> None:
    """Feed *data* to every decoder, in two pieces; only the named errors may come out."""
    half = len(data) // 2
    for asked in ASKED:
        decoder = ReplyDecoder()
        decoder.expect(asked)
        for reply in decoder.feed(data[:half]) + decoder.feed(data[half:]):
            with contextlib.suppress(ModbusRefusal, MessageError):
                LineReading.from_registers(reply.checked().registers)
        with contextlib.suppress(FrameError):
            parse_reply(data, parse_request(asked))
    slave = RequestDecoder()
    requests = slave.feed(data[:half]) + slave.feed(data[half:]) + slave.end_frame()
    assert all(isinstance(request, Request) for request in requests)
    with contextlib.suppress(FrameError):
        assert parse_request(data).to_bytes() == data
