"""The faults that the player finds in its own sound, and what is done about faults of the sound.

A fault only ever tells; the one thing that can follow is that an item is lowered or muted, where
the settings ask for it, and never while an alert sounds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from loa_endpoint.core.evidence import FAULTS, FaultChanged
from loa_protocol.line_map import LineState
from loa_protocol.parameters import FallbackParameters, SoundAction

SQUEAL: Final = "squeal"
EAR_SILENT: Final = "ear_silent"
CLIPPING: Final = "written_clipping"
LINE_FAULTS: Final = frozenset({FAULTS[LineState.OPEN], FAULTS[LineState.SHORT]})
LOWER_CDB: Final = 600
LOWEST_CDB: Final = -3 * LOWER_CDB  # a squeal that is still there is not our gain's fault
_PARAMETERS: Final = {
    SQUEAL: "squeal_action",
    CLIPPING: "clipping_action",
    **dict.fromkeys(LINE_FAULTS, "line_action"),
}


class SoundAlarms:
    """Which alarms of the player stand."""

    def __init__(self) -> None:
        self._standing: set[str] = set()

    @property
    def faults(self) -> tuple[str, ...]:
        """The faults that stand, in alphabetical order."""
        return tuple(sorted(self._standing))

    def handle(self, name: str, *, active: bool) -> list[FaultChanged]:
        """Take what the player says; return what changes by it."""
        if active is (name in self._standing):
            return []
        (self._standing.add if active else self._standing.discard)(name)
        return [FaultChanged(name, active)]

    def clear(self) -> list[FaultChanged]:
        """Take note of a new player: it begins without alarms."""
        ended = [FaultChanged(name, active=False) for name in self.faults]
        self._standing.clear()
        return ended


class SoundGuard:
    """How much quieter items are for the faults of their sound; to their ends, and not beyond.

    A squeal and clipping are of the item that sounds. A line that is open or shorted stays so: the
    items that begin meanwhile are treated alike. It is not asked about alerts and self-tests.
    """

    def __init__(self) -> None:
        self._actions = dict.fromkeys(_PARAMETERS, SoundAction.TELL)
        self._standing: set[str] = set()
        self._cuts: dict[str, int | None] = {}  # by play; None is silence

    def obey(self, parameters: FallbackParameters) -> None:
        """Know what the settings ask for."""
        asked = {fault: getattr(parameters, name) for fault, name in _PARAMETERS.items()}
        self._actions = {fault: SoundAction(value) for fault, value in asked.items()}

    def on_fault(self, fault: FaultChanged, plays: Iterable[str]) -> str:
        """Do what the settings ask for to *plays*; return what that was, in words."""
        if fault.name in LINE_FAULTS:
            (self._standing.add if fault.active else self._standing.discard)(fault.name)
        if not fault.active:
            return ""
        return next(iter([self._act(fault.name, play) for play in plays]), "")

    def begin(self, play: str) -> list[tuple[str, str]]:
        """Hear that *play* begins; return faults that it is quieter for, and what was done."""
        done = [(name, self._act(name, play)) for name in sorted(self._standing)]
        return [(name, words) for name, words in done if words]

    def end(self, play: str) -> None:
        """Hear that *play* is over."""
        self._cuts.pop(play, None)

    def apply(self, play: str, gain_cdb: int | None) -> int | None:
        """Return the gain that is left to *play* of *gain_cdb*; None is silence."""
        cut_cdb = self._cuts.get(play, 0)
        return None if cut_cdb is None or gain_cdb is None else gain_cdb + cut_cdb

    def _act(self, fault: str, play: str) -> str:
        action = self._actions.get(fault, SoundAction.TELL)
        if action is SoundAction.TELL:
            return ""
        before = self._cuts.get(play, 0)
        if action is SoundAction.MUTE or before is None:
            self._cuts[play] = None
            return "muted to the end of the item"
        self._cuts[play] = cut_cdb = max(LOWEST_CDB, before - LOWER_CDB)
        return f"lowered by {-cut_cdb // 100} dB"
