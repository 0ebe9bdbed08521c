"""The virtual endpoints' MQTT packets."""

from __future__ import annotations

import contextlib

from loa_lab.fleet.mqtt import PUBLISH, PacketReader, read_publication
from loa_protocol.errors import FrameError


def fuzz(data: bytes) -> None:
    """Read *data* in two pieces; cut anywhere it must give the same packets."""
    with contextlib.suppress(FrameError):
        whole, cut = PacketReader().feed(data), PacketReader()
        at = len(data) // 2
        assert [*cut.feed(data[:at]), *cut.feed(data[at:])] == whole
        for packet in whole:
            if packet.kind == PUBLISH:
                read_publication(packet)
