"""Fuzz target: the head of a WAV file."""

from __future__ import annotations

import contextlib

from loa_hwsim.wave_file import read_head
from loa_protocol.errors import MessageError

HEAD = bytes.fromhex("524946462400000057415645")


def fuzz(data: bytes) -> None:
    """Read *data* as a file's beginning, alone and after RIFF/WAVE; only MessageError."""
    for start in (data, HEAD + data):
        with contextlib.suppress(MessageError):
            head = read_head(start)
            assert head is None or 0 < head.start <= len(start)
