"""Pipes that carry sound, made to hold more of it: who reads them need not wake for each block."""

from __future__ import annotations

import fcntl
from contextlib import suppress
from typing import Final

BYTES: Final = 262_144
"""2.7 s of 16-bit samples; a pipe is made for 0.7 s."""


def widen(pipe: int) -> None:
    """Let *pipe*, a descriptor of either end, hold `BYTES`, where the system allows it."""
    with suppress(OSError):  # a user may have only so much of it; then it holds less
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, BYTES)
