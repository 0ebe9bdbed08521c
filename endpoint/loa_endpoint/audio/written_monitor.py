"""What the player says of its own sound: monitors on the samples that went to the sink.

It stands behind the mixer, so that volume and limiter are in what it hears, and changes nothing:
whether anything follows from an alarm is for the agent to decide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loa_endpoint.audio.ear import Ear
from loa_endpoint.audio.messages import Event, SoundAlarm
from loa_sound.blocks import Samples
from loa_sound.monitors import Change, WrittenMonitor


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the desk knows of what is written now.

    Attributes:
        sound: Something should be heard: an item is under way, and is neither silent nor muted.
        is_declared: It is a signal of which no monitor complains.
        volume_db: At which it is played.
    """

    sound: bool
    is_declared: bool
    volume_db: float


class SoundWatch:
    """The monitors on what is written, and the ear where there is one."""

    def __init__(self, emit: Callable[[Event], None], ear: Ear | None = None) -> None:
        """Tell changes to *emit*."""
        self._emit, self._ear = emit, ear
        self._monitor = WrittenMonitor()
        self._now_ns = 0

    def mixed(self, block: Samples) -> None:
        """Take the next samples as they come to the limiter."""
        self._tell(self._monitor.mix(block))

    def wrote(self, block: Samples, expected: Expectation, now_ns: int) -> None:
        """Take the next samples, which are in the sink."""
        self._now_ns = now_ns
        monitor = self._monitor
        monitor.expects_sound, monitor.is_declared = expected.sound, expected.is_declared
        monitor.volume_db = expected.volume_db
        self._tell(monitor.feed(block))
        if self._ear is not None:
            for event in self._ear.wrote(block, now_ns):
                self._emit(event)

    def _tell(self, changes: list[Change]) -> None:
        for each in changes:
            reading = round(each.reading, 2)
            self._emit(
                SoundAlarm(name=each.name, active=each.active, reading=reading, at_ns=self._now_ns)
            )
