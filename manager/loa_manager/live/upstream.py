"""Somebody else's stream as a source: connected, decoded, asked for again when it is lost."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass

from loa_manager.live.watch import BackOff
from loa_protocol.language import translator
from loa_sound.blocks import Samples
from loa_sound.streams.fetching import Way
from loa_sound.streams.filling import Filling
from loa_sound.streams.reservoir import Room

_ = translator("loa_manager")


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that a relay tells."""

    event: str  # stable: stream_open, stream_lost
    detail: str = ""
    next_try_s: float | None = None


class Upstream:
    """A :class:`loa_manager.live.source.Source` out of an address."""

    is_over = False

    def __init__(self, url: str, way: Way, room: Room | None = None) -> None:
        """Begin to fetch *url*; raises ConfigError where it may not be fetched."""
        way.check(url)
        self._url, self._way, self._asked_room = url, way, room
        self._is_closed = threading.Event()
        self._filling = Filling(url, way, self._is_closed, room)
        self._news: list[Happening] = []
        self.trouble = _("connecting")
        self._thread = threading.Thread(target=self._work, name="upstream", daemon=True)
        self._thread.start()

    def take(self, now_s: float) -> Samples:
        """Return what is due."""
        return self._filling.reservoir.take(now_s)

    def news(self) -> list[Happening]:
        """Return what has happened since the last call."""
        told, self._news = self._news, []
        return told

    def close(self) -> None:
        """Ask no more; what is being read ends by its own limit."""
        self._is_closed.set()

    def _work(self) -> None:
        back_off = BackOff()
        while not self._is_closed.is_set():
            began_s = time.monotonic()
            why = self._play()
            delay_s = back_off.failed(random.random(), lasted_s=time.monotonic() - began_s)
            self.trouble = why
            self._news.append(Happening("stream_lost", why, round(delay_s, 1)))
            self._is_closed.wait(delay_s)

    def _play(self) -> str:
        """Play until it ends; return why it did."""
        filling = Filling(self._url, self._way, self._is_closed, self._asked_room)
        filling.reservoir = self._filling.reservoir  # what it holds sounds until there is other
        self._filling = filling
        return filling.run(self._tell_open)

    def _tell_open(self) -> None:
        self.trouble = ""
        self._news.append(Happening("stream_open", self._url))
