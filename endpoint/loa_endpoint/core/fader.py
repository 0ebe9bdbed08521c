"""The volume of a play: the level it may have now, followed as that changes, told when capped."""

from __future__ import annotations

from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import Effect, Keep, Part, SetGain
from loa_endpoint.core.play import Play
from loa_endpoint.core.schedule import asked_volume, volume_gain_cdb
from loa_endpoint.core.sound_alarms import SquealGuard
from loa_protocol.record import Happening

CAP_RAMP_MS = 500  # a cap that changes while playing is followed, not jumped to


class Fader:
    """The volume of one part of the mix."""

    def __init__(self, part: Part, guard: SquealGuard | None = None) -> None:
        self._part = part
        self._guard = guard or SquealGuard()
        self._guarded = ""  # the play that the guard knows
        self._gain: int | None = None
        self._is_known = False
        self._told: dict[str, int] = {}  # the play that was told to be capped, and at what level

    def forget(self) -> None:
        """Somebody else has moved it, or the player is another."""
        self._is_known = False

    def move(self, play: Play, level: int, now: Reading) -> list[Effect]:
        """Bring *play* to *level*: from its first sample on, or by a ramp where it sounds."""
        if play.name != self._guarded:
            self._guarded = play.name
            self._guard.forget()
        gain = self._guard.apply(volume_gain_cdb(level))
        if self._is_known and gain == self._gain:
            return []
        # a player that stands anywhere else must not be heard on its way
        ramp_ms = CAP_RAMP_MS if self._is_known and play.started_ms is not None else 0
        self._gain, self._is_known, play.volume = gain, True, level
        if play.started_ms is None:
            start_ms = max(now.mono_ms, play.planned.start_ms - now.unix_ms + now.mono_ms)
            return [SetGain(gain, start_ms, 0, self._part)]
        return [SetGain(gain, now.mono_ms, ramp_ms, self._part)]

    def tell_cap(self, play: Play, level: int) -> list[Effect]:
        """Write down, once for each level, that *play* sounds lower than it was asked to."""
        asked = asked_volume(play.planned)
        if play.started_ms is None or level >= asked or self._told.get(play.name) == level:
            return []
        self._told = {play.name: level}
        detail = f"item {play.planned.item.id}: asked {asked}, cap {level}"
        return [Keep(Happening(name="volume_capped", detail=detail[:300]))]
