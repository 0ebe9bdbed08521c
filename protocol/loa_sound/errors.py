"""The one way in which a sound file can be refused."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from loa_protocol.errors import FormatError

Reason = Literal["unreadable", "not_audio", "damaged", "truncated", "length", "too_large"]
"""Why a file is refused.

``unreadable``: the file is not there, or may not be read. ``not_audio``: no container and codec
that Loa plays. ``damaged``: something inside does not decode. ``truncated``: its end is missing.
``length``: it says one length and holds another. ``too_large``: beyond the limits of `decoder`.
"""


class SoundError(FormatError):
    """A file cannot be used as sound."""

    def __init__(self, reason: Reason, path: Path, detail: str = "") -> None:
        super().__init__(f"{path}: {reason}{': ' if detail else ''}{detail}")
        self.reason: Reason = reason
        self.path = path
        self.detail = detail
