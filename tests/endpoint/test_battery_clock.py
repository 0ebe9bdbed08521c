"""The battery clock: when it is believed, how Linux is asked, and who keeps the proof."""

from __future__ import annotations

import errno
import json
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.app.battery import BatteryKeeper
from loa_endpoint.core.battery import BatteryTime, Proof, Standing, judge
from loa_endpoint.host.battery_clock import (
    RTC_RD_TIME,
    RTC_SET_TIME,
    RTC_VL_CLR,
    RTC_VL_READ,
    BatteryClock,
    BatteryClockError,
    FileBatteryClock,
    LinuxBatteryClock,
    open_battery_clock,
)
from loa_endpoint.store.state import State

NOW = 1_800_000_000_000
HOUR, DAY, YEAR = 3_600_000, 86_400_000, 365 * 86_400_000
PROOF = Proof(written_ms=NOW, boot=b"boot-1", mono_ms=500_000)


def said(unix_ms: int, *, is_stopped: bool = False) -> BatteryTime:
    return BatteryTime(unix_ms, is_stopped=is_stopped)


# --- the judgement


@pytest.mark.requirement("TIM-4", "OFF-1")
def test_after_a_power_cut_a_clock_that_we_set_is_believed() -> None:
    assert judge(said(NOW + 3 * DAY), PROOF, boot=b"boot-2", mono_ms=9000) is Standing.SOUND


@pytest.mark.requirement("TIM-4")
@pytest.mark.parametrize(
    ("time", "proof", "standing"),
    [
        (None, PROOF, Standing.ABSENT),
        (said(NOW + DAY), None, Standing.UNPROVEN),
        (said(NOW + DAY, is_stopped=True), PROOF, Standing.STOPPED),
        (said(946_684_800_000), PROOF, Standing.CHANGED),  # a changed battery: 1 January 2000
        (said(NOW - HOUR), PROOF, Standing.CHANGED),
    ],
)
def test_a_clock_is_not_believed_without_proof_nor_after_a_stop_nor_when_it_went_back(
    time: BatteryTime | None, proof: Proof | None, standing: Standing
) -> None:
    assert judge(time, proof, boot=b"boot-2", mono_ms=9000) is standing


@pytest.mark.requirement("TIM-4")
@pytest.mark.parametrize("lie", [HOUR, 40 * DAY, 14 * YEAR, -HOUR])
def test_within_one_boot_every_change_shows_such_as_the_kernels_from_a_lying_server(
    lie: int,
) -> None:
    later = PROOF.mono_ms + 600_000
    at = judge(said(NOW + 600_000), PROOF, boot=b"boot-1", mono_ms=later)
    assert at is Standing.SOUND
    assert judge(said(NOW + lie), PROOF, boot=b"boot-1", mono_ms=later) is Standing.CHANGED


@given(away=st.integers(0, 3 * YEAR), ppm=st.integers(-90, 90))
def test_an_honest_crystal_is_sound_and_as_far_off_as_it_is_said_to_be(away: int, ppm: int) -> None:
    shown = (NOW + away + away * ppm // 1_000_000) // 1000 * 1000
    standing = judge(said(shown), PROOF, boot=b"boot-1", mono_ms=PROOF.mono_ms + away)
    assert standing is Standing.SOUND
    assert abs(shown - NOW - away) <= PROOF.error_ms(shown)


@given(
    st.builds(
        Proof,
        written_ms=st.integers(0, 2**50),
        boot=st.binary(min_size=1, max_size=64),
        mono_ms=st.integers(0, 2**50),
    )
)
def test_a_proof_survives_the_disk(proof: Proof) -> None:
    assert Proof.from_bytes(proof.to_bytes()) == proof


# --- the devices: one suite for both


class Kernel:
    """Answers the questions of ``linux/rtc.h`` as a driver does, with structures of its own."""

    def __init__(self) -> None:
        self.fields = (0, 0, 0, 1, 0, 70)  # second to year, as struct tm
        self.flags = 1
        self.refuses: dict[int, int] = {}

    def __call__(self, _fd: int, request: int, data: bytes) -> bytes:
        if request in self.refuses:
            raise OSError(self.refuses[request], "refused")
        if request == RTC_RD_TIME:
            return struct.pack("9i", *self.fields, 0, 0, 0)
        if request == RTC_SET_TIME:
            self.fields = struct.unpack("9i", data)[:6]
        elif request == RTC_VL_READ:
            return struct.pack("I", self.flags)
        elif request == RTC_VL_CLR:
            self.flags = 0
        return b""


def linux_clock(folder: Path) -> LinuxBatteryClock:
    device = folder / "rtc0"
    device.touch()
    return LinuxBatteryClock(device, Kernel())


def file_clock(folder: Path) -> FileBatteryClock:
    return FileBatteryClock(folder / "rtc.json", lambda: 1000)


@pytest.mark.parametrize("make", [linux_clock, file_clock])
@pytest.mark.parametrize("unix_ms", [NOW, NOW + 499, NOW - 500, 946_684_800_000, 4_102_444_800_000])
def test_a_clock_keeps_the_nearest_second_and_runs_once_it_was_set(
    tmp_path: Path, make: Callable[[Path], BatteryClock], unix_ms: int
) -> None:
    clock = make(tmp_path)
    written = clock.set(unix_ms)
    assert abs(written - unix_ms) <= 500
    assert clock.read() == BatteryTime(written, is_stopped=False)


@pytest.mark.parametrize(
    "port", ["/dev/no-such-clock", "file:/nowhere/at/all", "file:/dev/null", "/dev/null"]
)
def test_what_is_no_clock_says_so_by_name(port: str) -> None:
    clock = open_battery_clock(port)
    assert clock is not None
    with pytest.raises(BatteryClockError):
        clock.read()


def test_linux_is_told_the_calendar_as_struct_tm(tmp_path: Path) -> None:
    (tmp_path / "rtc0").touch()
    kernel = Kernel()
    clock = LinuxBatteryClock(tmp_path / "rtc0", kernel)
    clock.set(round(datetime(2028, 2, 29, 23, 59, 58, tzinfo=UTC).timestamp()) * 1000)
    assert kernel.fields == (58, 59, 23, 29, 1, 128)


@pytest.mark.parametrize(
    ("refused", "flags", "is_stopped"),
    [
        ({}, 0b0000, False),
        ({}, 0b0001, True),  # data invalid
        ({}, 0b0010, True),  # battery low
        ({}, 0b0100, True),  # battery empty
        ({}, 0b11000, False),  # less accurate, runs from the battery
        ({RTC_VL_READ: errno.ENOTTY}, 1, False),  # a driver that has no such question
        ({RTC_RD_TIME: errno.EINVAL}, 0, True),  # how a driver says that its time is not valid
    ],
)
def test_a_clock_that_stopped_is_seen_in_every_way_a_driver_says_so(
    tmp_path: Path, refused: dict[int, int], flags: int, is_stopped: bool
) -> None:
    (tmp_path / "rtc0").touch()
    kernel = Kernel()
    kernel.flags, kernel.refuses = flags, refused
    assert LinuxBatteryClock(tmp_path / "rtc0", kernel).read().is_stopped is is_stopped


@given(st.binary(min_size=36, max_size=36))
def test_a_kernel_that_answers_nonsense_breaks_nothing(answer: bytes) -> None:
    def kernel(_fd: int, request: int, _data: bytes) -> bytes:
        return answer if request == RTC_RD_TIME else answer[:4]

    clock = LinuxBatteryClock(Path("/dev/null"), kernel)
    assert isinstance(clock.read(), BatteryTime)


# --- the keeper


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State.open(tmp_path / "state.db", create=True)


@pytest.mark.requirement("TIM-4")
def test_the_keeper_believes_what_it_set_also_after_a_restart(tmp_path: Path, state: State) -> None:
    clock = FileBatteryClock(tmp_path / "rtc.json")
    keeper = BatteryKeeper(clock, state)
    assert keeper.read()[0] is None
    assert keeper.standing is Standing.ABSENT  # the file is not there: no clock fitted
    keeper.set(NOW)
    again = BatteryKeeper(clock, state)
    time, error_ms = again.read()
    assert again.standing is Standing.SOUND
    assert time is not None
    assert abs(time.unix_ms - NOW) <= error_ms


@pytest.mark.requirement("TIM-4")
def test_a_clock_that_somebody_set_is_believed_no_more_whatever_it_says_later(
    tmp_path: Path, state: State
) -> None:
    clock = FileBatteryClock(tmp_path / "rtc.json")
    BatteryKeeper(clock, state).set(NOW)
    clock.set(NOW + HOUR)
    keeper = BatteryKeeper(clock, state)
    assert keeper.read() == (None, 0)
    assert keeper.standing is Standing.CHANGED
    clock.set(NOW)  # set back: still somebody else's word
    assert BatteryKeeper(clock, state).read() == (None, 0)


def test_a_stopped_clock_is_set_again_and_then_believed(tmp_path: Path, state: State) -> None:
    path = tmp_path / "rtc.json"
    clock = FileBatteryClock(path)
    keeper = BatteryKeeper(clock, state)
    keeper.set(NOW)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"is_stopped": True}))
    assert keeper.read() == (None, 0)
    assert keeper.standing is Standing.STOPPED
    keeper.set(NOW, again=True)  # it was set a moment ago: not every minute
    assert keeper.read() == (None, 0)
    keeper.set(NOW)
    assert keeper.read()[0] is not None


def test_a_clock_that_may_not_be_set_harms_nothing(state: State) -> None:
    keeper = BatteryKeeper(open_battery_clock("file:/nowhere/at/all"), state)
    keeper.set(NOW)
    assert keeper.read() == (None, 0)


def test_a_damaged_proof_is_none(tmp_path: Path, state: State) -> None:
    clock = FileBatteryClock(tmp_path / "rtc.json")
    BatteryKeeper(clock, state).set(NOW)
    state.set_fact("battery_clock", b"\xff\x00")
    keeper = BatteryKeeper(clock, state)
    assert keeper.read() == (None, 0)
    assert keeper.standing is Standing.UNPROVEN
