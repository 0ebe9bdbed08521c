"""What sounds by an instant follows when another time is told.

The director names an instant in monotonic time, by the clock that it has. When a time answer moves
that clock, the same unix instant is another monotonic one; the player is told, and comes there
slowly. What begins later is planned by the new time anyway.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import Align, Effect, SoundMedia
from loa_protocol.record import ClockTrust

MOST: Final = 8
"""Sounds that are followed; the player plays no more at once."""


@dataclass(frozen=True, slots=True)
class _Told:
    """A sound as the player knows it, and unix less monotonic time when it was told."""

    align: Align
    offset_ms: int


class Following:
    """The instants that the player was told, by source."""

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}

    def on_sent(self, effect: Effect, now: Reading) -> None:
        """Know that the player was told *effect*, by the time *now*."""
        if isinstance(effect, SoundMedia):
            self._told.pop(effect.source, None)
            if effect.at_ms:
                align = Align(effect.source, effect.position_ms, effect.at_ms)
                self._told[effect.source] = _Told(align, now.unix_ms - now.mono_ms)
            while len(self._told) > MOST:
                del self._told[next(iter(self._told))]

    def on_round(self, now: Reading) -> list[Effect]:
        """Return what the player has to know where the time is another one than it was told by."""
        if now.trust < ClockTrust.T2:
            return []
        offset_ms = now.unix_ms - now.mono_ms
        said: list[Effect] = []
        for source, told in self._told.items():
            moved_ms = offset_ms - told.offset_ms
            align = replace(told.align, at_ms=told.align.at_ms - moved_ms)
            if moved_ms and align.at_ms > 0:
                self._told[source] = _Told(align, offset_ms)
                said.append(align)
        return said
