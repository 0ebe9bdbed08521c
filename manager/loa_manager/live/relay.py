"""Relays somebody else's stream into live slots: it is heard under our seal, or not at all.

A slot is filled from its start to its end under grants of an hour, each given before the last one
ends. While the stream is away or silent nothing is sent, so that the boards fall back to what else
their item may sound from. When no slot is open, nobody is asked for sound.

It goes on for as long as somebody lets it, so nothing is taken for granted that was true when a
slot began: where the playlist in force is replaced in the middle of one, a grant under the new
playlist follows, for boards know the slot by its playlist.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from loa_manager.live.line import Line
from loa_manager.live.permit import Permits
from loa_manager.live.slots import Slot
from loa_manager.live.source import Source
from loa_manager.live.speaking import Speech, Tick, run
from loa_manager.live.timeline import Timeline
from loa_manager.live.upstream import Happening
from loa_manager.live.voice import Voice
from loa_manager.live.watch import Flow, Watch
from loa_sound.opus import OpusEncoder

DELAY_MS: Final = 4_000
"""From the stream to the horn, behind the reservoir: nobody waits for an answer here."""
EARLY_S: Final = 30
"""So long before a slot the stream is asked for."""
SILENCE_S: Final = 20.0
EVERY_S: Final = 1.0


class Radio(Source, Protocol):
    """A source that comes and goes."""

    def news(self) -> list[Happening]:
        """Return what has happened since the last call."""


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

    next_slot: Callable[[int], Slot | None]  # the first that is not over at unix ms
    open_stream: Callable[[], Radio]
    give: Callable[[Slot, int, int], Voice]  # a grant that stands, its session open; LoaError
    line: Line
    clock: Callable[[], int]  # the common time, unix ms
    on_status: Callable[[Status], None]
    on_news: Callable[[Happening], None]


def relay_all(
    ways: RelayWays,
    stop: threading.Event,
    *,
    delay_ms: int = DELAY_MS,
    silence_s: float = SILENCE_S,
    is_once: bool = False,
    on_wait: Callable[[Slot | None], None] = lambda _slot: None,
) -> None:
    """Fill one slot after the other until *stop*; the next one alone where *is_once*.

    Args:
        ways: To the world.
        stop: Set to end it.
        delay_ms: From here to the horn.
        silence_s: As :class:`Watch`.
        is_once: Whether one slot is all.
        on_wait: Told what is waited for, again and again.

    Raises:
        ConfigError: the stream may not be fetched.
    """
    while not stop.is_set():
        now_ms = ways.clock()
        slot = ways.next_slot(now_ms + delay_ms)
        on_wait(slot)
        if slot is None or slot.start - EARLY_S > now_ms // 1000:
            stop.wait(EVERY_S)
            continue
        relay_slot(slot, ways, stop, delay_ms=delay_ms, silence_s=silence_s)
        if is_once:
            return


def relay_slot(
    slot: Slot,
    ways: RelayWays,
    stop: threading.Event,
    *,
    delay_ms: int = DELAY_MS,
    silence_s: float = SILENCE_S,
) -> None:
    """Fill *slot* until it is over or another one stands in its place, or *stop*.

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
        if stop.is_set() or ways.next_slot(tick.now_ms + delay_ms) != slot:
            is_over.set()

    try:
        run(speech, ways.clock, is_over, on_tick, every_s=EVERY_S)
    finally:
        permits.close()
        stream.close()
