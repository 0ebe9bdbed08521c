"""RDS clock-time as a source of time: unauthenticated, like everything on the air.

The group ends as its minute begins, so its arrival is the instant it names; how late the tuner's
line is about it (a tenth of a second) is nothing beside what two sources may differ. Where no
signed or agreed time is known, the tuner is stood on the stations of the playlist in turn to hear
one; that opens no way for their sound.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from loa_protocol.rds import ClockTime, Group, read_group

STAY_MS: Final = 130_000  # clock-time comes once a minute: two chances on each station


def clock_time_ms(group: Group) -> int | None:
    """Return the unix ms that began as *group* ended; None where it is no whole clock-time."""
    fact = read_group(group)
    if not isinstance(fact, ClockTime):
        return None
    return round(fact.minute.timestamp()) * 1000


def station_to_hear(frequencies_khz: Iterable[int], waiting_ms: int) -> int | None:
    """Return where to stand after *waiting_ms* without the time; None where no station is known."""
    stations = sorted(set(frequencies_khz))
    return stations[waiting_ms // STAY_MS % len(stations)] if stations else None
