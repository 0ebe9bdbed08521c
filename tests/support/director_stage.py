"""A director on a stage where time moves by rounds and the player obeys at once."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

from loa_endpoint.core import bearer as machine
from loa_endpoint.core.agenda import Programme
from loa_endpoint.core.bearer_desk import BearerDesk
from loa_endpoint.core.clock import Reading
from loa_endpoint.core.director import Director
from loa_endpoint.core.effect import Effect, EndMeasure, Keep, Prepare
from loa_endpoint.core.fallback import Fallback
from loa_endpoint.core.place import Place
from loa_endpoint.core.play import Measured
from loa_protocol.objects.playlist import (
    Bearer,
    BearerKind,
    FmWindow,
    Mark,
    Playlist,
    Proof,
    ProofKind,
)
from loa_protocol.parameters import FallbackParameters
from loa_protocol.record import Body, ClockTrust, Evidence
from support.province import START, playlist, policy

SHA = bytes([7]) * 32
BEGIN = (START + 3600) * 1000  # of the test playlist's session
MONO = 5_000_000  # the monotonic clock has nothing to do with the wall
MEASURED = Measured(
    loudness_clufs=-2300, true_peak_cdb=-150, silent_ms=0, longest_gap_ms=20, xruns=0
)


class Stage:
    """A director with a player that obeys at once; time moves by rounds of 100 ms."""

    def __init__(
        self,
        schedule: Playlist | None = None,
        *,
        trust: ClockTrust = ClockTrust.T3,
        cached: tuple[bytes, ...] = (SHA,),
        **rules: Any,
    ) -> None:
        machine_of_bearers = Fallback(FallbackParameters(), random.Random(1))
        self.director = Director(
            Place(scope="vn/ls/st0137/c04", mark=Mark.TEST, epoch=3), BearerDesk(machine_of_bearers)
        )
        self.trust, self.now_ms = trust, BEGIN - 30_000
        self.done: list[tuple[int, Effect]] = []
        self.answers = True
        self.do(self.director.duty.restore((), self.reading()))
        self.fetch(*cached)
        programme = Programme(
            playlist=schedule or playlist(), digest=b"d" * 32, policy=policy(**rules)
        )
        self.do(self.director.on_programme(programme, self.reading()))

    def fetch(self, *media: bytes) -> None:
        """Have these media in the cache, and no others."""
        self.do(self.director.on_cached(media, self.reading()))

    def replace(self, schedule: Playlist) -> None:
        """Bring another playlist into force."""
        programme = Programme(playlist=schedule, digest=b"e" * 32, policy=policy())
        self.do(self.director.on_programme(programme, self.reading()))

    def reading(self) -> Reading:
        mono = self.now_ms - BEGIN + MONO
        return Reading(mono_ms=mono, unix_ms=self.now_ms, trust=self.trust, uncertainty_ms=5)

    def do(self, effects: list[Effect]) -> None:
        for effect in effects:
            self.done.append((self.now_ms, effect))
            match effect:
                case Prepare(source=source) if self.answers:
                    self.do(self.director.on_prepared(source, self.reading()))
                case EndMeasure(play=play) if self.answers:
                    self.do(self.director.on_measured(play, MEASURED))
                    self.do(self.director.on_evidence(play, Evidence.OUTPUT, 59_000))

    def run(
        self, until_ms: int, *readings: machine.Event, line_in: tuple[int, int] | None = None
    ) -> None:
        while self.now_ms < until_ms:
            self.now_ms += 100
            if line_in is not None:
                self.do(self.director.on_line_in(*line_in, self.reading()))
            for reading in readings:
                self.do(self.director.on_reading(reading, self.reading()))
            self.do(self.director.on_round(self.reading()))

    def all(self, kind: type[Any]) -> list[Any]:
        return [effect for _, effect in self.done if isinstance(effect, kind)]

    def kept(self, kind: type[Body]) -> list[Any]:
        return [e.body for e in self.all(Keep) if isinstance(e.body, kind)]


def with_fm(**window: Any) -> Playlist:
    base = playlist(items=2)
    facts: dict[str, Any] = {
        "frequency_khz": 61_500,
        "start": START + 3600 - 60,
        "end": START + 2 * 3600,
        "volume": 12,
        "proofs": (Proof(kind=ProofKind.PI, value=0x7301),),
    }
    both = (
        Bearer(kind=BearerKind.FM, reference=0, cost=1),
        Bearer(kind=BearerKind.MEDIA, reference=0, cost=10),
    )
    items = tuple(dataclasses.replace(item, bearers=both) for item in base.items)
    return dataclasses.replace(base, items=items, fm_windows=(FmWindow(**{**facts, **window}),))


GOOD_FM = (
    machine.TunerTuned(61_500),
    machine.SignalRead(5000, 0),
    machine.PiRead(0x7301, 0),
)
MUSIC, HISS = (-2000, 100), (-1500, 950)
