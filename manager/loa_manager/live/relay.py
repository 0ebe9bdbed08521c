"""Relays somebody else's stream into live slots: it is heard under our seal, or not at all.

A slot is filled from its start to its end under grants of an hour, each given before the last one
ends. While the stream is away or silent nothing is sent, so that the boards fall back to what else
their item may sound from. When no slot is open, nobody is asked for anything.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from loa_manager.live.line import Line
from loa_manager.live.permit import Permits
from loa_manager.live.slots import Slot
from loa_manager.live.speaking import Speech, Tick, run
from loa_manager.live.timeline import Timeline
from loa_manager.live.upstream import Happening, Upstream
from loa_manager.live.voice import Voice
from loa_manager.live.watch import Flow, Watch
from loa_sound.opus import OpusEncoder

DELAY_MS: Final = 4_000
"""From the stream to the horn, behind the reservoir: nobody waits for an answer here."""
EARLY_S: Final = 30
"""So long before a slot the stream is asked for."""
SILENCE_S: Final = 20.0
EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Status:
    """How a relay stands."""

    slot: Slot
    tick: Tick
    flow: Flow
    stream: str  # what is wrong with the stream, if anything
    permit: str  # what is wrong with the next grant, if anything
    line: str  # what is wrong with the way to the server, if anything
    sent_ms: int
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayWays:
    """What a relay does to the world; given from outside."""

    open_stream: Callable[[], Upstream]
    give: Callable[[Slot, int, int], Voice]  # a grant that stands, its session open; LoaError
    line: Line
    clock: Callable[[], int]  # the common time, unix ms
    on_status: Callable[[Status], None]
    on_news: Callable[[Happening], None]


def relay_slot(
    slot: Slot,
    ways: RelayWays,
    stop: threading.Event,
    *,
    delay_ms: int = DELAY_MS,
    silence_s: float = SILENCE_S,
) -> None:
    """Fill *slot* until it is over, or *stop*.

    Raises:
        ConfigError: the stream may not be fetched.
    """
    is_over = threading.Event()
    stream = ways.open_stream()
    permits = Permits(slot, lambda start, end: ways.give(slot, start, end), ways.clock)
    timeline = Timeline(OpusEncoder().encode, delay_ms=delay_ms)
    speech = Speech(stream, ways.line, timeline, Watch(silence_s), voices=permits.voices)

    def on_tick(tick: Tick) -> None:
        for each in stream.news():
            ways.on_news(each)
        if tick.changed:
            ways.on_news(Happening(f"stream_{speech.watch.flow.value}"))
        line = ways.line.state
        ways.on_status(
            Status(
                slot=slot,
                tick=tick,
                flow=speech.watch.flow,
                stream=stream.trouble,
                permit=permits.trouble,
                line=line.why,
                sent_ms=line.sent_ms,
                lost=line.lost + speech.unheard,
            )
        )
        if stop.is_set() or tick.now_ms + delay_ms >= slot.end * 1000:
            is_over.set()

    try:
        run(speech, ways.clock, is_over, on_tick, every_s=EVERY_S)
    finally:
        permits.close()
        stream.close()


def wait_for(slot: Slot, clock: Callable[[], int], stop: threading.Event) -> bool:
    """Wait until *slot* is near; tell whether it is, or *stop* came first."""
    while not stop.is_set():
        left_s = slot.start - EARLY_S - clock() / 1000
        if left_s <= 0:
            return True
        stop.wait(min(left_s, EARLY_S))
    return False
