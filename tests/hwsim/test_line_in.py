"""The line-in FIFO is written like a sound card delivers: in time, and never late."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from loa_hwsim.line_in import BLOCK, LineIn
from loa_hwsim.noise import Samples
from loa_hwsim.transport import RunningClock
from loa_protocol.errors import StoreError
from support.waiting import eventually


class Counter:
    """A source whose samples count the milliseconds of their own time, so that gaps show."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def __call__(self, start_ms: float, count: int) -> Samples:
        self.asked.append(start_ms)
        times = start_ms + np.arange(count) / 48
        return np.asarray(times.astype(np.int64) % 32_768, np.float32) / np.float32(32_767)


class Rig:
    """A running line-in and what it told."""

    def __init__(self, path: Path) -> None:
        self.source, self.events = Counter(), list[str]()
        self.line = LineIn(path, self.source, RunningClock(), on_change=self.events.append)
        self.line.plug()
        self.task = asyncio.create_task(self.line.run())

    def open(self) -> int:
        return os.open(self.line.path, os.O_RDONLY | os.O_NONBLOCK)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path / "linein.fifo")
    yield made
    made.task.cancel()
    await asyncio.gather(made.task, return_exceptions=True)
    made.line.unplug()


def read(fd: int) -> bytes:
    try:
        return os.read(fd, 65_536)
    except BlockingIOError:
        return b""


async def test_a_reader_gets_whole_blocks_in_time_and_without_a_gap(rig: Rig) -> None:
    fd = rig.open()
    got = bytearray()
    loop = asyncio.get_running_loop()
    begin = loop.time()

    def enough() -> bool:
        got.extend(read(fd))
        return len(got) >= BLOCK * 2 * 25

    await eventually(enough)
    os.close(fd)
    assert loop.time() - begin >= 0.45  # 25 blocks of 20 ms cannot come sooner
    milliseconds = np.frombuffer(bytes(got), "<i2")[::48].astype(int)
    assert set(np.diff(milliseconds) % 32_768) == {1}


async def test_nobody_reading_is_no_trouble(rig: Rig) -> None:
    fd = rig.open()
    await eventually(lambda: rig.line.written > 2)
    os.close(fd)
    await eventually(lambda: "linein_closed" in rig.events)
    written = rig.line.written
    fd = rig.open()
    await eventually(lambda: rig.line.written > written)
    os.close(fd)
    assert rig.events[:3] == ["linein_open", "linein_closed", "linein_open"]


async def test_a_stalled_reader_loses_blocks_instead_of_lagging(rig: Rig) -> None:
    fd = rig.open()
    await eventually(lambda: rig.line.dropped > 5)
    assert rig.events == ["linein_open", "linein_overrun"]
    held = len(read(fd)) / 2 / 48
    assert held <= 400  # milliseconds of the past, at most
    written = rig.line.written
    await eventually(lambda: rig.line.written > written)
    last_ms = np.frombuffer(read(fd), "<i2")[-1]
    now_ms = rig.source.asked[-1] % 32_768
    assert abs(now_ms + 20 - last_ms) % 32_768 < 100
    os.close(fd)


async def test_a_process_held_up_goes_on_in_the_present(rig: Rig) -> None:
    fd = rig.open()
    await eventually(lambda: rig.line.written > 2)
    before = rig.source.asked[-1]
    time.sleep(0.3)  # noqa: ASYNC251 - holding up the event loop is the point
    await eventually(lambda: rig.source.asked[-1] > before + 250)
    os.close(fd)
    assert rig.line.dropped >= 5
    steps = np.diff([each for each in rig.source.asked if each >= before])
    assert max(steps) > 100  # it jumped
    assert all(step % 20 == 0 for step in steps)


async def test_a_fifo_that_the_reader_made_is_taken_and_left(tmp_path: Path) -> None:
    path = tmp_path / "linein.fifo"
    os.mkfifo(path)
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    rig = Rig(path)
    await eventually(lambda: rig.line.written > 2)
    assert read(fd)
    rig.task.cancel()
    rig.line.unplug()
    assert path.exists()  # a new one would never be found by this reader
    os.close(fd)


async def test_an_unread_fifo_goes_away(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "linein.fifo")
    assert stat.S_ISFIFO(rig.line.path.stat().st_mode)
    rig.task.cancel()
    rig.line.unplug()
    assert not rig.line.path.exists()


def test_something_else_under_the_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "linein.fifo"
    path.write_text("a file")
    line = LineIn(path, Counter(), RunningClock(), on_change=print)
    with pytest.raises(StoreError, match="not a FIFO"):
        line.plug()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    line = LineIn(tmp_path / "none" / "fifo", Counter(), RunningClock(), on_change=print)
    with pytest.raises(StoreError):
        line.plug()
