"""The black box's files, read by the agent; the player writes them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from loa_endpoint.core.black_box import Segment, parse_name
from loa_endpoint.store.files import read_whole, storing


def list_segments(folder: Path) -> list[Segment]:
    """Return what is there; nothing where there is no folder yet.

    Raises:
        StoreError: the folder cannot be read.
    """
    with storing(folder):
        if not folder.is_dir():
            return []
        with os.scandir(folder) as entries:
            names = [each.name for each in entries]
    found = (parse_name(name, _size(folder / name)) for name in names)
    return [each for each in found if each is not None]


def read_segment(folder: Path, segment: Segment) -> bytes | None:
    """Return the bytes of *segment*; None where it is gone, or is not any more what was written.

    Raises:
        StoreError: it is there and cannot be read.
    """
    data = read_whole(folder / segment.name, limit=segment.size)
    if data is None or hashlib.sha256(data).digest() != segment.sha256:
        return None
    return data


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # the ring has gone on meanwhile; it is not offered
