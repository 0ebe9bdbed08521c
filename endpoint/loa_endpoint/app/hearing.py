"""What the player says of its own sound, joined for the records: alarms and measurements.

Joins the cores of these; what follows from them is for the director and the stage.
"""

from __future__ import annotations

from collections.abc import Collection

from loa_endpoint.audio import messages
from loa_endpoint.core.bearer import FlowRead, SoundRead
from loa_endpoint.core.ear_evidence import Heard
from loa_endpoint.core.evidence import FaultChanged
from loa_endpoint.core.measurements import Measurements, Stretch
from loa_endpoint.core.play import NOTHING_MEASURED, Measured
from loa_endpoint.core.sound_alarms import SQUEAL, SoundAlarms
from loa_protocol.record import Happening, Recorded

_MOST_BROKEN = 64


class Hearing:
    """The alarms that stand, and what was measured of the plays under way.

    Attributes:
        alarms: Of the present player.
        loudness: What was measured last of an item under way.
    """

    def __init__(self) -> None:
        self.alarms = SoundAlarms()
        self.loudness: messages.ItemSoFar | None = None
        self._measurements = Measurements()
        self._broken: dict[str, str] = {}  # what broke under its own name last, and why

    def on_new_player(self, current: Collection[str]) -> list[tuple[str, Measured]]:
        """Keep what the player before had told; return what it told of all but *current* plays."""
        self._measurements.player_lost()
        self.loudness = None
        over = [play for play in self._measurements.plays if play not in current]
        found = [(play, self._measurements.finish(play, None)) for play in over]
        return [(play, measured) for play, measured in found if measured is not None]

    def on_so_far(self, event: messages.ItemSoFar) -> None:
        """Take what was measured of an item that goes on."""
        self.loudness = event
        self._measurements.so_far(event.item, _stretch(event))

    def on_measured(self, event: messages.ItemMeasured) -> Measured:
        """Take what was measured of an item that is over; return what all players measured."""
        self.loudness = None
        joined = self._measurements.finish(event.item, _stretch(event))
        return joined or NOTHING_MEASURED

    def on_broken(self, ended: messages.Ended) -> Happening | None:
        """Return the record of a sound that broke; none where it breaks again as it did before."""
        why = ended.detail
        name = ended.source.partition("#")[0]  # a number follows, another one at each try
        if ended.reason != "broken" or not why or self._broken.get(name) == why:
            return None
        if len(self._broken) >= _MOST_BROKEN:
            self._broken.clear()
        self._broken[name] = why
        return Happening(name="sound_broken", detail=f"{name}: {why}"[:300])

    def facts(self) -> dict[str, float | None]:
        """Return the loudness just now, for the local status."""
        now = self.loudness
        return {
            "momentary_lufs": None if now is None else now.momentary_lufs,
            "short_term_lufs": None if now is None else now.short_term_lufs,
            "integrated_lufs": None if now is None else now.lufs,
        }


def stream_readings(event: messages.StreamState) -> tuple[SoundRead, FlowRead]:
    """Return how a stream is, as the core knows it; under the player's name for it."""
    return (
        SoundRead(event.source, round(event.rms_dbfs * 100), round(event.flatness * 1000)),
        FlowRead(event.source, starved=event.starved, receiving=event.receiving),
    )


def to_heard(event: messages.EarHeard) -> Heard:
    """Return a comparison as the core knows it."""
    return Heard(
        at_ms=event.at_ns // 1_000_000,
        matches=None if event.likeness is None else event.matches,
        lag_ms=event.lag_ms,
        level_cdbfs=round(event.rms_dbfs * 100),
    )


def told(change: FaultChanged, *details: str) -> Happening:
    """Return the record of a fault that began or is over."""
    parts = ["active" if change.active else "idle", *filter(None, details)]
    return Happening(name=change.name, detail=", ".join(parts)[:300])


def reading_of(alarm: messages.SoundAlarm) -> str:
    """Return what was read, in words of a record."""
    if not alarm.active or not alarm.reading:
        return ""
    unit = {SQUEAL: "Hz", "written_silent": "dBFS"}.get(alarm.name, "")
    return f"{alarm.reading:g} {unit}".strip()


def _stretch(event: messages.ItemFigures) -> Stretch:
    measured = Measured(
        loudness_clufs=None if event.lufs is None else round(event.lufs * 100),
        true_peak_cdb=round(max(event.true_peak_dbtp, -200.0) * 100),
        silent_ms=event.silent_ms,
        longest_gap_ms=event.longest_gap_ms,
        xruns=event.xruns,
        off_ms=event.off_ms,
        recorded=_recorded(event) if isinstance(event, messages.ItemMeasured) else (),
    )
    start_ms, end_ms = event.started_ns // 1_000_000, event.ended_ns // 1_000_000
    return Stretch(measured=measured, start_ms=start_ms, end_ms=end_ms)


def _recorded(event: messages.ItemMeasured) -> tuple[Recorded, ...]:
    return tuple(
        Recorded(start_ms=each.start_ms, duration_ms=each.duration_ms, sha256=each.sha256)
        for each in event.recorded
    )
