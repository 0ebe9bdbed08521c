"""Which of the fallback machine's notes go into the records, and in what words."""

from __future__ import annotations

from typing import Final

from loa_endpoint.core.bearer import Note
from loa_protocol.record import Happening

# The machine's other notes repeat what plays and segments say.
TOLD: Final = frozenset(
    {
        "suspect",
        "fail",
        "switch",
        "fallback",
        "return",
        "hold",
        "release",
        "mute",
        "unmute",
        "pi_mismatch",
        "fm_rejected",
    }
)


def to_happening(note: Note) -> Happening:
    """Return the record of a note."""
    parts = [note.bearer, note.cause]
    if note.reading is not None:
        parts.append(f"reading {note.reading}")
    if note.lasted_ms:
        parts.append(f"after {note.lasted_ms} ms")
    return Happening(name=note.name[:64], detail=", ".join(part for part in parts if part)[:300])
