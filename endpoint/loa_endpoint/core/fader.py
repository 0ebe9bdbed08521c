"""The volume of a play: the level it may have now, followed as that changes, told when capped."""

from __future__ import annotations

from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import Effect, Keep, Part, SetGain
from loa_endpoint.core.play import Play
from loa_endpoint.core.schedule import asked_volume, level_of, volume_gain_cdb
from loa_endpoint.core.sound_alarms import SoundGuard
from loa_protocol.record import Happening

CAP_RAMP_MS = 500  # a cap that changes while playing is followed, not jumped to


class Fader:
    """The volume of one part of the mix."""

    def __init__(self, part: Part, guard: SoundGuard | None = None) -> None:
        self._part = part
        self._guard = guard or SoundGuard()
        self._guarded = ""  # the play that the guard knows
        self._gain: int | None = None
        self._is_known = False
        self._told: dict[str, int] = {}  # the play that was told to be capped, and at what level

    def forget(self) -> None:
        """Somebody else has moved it, or the player is another."""
        self._is_known = False

    def move(self, play: Play, level: int, now: Reading) -> list[Effect]:
        """Bring *play* to *level*: from its first sample on, or by a ramp where it sounds."""
        said = self._guard_anew(play)
        gain = self._guard.apply(play.name, volume_gain_cdb(level))
        play.volume = level_of(gain)
        if self._is_known and gain == self._gain:
            return said
        # a player that stands anywhere else must not be heard on its way
        ramp_ms = CAP_RAMP_MS if self._is_known and play.started_ms is not None else 0
        self._gain, self._is_known = gain, True
        if play.started_ms is None:
            start_ms = max(now.mono_ms, play.planned.start_ms - now.unix_ms + now.mono_ms)
            return [*said, SetGain(gain, start_ms, 0, self._part)]
        return [*said, SetGain(gain, now.mono_ms, ramp_ms, self._part)]

    def tell_cap(self, play: Play, level: int) -> list[Effect]:
        """Write down, once for each level, that *play* sounds lower than it was asked to."""
        asked = asked_volume(play.planned)
        if play.started_ms is None or level >= asked or self._told.get(play.name) == level:
            return []
        self._told = {play.name: level}
        detail = f"item {play.planned.item.id}: asked {asked}, cap {level}"
        return [Keep(Happening(name="volume_capped", detail=detail[:300]))]

    def _guard_anew(self, play: Play) -> list[Effect]:
        """Let another play begin without the cuts of the one before, and write down its own."""
        if play.name == self._guarded:
            return []
        self._guard.end(self._guarded)
        self._guarded = play.name
        return [
            Keep(Happening(name=fault, detail=f"active, {done}, item {play.planned.item.id}"[:300]))
            for fault, done in self._guard.begin(play.name)
        ]
