"""What a speech engine is asked to say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """What is to be said, and how.

    Attributes:
        text: What people would read aloud.
        language: A tag such as ``vi``.
        voice: The engine's own name of a voice; None for its choice for the language.
        words_per_min: How fast.
    """

    text: str
    language: str
    voice: str | None = None
    words_per_min: int = 140
