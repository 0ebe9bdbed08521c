"""The faults that the player finds in its own sound, and what is done about a squeal.

An alarm only ever tells; the one thing that can follow is that a squealing item is lowered or
muted, where the settings ask for it, and never while an alert sounds.
"""

from __future__ import annotations

from typing import Final

from loa_endpoint.core.evidence import FaultChanged
from loa_protocol.parameters import SquealAction

SQUEAL: Final = "squeal"
EAR_SILENT: Final = "ear_silent"
LOWER_CDB: Final = 600
LOWEST_CDB: Final = -3 * LOWER_CDB  # a squeal that is still there is not our gain's fault


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


class SquealGuard:
    """How much quieter an item is because it squealed; to its end, and not beyond.

    Attributes:
        action: What the settings ask for.
    """

    def __init__(self, action: SquealAction = SquealAction.TELL) -> None:
        self.action = action
        self._cut_cdb = 0
        self._is_mute = False

    @property
    def is_acting(self) -> bool:
        """Whether the item is quieter than it was meant to be."""
        return self._is_mute or self._cut_cdb < 0

    def squealed(self) -> str:
        """Do what the settings ask for, once for each squeal; return what that was, in words."""
        if self.action is SquealAction.MUTE:
            self._is_mute = True
            return "muted to the end of the item"
        if self.action is SquealAction.LOWER:
            self._cut_cdb = max(LOWEST_CDB, self._cut_cdb - LOWER_CDB)
            return f"lowered by {-self._cut_cdb // 100} dB"
        return ""

    def forget(self) -> None:
        """Begin anew with another item."""
        self._cut_cdb, self._is_mute = 0, False

    def apply(self, gain_cdb: int | None) -> int | None:
        """Return the gain that is left of *gain_cdb*; None is silence."""
        return None if self._is_mute or gain_cdb is None else gain_cdb + self._cut_cdb
