"""Plays that are over and wait for what was measured, before they are written down."""

from __future__ import annotations

from dataclasses import dataclass

from loa_endpoint.core.play import NOTHING_MEASURED, Measured, Play
from loa_protocol.record import Evidence, Outcome, PlayEnded

WAIT_MS = 2000  # a player or line board that does not answer by then is lost


class Endings:
    """The plays between their last sample and their record."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Ending] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether a play waits for its measurement."""
        return bool(self._waiting)

    def add(self, play: Play, outcome: Outcome, *, end_ms: int, mono_ms: int) -> None:
        """Let *play*, which ended at unix *end_ms*, wait from *mono_ms* on."""
        self._waiting[play.name] = _Ending(
            play=play, outcome=outcome, end_ms=end_ms, give_up_ms=mono_ms + WAIT_MS
        )

    def on_measured(self, play: str, measured: Measured) -> list[PlayEnded]:
        """Take what the player measured; return the record where it is complete."""
        if play in self._waiting:
            self._waiting[play].measured = measured
        return self._complete(play)

    def on_evidence(self, play: str, grade: Evidence, confirmed_ms: int) -> list[PlayEnded]:
        """Take the output evidence; return the record where it is complete."""
        if play in self._waiting:
            self._waiting[play].evidence = (grade, confirmed_ms)
        return self._complete(play)

    def on_player_lost(self) -> list[PlayEnded]:
        """The player that measured is gone; return the records that waited for it alone."""
        records: list[PlayEnded] = []
        for name in list(self._waiting):
            self._waiting[name].measured = self._waiting[name].measured or NOTHING_MEASURED
            records += self._complete(name)
        return records

    def give_up(self, mono_ms: int | None) -> list[PlayEnded]:
        """Return the records of plays for which nobody answered in time; None: of all."""
        records: list[PlayEnded] = []
        for name, ending in list(self._waiting.items()):
            if mono_ms is None or mono_ms >= ending.give_up_ms:
                ending.measured = ending.measured or NOTHING_MEASURED
                ending.evidence = ending.evidence or (Evidence.UNVERIFIED, 0)
                records += self._complete(name)
        return records

    def _complete(self, name: str) -> list[PlayEnded]:
        ending = self._waiting.get(name)
        if ending is None or ending.measured is None or ending.evidence is None:
            return []
        del self._waiting[name]
        return [ending.play.ended(ending.end_ms, ending.outcome, ending.measured, ending.evidence)]


@dataclass(slots=True, kw_only=True)
class _Ending:
    play: Play
    outcome: Outcome
    end_ms: int
    give_up_ms: int
    measured: Measured | None = None
    evidence: tuple[Evidence, int] | None = None
