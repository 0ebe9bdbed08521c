"""Which commune comes next: the programme's order of need (INV-4)."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from loa_manager.registry.units import Unit


class Need(enum.IntEnum):
    """Classes of need, most urgent first."""

    BORDER_WITHOUT_STATION = 1
    ZONE_III_WITHOUT_STATION = 2
    BORDER_EXTENSION = 3
    OTHER = 4


@dataclass(frozen=True, slots=True)
class Wish:
    """One commune with its class of need."""

    need: Need
    commune: Unit


def plan(communes: Iterable[Unit], with_station: Collection[str]) -> list[Wish]:
    """Return *communes* in the programme's order; *with_station* holds the codes that have one."""
    wishes = [Wish(_need(each, each.code in with_station), each) for each in communes]
    return sorted(wishes, key=lambda wish: (wish.need, wish.commune.code))


def _need(commune: Unit, has_station: bool) -> Need:
    if not has_station and commune.is_border:
        return Need.BORDER_WITHOUT_STATION
    if not has_station and commune.zone == "III":
        return Need.ZONE_III_WITHOUT_STATION
    if has_station and commune.is_border:
        return Need.BORDER_EXTENSION
    return Need.OTHER
