"""A whole pole in virtual time: stage, director, player's desk, amplifier, line board, microphone.

All parts are the real ones but for the pipe, the processes and the clock. A block of 100 ms is
rendered, written, heard and told before the next; the board is read once a second.
"""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any, TypeVar

import numpy as np

from loa_endpoint.app.stage import Parts, Stage
from loa_endpoint.audio import messages as m
from loa_endpoint.audio.desk import Desk
from loa_endpoint.audio.ear import Ear
from loa_endpoint.audio.file_sound import FileSound
from loa_endpoint.audio.mixer import Mixer
from loa_endpoint.audio.sounds import to_samples
from loa_endpoint.audio.written_monitor import SoundWatch
from loa_endpoint.core.clock import Reading
from loa_endpoint.core.line_monitor import LineRead
from loa_endpoint.core.orders import Progress
from loa_hwsim.amplifier import Amplifier, LineRating, SpeakerLine
from loa_hwsim.faults import FaultPlan
from loa_hwsim.line_board import LineBoard
from loa_hwsim.microphone import Microphone, Place
from loa_protocol.line_map import LineHolding
from loa_protocol.modbus import write_request
from loa_protocol.objects.playlist import Playlist
from loa_protocol.parameters import FallbackParameters
from loa_protocol.record import ClockTrust, Happening, PlayEnded
from loa_sound.blocks import CHUNK, RATE, Samples
from support import orders
from support.director_stage import BEGIN, MONO, SHA
from support.director_stage import Stage as DirectorStage
from support.province import playlist

BLOCK_MS = 100
Kind = TypeVar("Kind")


class LateLine(SpeakerLine):
    """A line that somebody cuts or shorts while it is used."""

    is_cut = is_short = False

    def impedance_ohm(self, now_ms: float) -> float:
        if self.is_short:
            return 0.4
        return float("inf") if self.is_cut else super().impedance_ohm(now_ms)


class Pole:
    """One pole; *sounds* are the files by their hash, *ear* and *board* its sensors."""

    def __init__(
        self,
        sounds: dict[bytes, pathlib.Path],
        *,
        ear: Place | None = None,
        board: bool = True,
        item_s: int = 60,
        actions: FallbackParameters | None = None,
    ) -> None:
        self.records: list[Any] = []
        self.told: list[tuple[int, m.Event]] = []
        self.written: list[Samples] = []
        self.progress: dict[bytes, Progress] = {}
        self.now_ms = BEGIN - 2000
        self.epoch_ns = (self.now_ms - BEGIN + MONO) * 1_000_000
        self._sounds = sounds
        scene = DirectorStage(_schedule(item_s), cached=tuple(sounds))
        scene.director.guard.obey(actions or FallbackParameters())
        self.stage = Stage(scene.director, Parts(**self._parts()))
        line, rating = FaultPlan(()), LineRating()
        self.line = LateLine(rating, line)
        self.board = LineBoard(Amplifier(rating, line), self.line) if board else None
        self.microphone = None if ear is None else Microphone(ear)
        self._heard = b""
        self.start_player()

    # --- what the stage plays on

    def send(self, message: m.Command) -> bool:
        self.desk.handle(m.parse_command(m.encode(message)))
        if isinstance(message, m.Prepare):  # a thread opens it, and virtual time waits for none
            sound = self.desk.sounds.find(message.source)
            if isinstance(sound, FileSound):
                sound.wait(to_samples(message.position_ms))
        return True

    def append(self, record: Any) -> None:
        self.records.append(record.body)

    def keep_progress(self, order: bytes, progress: Progress) -> None:
        self.progress[order] = progress

    def drop(self, order: bytes) -> None:
        del self.progress[order]

    def keep_session(self, start: int) -> None:
        """Nothing asks for it again."""

    def reading(self) -> Reading:
        mono = self.now_ms - BEGIN + MONO
        return Reading(mono_ms=mono, unix_ms=self.now_ms, trust=ClockTrust.T3, uncertainty_ms=5)

    # --- the microphone's capture

    def take(self) -> bytes:
        data, self._heard = self._heard, b""
        return data

    def close(self) -> None:
        """It is only memory."""

    # --- what a test does

    def start_player(self) -> None:
        """Begin, or begin again, with a player that knows nothing."""
        at = self._sample()
        self.desk = Desk(Mixer(at), self, self._hear, None)
        self._watch = SoundWatch(self._hear, None if self.microphone is None else Ear(self))
        self.desk.on_mixed = self._watch.mixed
        self._count = self._beats = 0
        self._hear(m.Ready(pid=1, epoch_ns=self.epoch_ns, at_ns=self._instant()))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(round(seconds * 1000 / BLOCK_MS)):
            self._block()

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [each for each in self.records if isinstance(each, kind)]

    def happened(self, name: str) -> list[str]:
        return [each.detail for each in self.of(Happening) if each.name == name]

    def grades(self) -> list[Any]:
        return [each.evidence for each in self.of(PlayEnded)]

    def since(self, second: float) -> Samples:
        """Return what was written from *second* of the item on."""
        at = round((second + 2) * RATE)
        return np.concatenate(self.written)[at:]

    def ask_board(self, register: LineHolding, value: int) -> None:
        """Write to the line board, as a technician does."""
        assert self.board is not None
        self.board.feed(write_request(20, register, value), self.now_ms - BEGIN + MONO)

    @property
    def faults(self) -> set[str]:
        return {*self.stage.output.faults, *self.stage.hearing.alarms.faults}

    # --- inside

    def _parts(self) -> dict[str, Any]:
        parts: dict[str, Any] = dict.fromkeys(field.name for field in dataclasses.fields(Parts))
        return parts | {
            "player": self,
            "outbox": self,
            "media_path": self._sounds.get,
            "read_clock": self.reading,
            "on_kept": lambda: None,
            "cached": lambda: tuple(self._sounds),
            "book": self,
            "host": self,
        }

    def _sample(self) -> int:
        return ((self.now_ms - BEGIN + MONO) * 1_000_000 - self.epoch_ns) * RATE // 10**9

    def _instant(self) -> int:
        return self.epoch_ns + self._sample() * 10**9 // RATE

    def _hear(self, event: m.Event) -> None:
        self.told.append((self.now_ms, event))
        self.stage.on_player(m.parse_event(m.encode(event)))

    def _block(self) -> None:
        self.stage.round()
        self.desk.wait_for_sounds(CHUNK)
        block = np.zeros(CHUNK, dtype=np.float32)
        instant = self._instant()
        self.desk.render(block)
        self.written.append(block)
        if self.microphone is not None:
            self._heard += self.microphone.hear(block)
        self._watch.wrote(block, self.desk.expected, instant)
        self.now_ms += BLOCK_MS
        mono_ms = self.now_ms - BEGIN + MONO
        if self.board is not None:
            self.board.hear(block, mono_ms)
        self._count += CHUNK
        self._beats += 1
        if self._beats % 2 == 0:
            self.desk.beat(self._count, mono_ms * 1_000_000)
        if self.board is not None and self._beats % 10 == 0:
            self.board.advance(mono_ms)
            self.stage.on_line(LineRead(mono_ms, self.board.reading(mono_ms)))


def _schedule(item_s: int) -> Playlist:
    """Return items of that length; the second begins a minute after the first."""
    base = playlist()
    items = (dataclasses.replace(item, duration_ms=item_s * 1000) for item in base.items)
    return dataclasses.replace(base, items=tuple(items))


SIREN = orders.SIREN.sha256
PROGRAMME = SHA
