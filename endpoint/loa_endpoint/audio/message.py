"""What every message between agent and player is made of: its form, and the bounds of its values.

Imported by the agent: no numpy, no av.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
"""A source or an item, named by the agent; never used as a path."""
Instant = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
Duration = Annotated[int, msgspec.Meta(ge=0, le=60_000)]
"""Of a fade or ramp, in ms."""
Position = Annotated[int, msgspec.Meta(ge=0, le=86_400_000)]
"""In a source, in ms."""
Gain = Annotated[float, msgspec.Meta(ge=-100.0, le=40.0)]
"""In dB; -100 is silence."""
Part = Literal["all", "programme", "over"]
"""``over`` is what is said over the programme: announcements."""
Silence = Annotated[tuple[tuple[Position, Position], ...], msgspec.Meta(max_length=256)]
"""Pairs of start and end in ms from the start of an item."""


class Message(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"
):
    """Anything that is said in either direction."""
