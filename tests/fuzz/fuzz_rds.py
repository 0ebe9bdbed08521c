"""Fuzz target: the text form of RDS groups, and every group type behind it."""

from __future__ import annotations

from loa_protocol.errors import FrameError
from loa_protocol.rds import Group, StationText, read_group


def fuzz(data: bytes) -> None:
    """Read *data* as the group's characters, and again as raw blocks; only FrameError comes out."""
    station = StationText()
    for text in (data.decode("latin-1"), data[:9].hex(), data[:7].hex()):
        try:
            group = Group.from_hex(text)
        except FrameError:
            continue
        fact = read_group(group)
        if fact is not None:
            station.take(fact)
        assert station.name is None or len(station.name) <= 8
        assert station.text is None or len(station.text) <= 64
