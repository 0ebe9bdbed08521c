"""Fuzz target: the watch over the lengths of MQTT packets."""

from __future__ import annotations

from loa_endpoint.core.message import PacketMeter
from loa_protocol.errors import FrameError


def fuzz(data: bytes) -> None:
    """Feed a hostile broker's bytes; only FrameError may come out, however they are cut."""
    assert _refuses(data, len(data) or 1) == _refuses(data, 1)


def _refuses(data: bytes, step: int) -> bool:
    meter = PacketMeter(1000)
    try:
        for at in range(0, len(data), step):
            meter.feed(data[at : at + step])
    except FrameError:
        return True
    return False
