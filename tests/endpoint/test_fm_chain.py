"""From the air to a decision with real samples: modelled tuner, the player's meter, the machine."""

from __future__ import annotations

import random
from collections.abc import Iterable

import numpy as np
import pytest

from loa_endpoint.core.bearer import (
    Bearer,
    Effect,
    Item,
    ItemStarted,
    Note,
    PreOpen,
    SoundRead,
    SoundReady,
    Tick,
    WindowOpened,
)
from loa_endpoint.core.fallback import Fallback
from loa_endpoint.core.xdr import XdrHost, to_reading
from loa_hwsim.air import Air, Programme, Transmitter
from loa_hwsim.faults import Fault, FaultPlan, Kind, Place
from loa_hwsim.tuner import Tuner
from loa_protocol.objects.playlist import BearerKind
from loa_protocol.parameters import FallbackParameters
from loa_sound.meters import BandMeter

KHZ = 91_000
FM = Bearer(id="fm", kind=BearerKind.FM, cost=0, frequency_khz=KHZ, pi=0x7301)
MEDIA = Bearer(id="media", kind=BearerKind.MEDIA, cost=10)
START_MS = 6000
BLOCK_MS = 20


def speech(seconds: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Syllables: a tone with overtones four times a second, and a pause each third second."""
    t = np.arange(seconds * 48_000) / 48_000
    voice = sum(np.sin(2 * np.pi * 140 * n * t) / n for n in range(1, 20))
    shape = np.clip(np.sin(2 * np.pi * 4 * t), 0, 1) * (np.mod(t, 3) < 2.2)
    return np.asarray(4000 * voice * shape, dtype=np.int16)


class Chain:
    """Everything between the aerial and the loudspeaker, in virtual time."""

    def __init__(self, *faults: Fault, level_dbuv: float = 55.0) -> None:
        station = Transmitter(
            frequency_khz=KHZ,
            pi=0x7301,
            ps="XA HA",
            level_dbuv=level_dbuv,
            programmes=(Programme(0, speech(40)),),
        )
        self.tuner = Tuner(Air([station], faults=FaultPlan(faults)))
        self.host, self.meter = XdrHost(), BandMeter()
        self.machine = Fallback(
            FallbackParameters(fm_baseline_cdbuv=round(level_dbuv * 100)), random.Random(0)
        )
        self.notes: list[tuple[int, str, str]] = []
        self.now_ms = 0
        self.host.start(0)
        self.host.tune(KHZ, 0)
        self.tell(self.machine.handle(WindowOpened("fm", 10**9), 0))
        self.item = Item(id="a", bearers=(FM, MEDIA))

    def run(self, until_ms: int) -> None:
        while self.now_ms < until_ms:
            self.now_ms += BLOCK_MS
            now_ms = self.now_ms
            if now_ms == START_MS:
                self.tell(self.machine.handle(ItemStarted(self.item), now_ms))
            events = self.host.tick(now_ms)
            sent = self.host.outgoing()
            outputs = [*self.tuner.feed(sent, now_ms), *self.tuner.advance(now_ms)]
            for output in outputs:
                events += self.host.feed(output.data, now_ms)
            for event in events:
                if (reading := to_reading(event)) is not None:
                    self.tell(self.machine.handle(reading, now_ms))
            for band in self.meter.feed(self.tuner.sound(now_ms - BLOCK_MS, 48 * BLOCK_MS)):
                read = SoundRead("fm", round(band.rms_dbfs * 100), round(band.flatness * 1000))
                self.tell(self.machine.handle(read, now_ms))
            self.tell(self.machine.handle(Tick(), now_ms))

    def tell(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Note):
                self.notes.append((self.now_ms, effect.name, effect.cause))
            if isinstance(effect, PreOpen):
                self.tell(self.machine.handle(SoundReady(effect.bearer.id), self.now_ms))

    def said(self, name: str) -> list[tuple[int, str]]:
        return [(at_ms, cause) for at_ms, said, cause in self.notes if said == name]


def fault(kind: Kind, start_ms: int, end_ms: int | None = None, **numbers: float) -> Fault:
    return Fault(kind=kind, place=Place.AIR, start_ms=start_ms, end_ms=end_ms, numbers=numbers)


@pytest.mark.requirement("RAD-6")
def test_a_lost_carrier_is_left_within_a_second_though_the_receiver_hisses_at_full_level() -> None:
    chain = Chain(fault(Kind.CARRIER_OFF, 12_000))
    chain.run(20_000)
    assert chain.machine.sounding == MEDIA
    ((failed_ms, cause),) = chain.said("fail")
    assert cause == "lost"
    assert failed_ms - 12_000 <= 1000


@pytest.mark.requirement("RAD-6")
@pytest.mark.parametrize("level_dbuv", [55.0, 40.0])
def test_speech_with_its_pauses_is_never_taken_for_hiss(level_dbuv: float) -> None:
    chain = Chain(level_dbuv=level_dbuv)
    chain.run(36_000)
    assert chain.machine.sounding == FM
    assert chain.said("fail") == []


@pytest.mark.requirement("RAD-6")
def test_a_weak_but_audible_station_is_given_five_seconds() -> None:
    chain = Chain(fault(Kind.CARRIER_LEVEL, 12_000, level_dbuv=32.0))
    chain.run(20_000)
    ((failed_ms, cause),) = chain.said("fail")
    assert cause == "carrier"
    assert 5000 <= failed_ms - 12_000 <= 5300


@pytest.mark.requirement("SRC-2")
def test_a_stranger_on_the_frequency_is_cut_off_within_a_second() -> None:
    chain = Chain(fault(Kind.WRONG_PI, 12_000, pi=0x7A44))
    chain.run(20_000)
    assert chain.machine.sounding == MEDIA
    ((failed_ms, cause),) = chain.said("fail")
    assert cause == "pi"
    assert failed_ms - 12_000 <= 1000
