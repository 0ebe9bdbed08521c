"""The tuner's host side against the modelled tuner, byte for byte in virtual time."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.fuzz_xdr import fuzz
from loa_endpoint.core.bearer import PiRead, SignalRead, TunerQuiet, TunerTuned
from loa_endpoint.core.xdr import (
    Back,
    Event,
    Lost,
    Quiet,
    Rejected,
    XdrHost,
    XdrTiming,
    to_reading,
)
from loa_endpoint.core.xdr_lines import Dialect, Pi, Quality, RdsGroup, Started, Tuned
from loa_hwsim.air import Air, Transmitter
from loa_hwsim.device import Output
from loa_hwsim.tuner import Tuner
from loa_hwsim.xdr import FM_DX_TUNER, FM_DX_TUNER_LEGACY_RDS
from loa_protocol.parameters import FallbackParameters

STATION = Transmitter(frequency_khz=91_000, pi=0x7301, ps="XA HA", level_dbuv=55.0, stereo=True)


class Device(Protocol):
    def feed(self, data: bytes, now_ms: float) -> list[Output]: ...
    def advance(self, now_ms: float) -> list[Output]: ...
    def next_deadline(self) -> float | None: ...


class DialectB:
    """As much of TEF6686_ESP32 as tells it from the other: its start, its echoes, its lines."""

    def __init__(self, *, knows: str = "xTDYM", low_khz: int = 65_000) -> None:
        self.frequency_khz, self.heard = 87_500, b""
        self._knows, self._low_khz = knows, low_khz
        self._line, self._started, self._due_ms = b"", False, 0.0

    def feed(self, data: bytes, now_ms: float) -> list[Output]:
        self.heard += data
        *lines, self._line = (self._line + data).split(b"\n")
        return [Output(now_ms + 5, echo) for line in lines if (echo := self._echo(line[:15]))]

    def advance(self, now_ms: float) -> list[Output]:
        if not self._started or now_ms < self._due_ms:
            return []
        self._due_ms = now_ms + 66
        return [Output(now_ms, b"P7301\n"), Output(now_ms, b"Ss65.8,3,1,236\n\n")]

    def next_deadline(self) -> float | None:
        return self._due_ms if self._started else None

    def _echo(self, line: bytes) -> bytes:
        command = line.decode()
        if not command or command[0] not in self._knows:
            return b""
        if command[0] == "x":
            self._started = True
            return b"OK\nT%d\nG00\n" % self.frequency_khz
        if command[0] == "T":
            asked = int(command[1:])
            if self._low_khz <= asked <= 108_000:
                self.frequency_khz = asked // 10 * 10
            return b"M0\nT%d\n" % self.frequency_khz
        return line + b"\n"


@dataclass
class Bench:
    """Host and device on one wire; bytes are never late, but can be lost."""

    device: Device
    timing: XdrTiming = field(default_factory=XdrTiming)
    now_ms: int = 0
    cut: bool = False  # nothing passes either way

    def __post_init__(self) -> None:
        self.host = XdrHost(self.timing)
        self.events: list[tuple[int, Event]] = []
        self.sent: list[tuple[int, bytes]] = []
        self._wire: list[tuple[float, int, bytes]] = []
        self._number = 0

    def open(self) -> None:
        self.host.start(self.now_ms)
        self._pump([])

    def tune(self, khz: int) -> None:
        self.host.tune(khz, self.now_ms)
        self._pump([])

    def inject(self, data: bytes) -> None:
        self._pump(self.host.feed(data, self.now_ms))

    def run(self, for_ms: int) -> None:
        end_ms = self.now_ms + for_ms
        while True:
            times = [self.host.next_deadline(), self.device.next_deadline()]
            times.append(self._wire[0][0] if self._wire else None)
            at_ms = min((each for each in times if each is not None), default=end_ms + 1)
            if at_ms > end_ms:
                break
            self.now_ms = max(self.now_ms, int(-(-at_ms // 1)))
            self._carry(self.device.advance(self.now_ms))
            while self._wire and self._wire[0][0] <= self.now_ms:
                data = heapq.heappop(self._wire)[2]
                self._pump(self.host.feed(data, self.now_ms))
            self._pump(self.host.tick(self.now_ms))
            deadline_ms = self.host.next_deadline()
            assert deadline_ms is None or deadline_ms > self.now_ms
        self.now_ms = end_ms

    def told(self, *kinds: type[Event]) -> list[Event]:
        return [event for _, event in self.events if isinstance(event, kinds)]

    def commands(self) -> list[bytes]:
        return [line for _, data in self.sent for line in data.split(b"\n") if line]

    def _pump(self, events: list[Event]) -> None:
        self.events += [(self.now_ms, event) for event in events]
        data = self.host.outgoing()
        if data:
            self.sent.append((self.now_ms, data))
            if not self.cut:
                self._carry(self.device.feed(data, self.now_ms))

    def _carry(self, outputs: list[Output]) -> None:
        for output in outputs:
            if not self.cut:
                self._number += 1
                heapq.heappush(self._wire, (output.when_ms, self._number, output.data))


def model(**changes: object) -> Tuner:
    return Tuner(Air([STATION]), **changes)  # type: ignore[arg-type]  # test convenience


def tuned(device: Device | None = None) -> Bench:
    bench = Bench(device or model())
    bench.open()
    bench.tune(91_000)
    bench.run(4000)
    return bench


# --- a good day


@pytest.mark.requirement("RAD-1")
def test_the_first_command_waits_for_the_boards_restart() -> None:
    bench = Bench(model())
    bench.open()
    bench.run(3000)
    assert bench.sent[0] == (1750, b"x\n")
    assert bench.told(Started) == [Started()]


@pytest.mark.requirement("RAD-1")
@pytest.mark.parametrize("dialect", [FM_DX_TUNER, FM_DX_TUNER_LEGACY_RDS], ids=lambda d: d.name)
def test_a_tuner_of_dialect_a_is_started_tuned_and_heard(dialect: object) -> None:
    bench = tuned(model(dialect=dialect))
    assert bench.commands() == [b"x", b"D0", b"Y100", b"T91000"]
    assert Tuned(91_000) in bench.told(Tuned)
    quality = bench.told(Quality)
    assert len(quality) > 20
    assert all(abs(q.level_dbuv - 55) < 0.5 for q in quality if isinstance(q, Quality))
    assert bench.told(Pi)[-1] == Pi(0x7301, 0)
    groups = [event.group for event in bench.told(RdsGroup) if isinstance(event, RdsGroup)]
    assert groups
    assert bench.host.dialect is Dialect.A


@pytest.mark.requirement("RAD-1")
def test_a_tuner_of_dialect_b_is_recognised_and_read_in_its_own_units() -> None:
    bench = tuned(DialectB())
    assert bench.host.dialect is Dialect.B
    assert bench.told(Tuned)[-1] == Tuned(91_000)
    quality = bench.told(Quality)[-1]
    assert isinstance(quality, Quality)
    assert quality.level_dbuv == pytest.approx(54.92, abs=0.01)  # 65.8 dBf less 10.875
    assert bench.told(Quiet, Lost, Rejected) == []


@pytest.mark.requirement("RAD-1")
def test_no_command_is_longer_than_the_tuners_buffer_and_none_is_sent_before_the_last_echo() -> (
    None
):
    bench = Bench(model())
    bench.cut = True
    bench.open()
    bench.tune(91_000)
    bench.run(1800)
    assert bench.commands() == [b"x"]
    for line, following in ((b"OK", b"D0"), (b"D0", b"Y100"), (b"Y100", b"T91000")):
        bench.inject(line + b"\n")
        assert bench.sent[-1][1] == following + b"\n"
    assert all(len(command) <= 15 for command in bench.commands())


def test_retuning_asks_at_once_and_hears_the_echo() -> None:
    bench = tuned()
    bench.tune(98_505)
    bench.run(100)
    assert bench.told(Tuned)[-1] == Tuned(98_500)  # FM steps are 10 kHz
    assert bench.commands()[-1] == b"T98505"


def test_events_become_what_the_fallback_machine_hears() -> None:
    assert to_reading(Quality(5500, True, 30, None, Dialect.A)) == SignalRead(5500, 30)
    assert to_reading(Pi(0x7301, 2)) == PiRead(0x7301, 2)
    assert to_reading(Tuned(91_000)) == TunerTuned(91_000)
    assert to_reading(Quiet(1000)) == to_reading(Lost(3000)) == TunerQuiet()
    assert to_reading(Started()) is to_reading(Rejected("T1")) is None


# --- silence where an answer should be


@pytest.mark.requirement("RAD-1")
def test_a_rejected_frequency_is_survived() -> None:
    bench = tuned()
    bench.tune(61_500)  # below what a TEF668x receives
    bench.run(5000)
    assert bench.told(Rejected) == [Rejected("T61500")]
    assert bench.commands().count(b"T61500") == 3
    assert bench.events[-1][0] > bench.now_ms - 200  # quality lines go on
    bench.tune(91_000)
    bench.run(100)
    assert bench.told(Tuned)[-1] == Tuned(91_000)


def test_a_rejected_frequency_is_not_asked_for_again_at_every_touch_of_the_knob() -> None:
    bench = tuned()
    bench.tune(61_500)
    bench.run(5000)
    bench.inject(b"T98500,10\n")
    bench.run(5000)
    assert bench.commands().count(b"T61500") == 3


def test_a_lost_line_end_costs_one_try_and_not_two() -> None:
    device = model()
    bench = Bench(device)
    bench.cut = True
    bench.open()
    bench.run(1800)
    device.feed(b"x", bench.now_ms)  # what came through of the first try
    bench.cut = False
    bench.run(800)
    assert bench.told(Started) == [Started()]
    assert bench.commands().count(b"x") == 2


@pytest.mark.requirement("RAD-1")
def test_dialect_b_echoes_the_old_frequency_and_that_too_is_a_rejection() -> None:
    bench = tuned(DialectB())
    bench.tune(61_500)
    bench.run(5000)
    assert bench.told(Rejected) == [Rejected("T61500")]
    assert bench.commands().count(b"T61500") == 3


def test_a_tuner_that_knows_nothing_but_start_and_tune_still_works() -> None:
    bench = tuned(DialectB(knows="xT"))
    bench.run(2000)
    assert bench.told(Rejected) == [Rejected("D0"), Rejected("Y100")]
    assert bench.told(Tuned)[-1] == Tuned(91_000)


def test_a_port_behind_which_nothing_answers_is_reopened_again_and_again() -> None:
    bench = Bench(model())
    bench.cut = True
    bench.open()
    bench.run(60_000)
    assert bench.commands() == [b"x"] * 3
    assert bench.told(Quiet) == [Quiet(1500)]
    bench.open()
    bench.cut = False
    bench.run(4000)
    assert bench.told(Started) == [Started()]


def test_a_damaged_echo_costs_one_more_try() -> None:
    bench = Bench(model())
    bench.open()
    bench.run(1750)
    bench.cut = True  # the OK on the wire is lost with everything that follows
    bench._wire.clear()
    bench.run(400)
    bench.cut = False
    bench.tune(91_000)
    bench.run(1500)
    assert bench.told(Started) == [Started()]
    assert bench.told(Tuned)[-1] == Tuned(91_000)


def test_a_tuner_that_never_stopped_counts_as_started() -> None:
    host = XdrHost(XdrTiming(open_wait_ms=100))
    host.start(0)
    host.tune(91_000, 0)
    host.tick(100)
    assert host.outgoing() == b"x\n"
    events = host.feed(b"Ss58.75,3,0,-1\n", 150)
    assert Started() in events
    assert host.outgoing() == b"D0\n"


def test_what_arrives_before_our_start_is_not_taken_for_its_answer() -> None:
    host = XdrHost(XdrTiming(open_wait_ms=100))
    host.start(0)
    assert host.feed(b"OK\n", 50) == []
    host.tick(100)
    assert host.outgoing() == b"x\n"


# --- losing it


@pytest.mark.requirement("RAD-1")
def test_a_second_without_a_line_asks_to_reopen_and_three_are_a_loss() -> None:
    bench = tuned()
    bench.cut = True
    gone_ms = [at for at, event in bench.events if isinstance(event, Quality)][-1]
    bench.run(10_000)
    assert [at - gone_ms for at, event in bench.events if isinstance(event, Quiet)] == [1000]
    assert [at - gone_ms for at, event in bench.events if isinstance(event, Lost)] == [3000]


def test_after_a_loss_the_first_line_says_that_it_is_back() -> None:
    bench = tuned()
    bench.cut = True
    bench.run(5000)
    bench.cut = False
    bench.open()
    bench.run(3000)
    assert bench.told(Back) == [Back()]
    assert bench.told(Tuned)[-1] == Tuned(91_000)


def test_a_restarted_tuner_is_started_and_tuned_again() -> None:
    device = model()
    bench = tuned(device)
    device.power_cycle(bench.now_ms)
    bench.run(1500)
    assert bench.told(Quiet) == [Quiet(1000)]
    bench.host.closed()
    bench.open()
    bench.run(3000)
    assert device.frequency_khz == 91_000
    assert bench.told(Started) == [Started()] * 2


def test_the_times_of_the_link_are_parameters() -> None:
    timing = XdrTiming.of(FallbackParameters(tuner_reopen_ms=400, tuner_fail_ms=900))
    bench = Bench(model(), timing)
    bench.open()
    bench.run(2000)
    bench.tune(91_000)
    bench.run(500)
    bench.cut = True
    bench.run(2000)
    assert bench.told(Quiet, Lost) == [Quiet(400), Lost(900)]


def test_a_resting_tuner_is_not_missed() -> None:
    bench = tuned()
    bench.host.rest()
    bench.cut = True
    bench.run(60_000)
    assert bench.told(Quiet, Lost) == []


def test_before_anybody_wants_a_frequency_silence_is_no_fault() -> None:
    bench = Bench(model())  # the model, like the firmware, is quiet until it is tuned
    bench.open()
    bench.run(60_000)
    assert bench.told(Quiet, Lost) == []


def test_a_frequency_set_by_somebody_else_is_undone() -> None:
    device = model()
    bench = tuned(device)
    bench._carry(device.feed(b"T98500\n", bench.now_ms))
    bench.run(200)
    assert bench.told(Tuned)[-2:] == [Tuned(98_500), Tuned(91_000)]


def test_a_frequency_of_no_radio_is_our_own_bug() -> None:
    with pytest.raises(ValueError, match="no frequency"):
        XdrHost().tune(0, 0)


# --- noise


@pytest.mark.requirement("RAD-1")
@settings(max_examples=20)
@given(noise=st.lists(st.binary(max_size=60), max_size=8))
def test_garbage_between_the_lines_never_stops_the_conversation(noise: list[bytes]) -> None:
    bench = tuned(DialectB())
    for data in noise:
        bench.inject(data)
        bench.run(100)
    bench.inject(b"\n")
    bench.tune(98_500)
    bench.run(2500)
    assert Tuned(98_500) in bench.told(Tuned)
    assert bench.events[-1][0] > bench.now_ms - 200


@given(st.binary(max_size=400))
def test_no_bytes_break_or_speed_up_the_host(data: bytes) -> None:
    fuzz(data)
