"""What a sound that is opened ahead has to tell the audio loop."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from loa_endpoint.audio.voice import Sound


class OpenedSound(Sound, Protocol):
    """A sound that holds something: a file, a thread, a process."""

    def close(self) -> None:
        """Let go of it."""


class Notice(NamedTuple):
    """It was opened (*duration_ms* counts), or failed."""

    sound: OpenedSound
    failed: bool
    duration_ms: int | None
