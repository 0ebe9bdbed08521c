"""The amplifier's sleep and its bus: woken in time, muted while it wakes, told when it is gone."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.core.amplifier import BUS_MS, MOVES, WAKE_MS, Amplifier, Event, State
from loa_endpoint.core.amplifier_bus import (
    AmplifierBack,
    AmplifierBus,
    AmplifierRead,
    AmplifierSilent,
)
from loa_endpoint.core.effect import (
    Effect,
    OpenTone,
    Prepare,
    SetGain,
    Silence,
    SoundLineIn,
    SoundMedia,
)
from loa_hwsim.amplifier import Amplifier as Model
from loa_hwsim.amplifier import LineRating
from loa_hwsim.amplifier_port import AmplifierPort
from loa_hwsim.faults import Fault, FaultPlan, Kind, Place
from loa_protocol.amplifier_map import ADDRESS, AmplifierReading
from loa_protocol.modbus import seal

T = 1_000_000
IDLE = 60_000


def asleep(wake_ms: int = 500) -> Amplifier:
    """Return one that went to sleep at `T`."""
    amplifier = Amplifier(wake_ms, IDLE, T - IDLE)
    amplifier.tick(T - IDLE + wake_ms)
    amplifier.tick(T)
    assert amplifier.is_asleep
    return amplifier


def test_the_table_answers_every_event_in_every_state() -> None:
    assert set(MOVES) == set(product(State, Event))


def test_an_agent_that_starts_wakes_it_and_lets_it_sleep_after_the_idle_time() -> None:
    amplifier = Amplifier(500, IDLE, T)
    seen = []
    for at_ms in (T, T + 499, T + 500, T + IDLE, T + 5000 + IDLE):
        amplifier.tick(at_ms)
        seen.append((amplifier.is_asleep, amplifier.is_muted, amplifier.next_deadline()))
        if at_ms == T + 500:
            amplifier.want(T + 5000)
    wakes, sleeps = T + 500, T + 5000 + IDLE
    assert seen[:2] == [(False, True, wakes)] * 2
    assert seen[2:4] == [(False, False, T + IDLE), (False, False, sleeps)]
    assert seen[4] == (True, True, None)


def test_what_begins_at_once_is_put_off_and_what_has_its_place_in_time_joins_at_its_place() -> None:
    amplifier = asleep()
    effects: list[Effect] = [
        Silence(0, 50),
        OpenTone("tone", 10_000),
        SetGain(0, 0, 50),
        SoundMedia("tone", 0, 0, 0, 50),
        SoundMedia("item", 100, T + 400, 20, 20),
        SoundMedia("later", 0, T + 4000, 20, 20),
        SoundLineIn(T + 100, 20, 20),
    ]
    ready = T + 500 + BUS_MS
    led = amplifier.lead(effects, T)
    assert led[:3] == effects[:3]
    assert led[3] == SoundMedia("tone", 0, ready, 0, 50)
    assert led[4] == SoundMedia("item", 300, ready, 20, 20)
    assert led[5] == effects[5]
    assert led[6] == SoundLineIn(ready, 20, 20)
    assert amplifier.state is State.WAKING


def test_what_is_only_opened_wakes_it_ahead_and_what_is_silent_wakes_it_not() -> None:
    amplifier = asleep()
    assert amplifier.lead([Silence(0, 20), SetGain(0, 0, 0)], T) == [
        Silence(0, 20),
        SetGain(0, 0, 0),
    ]
    assert amplifier.is_asleep
    amplifier.lead([Prepare("item", bytes(32), 0, 0)], T)
    sound = SoundMedia("item", 0, T + 10_000, 0, 0)
    assert amplifier.lead([sound], T + 9500) == [sound]


def test_one_whose_wake_time_nobody_measured_is_given_the_stated_one() -> None:
    assert asleep(WAKE_MS).ready_ms(T) == Amplifier(0, IDLE, T).ready_ms(T) == T + WAKE_MS + BUS_MS


class Bench:
    """Bus and model joined by a line on which bytes take no time but the slave's own."""

    def __init__(self, *faults: Fault, wake_ms: int = 500) -> None:
        self.now = T
        self.amplifier = Amplifier(wake_ms, IDLE, T)
        self.bus = AmplifierBus(self.amplifier)
        self.model = Model(LineRating(), FaultPlan(faults), wake_ms=wake_ms)
        self.port = AmplifierPort(self.model)
        self.events: list[object] = []
        self.is_cut = False
        self.bus.start(T)

    def run(self, until: int) -> None:
        while self.now < until:
            self.now += 10
            self.events += self.bus.tick(self.now)
            for output in self.port.feed(self.bus.outgoing(), self.now):
                if not self.is_cut:
                    self.events += self.bus.feed(output.data, self.now)
            self.events += self.bus.tick(self.now)


def test_the_bus_wakes_mutes_and_lets_sleep_and_reads_how_it_is() -> None:
    bench = Bench()
    bench.run(T + 100)
    assert (bench.model.is_asleep, bench.model.is_muted) == (False, True)
    bench.run(T + 600)
    assert not bench.model.is_muted
    bench.run(T + 3000)
    awake = AmplifierReading(is_asleep=False, is_muted=False, faults=0)
    assert bench.events[-1] == AmplifierRead(awake)
    bench.run(T + IDLE + 100)
    assert bench.model.is_asleep
    bench.amplifier.want(bench.now)
    bench.run(bench.now + 20)
    assert not bench.model.is_asleep


def test_a_dead_one_is_told_once_and_told_when_it_is_back_and_is_woken_then() -> None:
    dead = Fault(
        kind=Kind.AMPLIFIER_DEAD, place=Place.AMPLIFIER, start_ms=T + 5000, end_ms=T + 20_000
    )
    bench = Bench(dead)
    bench.run(T + 15_000)
    told = [each for each in bench.events if not isinstance(each, AmplifierRead)]
    assert [type(each) for each in told] == [AmplifierSilent]
    bench.run(T + 25_000)
    told = [each for each in bench.events if not isinstance(each, AmplifierRead)]
    assert [type(each) for each in told] == [AmplifierSilent, AmplifierBack]
    assert (bench.model.is_asleep, bench.model.is_muted) == (False, False)


def test_one_that_lost_its_power_unseen_is_woken_anew() -> None:
    bench = Bench()
    bench.run(T + 5000)
    bench.model.lose_power()
    bench.run(T + 6100)
    assert bench.amplifier.state is State.WAKING
    bench.run(T + 7100)
    assert (bench.model.is_asleep, bench.model.is_muted) == (False, False)


def test_a_port_that_is_not_there_is_told_like_one_that_does_not_answer() -> None:
    bus = AmplifierBus(Amplifier(500, IDLE, T))
    events = [event for at in range(T, T + 10_000, 100) for event in bus.tick(at)]
    assert events == [AmplifierSilent("the port is not there")]


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_no_bytes_from_the_line_confuse_it(pieces: list[bytes]) -> None:
    bench = Bench()
    for piece in pieces:
        bench.run(bench.now + 100)
        bench.bus.feed(piece, bench.now)
    bench.run(bench.now + 3000)
    assert (bench.model.is_asleep, bench.model.is_muted) == (False, False)


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        ("28 03 00 00 00 01", "28 83 01"),
        ("28 06 00 01 00 04", "28 86 02"),
        ("28 04 00 01 00 02", "28 84 02"),
        ("28 06 00 00 00 0C", "28 06 00 00 00 0C"),
    ],
)
def test_the_model_answers_as_the_page_says(frame: str, answer: str) -> None:
    assert bytes.fromhex(frame)[0] == ADDRESS
    port = AmplifierPort(Model(LineRating(), FaultPlan(())))
    (output,) = port.feed(seal(bytes.fromhex(frame)), T)
    assert output.data == seal(bytes.fromhex(answer))


def test_the_bytes_on_the_page_are_what_both_sides_say() -> None:
    page = Path(__file__).parents[2] / "docs" / "protocol" / "amplifier.md"
    shown = [
        bytes.fromhex(line)
        for line in re.findall(r"((?:[0-9A-F]{2} ?){8,})\n", page.read_text(encoding="utf-8"))
    ]
    bench = Bench()
    sent: list[bytes] = []
    for now in range(T, T + 2500, 10):
        bench.bus.tick(now)
        asked = bench.bus.outgoing()
        answers = [output.data for output in bench.port.feed(asked, now)]
        for answer in answers:
            bench.bus.feed(answer, now)
        sent += [asked, *answers] if asked else []
    assert set(shown) == set(sent)
    assert len(shown) == 4
