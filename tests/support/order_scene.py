"""A director that obeys orders on a stage whose player, disk and clock the test holds."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from loa_endpoint.core.agenda import Programme
from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import (
    AskTime,
    DropOrder,
    Effect,
    KeepProgress,
    Prepare,
    Silence,
    SoundMedia,
)
from loa_endpoint.core.orders import Body, Kept, Taking
from loa_protocol.envelope import Kind
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.authority import Level
from loa_protocol.objects.command import Command
from loa_protocol.objects.playlist import Playlist
from loa_protocol.record import OrderState, OrderTaken
from support.director_stage import BEGIN, SHA, Stage
from support.orders import SIREN
from support.province import policy


@dataclass(frozen=True)
class Heard:
    """One sound from its first sample on."""

    source: str
    at_ms: int  # unix
    is_alert: bool


class Scene(Stage):
    """What is written, what sounds, and what survives a restart."""

    def __init__(self, schedule: Playlist | None = None, **rules: Any) -> None:
        self.disk: dict[bytes, Kept] = {}
        self.heard: list[Heard] = []
        self.sounding: str | None = None
        self.can_start = True  # the player has opened what it is to play
        self._planned_sounds: list[tuple[int, str | None]] = []  # mono ms -> source, None: silence
        cached = rules.pop("cached", (SHA, SIREN.sha256))
        trust = {"trust": rules.pop("trust")} if "trust" in rules else {}
        self.rules, self.schedule = rules, schedule
        super().__init__(schedule, cached=cached, **trust, **rules)
        self.do(self.director.duty.on_policy(policy(**rules), self.reading()))

    def order(
        self, body: Body, *, level: Level = Level.COMMUNE, holders: tuple[str, ...] = ("an",)
    ) -> bytes:
        """Have an order accepted, kept and told; return its id."""
        taking = Taking(level=level, taken_ms=self.now_ms, holders=holders)
        kinds = {Alert: Kind.ALERT, Command: Kind.COMMAND}
        kind = kinds.get(type(body), Kind.GRANT)
        kept = Kept(kind=kind, digest=body.id * 2, body=body, taking=taking)
        self.disk[kept.id] = kept
        self.do(self.director.duty.on_order(kept, self.reading()))
        return kept.id

    def reboot(self) -> None:
        """Lose everything but the disk, and begin again."""
        disk, now_ms, trust = self.disk, self.now_ms, self.trust
        done, heard = self.done, self.heard
        fresh = Scene(self.schedule, trust=trust, **self.rules)
        self.director = fresh.director
        self.sounding, self._planned_sounds = None, []
        self.disk, self.now_ms, self.done, self.heard = disk, now_ms, done, heard
        self.do(self.director.duty.restore(list(disk.values()), self.reading()))

    def bring(self, schedule: Playlist, **rules: Any) -> None:
        """Bring another playlist or policy into force."""
        programme = Programme(playlist=schedule, digest=b"f" * 32, policy=policy(**rules))
        self.do(self.director.on_programme(programme, self.reading()))

    def do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case KeepProgress(order=order, progress=progress):
                    self.disk[order] = dataclasses.replace(self.disk[order], progress=progress)
                case DropOrder(order=order):
                    del self.disk[order]
                case SoundMedia(source=source, at_ms=at_ms):
                    at = max(at_ms, self.reading().mono_ms)
                    self._planned_sounds.append((at, source))
                case Silence(at_ms=0):
                    self.sounding, self._planned_sounds = None, []
                case Silence(at_ms=at_ms):
                    self._planned_sounds.append((at_ms, None))
            super().do([effect])
        self._let_sound()

    def run(self, until_ms: int, *readings: Any, line_in: tuple[int, int] | None = None) -> None:
        while self.now_ms < until_ms:
            self._let_sound()
            super().run(min(self.now_ms + 100, until_ms), *readings, line_in=line_in)
            self._let_sound()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.run(self.now_ms + round(seconds * 1000))

    def _let_sound(self) -> None:
        now: Reading = self.reading()
        due = sorted((p for p in self._planned_sounds if p[0] <= now.mono_ms), key=lambda p: p[0])
        self._planned_sounds = [p for p in self._planned_sounds if p[0] > now.mono_ms]
        for at, source in due:
            self.sounding = source
            if source is not None and self.can_start:
                unix_ms = at - now.mono_ms + now.unix_ms
                self.heard.append(Heard(source, unix_ms, source.startswith("alert-")))
                self.director.on_started(at, now, source)

    # --- what a test asks

    def is_silent(self) -> bool:
        """Whether nothing sounds."""
        return self.sounding is None

    @property
    def is_alerting(self) -> bool:
        """Whether an alert sounds, be it by its tone."""
        return self.sounding is not None and self.sounding.startswith(("alert-", "tone-"))

    def alerts(self) -> list[Heard]:
        """Return every repeat of every alert that was heard."""
        return [each for each in self.heard if each.is_alert]

    def tones(self) -> list[Heard]:
        """Return every attention tone that was heard."""
        return [each for each in self.heard if each.source.startswith("tone-")]

    def state(self, order: bytes) -> OrderState:
        """Return how far an order has come, by the disk."""
        return self.disk[order].progress.state

    def told(self, order: bytes) -> list[tuple[OrderState, str]]:
        """Return what was told of an order."""
        mine = [each for each in self.all_told() if each.id == order]
        return [(each.state, each.detail) for each in mine]

    def all_told(self) -> list[OrderTaken]:
        bodies = (getattr(effect, "body", None) for _, effect in self.done)
        return [body for body in bodies if isinstance(body, OrderTaken)]

    def has_asked_time(self) -> bool:
        return bool(self.all(AskTime))

    def prepared(self) -> list[str]:
        return [each.source for each in self.all(Prepare)]


def unix_s(ms: int = BEGIN) -> int:
    """Return the second of the first item, or of *ms*."""
    return ms // 1000
