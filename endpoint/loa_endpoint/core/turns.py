"""Which plays have had their turn: each sounds once an epoch, and what was told is told once."""

from __future__ import annotations

from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import Effect, Keep
from loa_endpoint.core.play import play_id
from loa_endpoint.core.schedule import Planned, upcoming
from loa_protocol.record import ClockTrust, Happening, Refused

_TELL_BACK_MS = 60_000  # an item blocked longer ago was told by an earlier run, or is no news


class Turns:
    """The memory of one run; *epoch* is the endpoint's."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._told: set[str] = set()  # blocked items, held starts and plays
        self._goes: dict[str, int] = {}  # item and instant -> how often something broke in

    def is_first(self, key: str) -> bool:
        """Tell whether *key* is news; from now on it is not."""
        if key in self._told:
            return False
        self._told.add(key)
        return True

    def id_of(self, planned: Planned) -> bytes:
        """Return the id of the play that *planned* would have now."""
        key = key_of(planned)
        goes = self._goes.get(key, 0)
        return play_id(planned.source, f"{key}+{goes}" if goes else key, self._epoch)

    def is_spent(self, planned: Planned) -> bool:
        """Tell whether *planned* has had its turn."""
        return self.id_of(planned).hex() in self._told

    def give_back(self, play: str) -> None:
        """Let a play that never sounded be tried again."""
        self._told.discard(play)

    def break_off(self, planned: Planned) -> None:
        """What is left of *planned* may follow, as a play of its own."""
        key = key_of(planned)
        self._goes[key] = self._goes.get(key, 0) + 1


def key_of(planned: Planned) -> str:
    """Return what names an item at its instant."""
    return f"{planned.item.id}@{planned.start_ms}"


def tell_held(
    planned: tuple[Planned, ...], turns: Turns, now: Reading, *, is_stale: bool
) -> list[Effect]:
    """Write down what does not sound: without the time, without a fresh head, or by policy."""
    if now.trust < ClockTrust.T2:
        detail = f"clock trust {now.trust.name}: scheduled items wait for the time"
        return _tell_once("held_no_time", detail, planned, turns)
    held = []
    if is_stale:
        detail = "the schedule has run too long without a head"
        held = _tell_once("held_no_head", detail, planned, turns)
    return held + [
        Keep(Refused(what=f"item {p.item.id}"[:64], reason=p.block, detail=p.item.title))
        for p in upcoming(planned, now.unix_ms - _TELL_BACK_MS, now.unix_ms + 1)
        if p.block is not None and turns.is_first(key_of(p))
    ]


def _tell_once(name: str, detail: str, planned: tuple[Planned, ...], turns: Turns) -> list[Effect]:
    if not planned or not turns.is_first(name):
        return []
    return [Keep(Happening(name=name, detail=detail))]
