"""The player is replaced when its samples stop, and sounds again within a second."""

from __future__ import annotations

import asyncio
import os
import pathlib
import signal
import time
from collections.abc import AsyncIterator

import numpy as np
import pytest

from loa_endpoint.audio import messages as m
from loa_endpoint.audio.stall import StallSettings
from loa_endpoint.audio.supervisor import PlayerSupervisor
from loa_protocol.errors import SilentError
from support.player_lab import gaps_ms
from support.sound_files import noise, read_wav, to_pcm, write_wav
from support.waiting import eventually

S = 48_000
MS = 1_000_000


def is_there(pid: int | None) -> bool:
    return pathlib.Path(f"/proc/{pid}").exists()


def parent_of(pid: int) -> int:
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


class Agent:
    """As much of an agent as it takes: it replays what should sound, and listens."""

    def __init__(self, folder: pathlib.Path, **facts: object) -> None:
        self.horn = folder / "horn.wav"
        self.media = write_wav(folder / "media.wav", noise(20))
        self.lost: list[str] = []
        self.moved_ns: list[int] = []  # when samples had moved last, at each loss
        self.events: list[m.Event] = []
        self.start_ns = 0
        self.supervisor = PlayerSupervisor(
            f"wav:{self.horn}",
            on_restart=self.replay,
            **facts,  # type: ignore[arg-type]  # settings only
        )

    async def begin(self) -> None:
        await self.supervisor.start()
        self._listening = asyncio.create_task(self._listen())
        await self.supervisor.wait_ready(20)
        self.start_ns = time.monotonic_ns() + 150 * MS
        self.play()

    async def _listen(self) -> None:
        async for event in self.supervisor.events():
            self.events.append(event)

    def replay(self, reason: str) -> None:
        self.lost.append(reason)
        self.moved_ns.append(self.supervisor.last_moving_ns)
        self.play()

    def play(self) -> None:
        position = max(0, (time.monotonic_ns() - self.start_ns) // MS)
        self.supervisor.send(m.Prepare(source="tin", path=str(self.media), position_ms=position))
        self.supervisor.send(m.Play(source="tin", at_ns=self.start_ns, fade_in_ms=5))

    def count(self, kind: type[m.Message]) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    async def sounding_until(self, seconds: float) -> None:
        await eventually(
            lambda: any(
                isinstance(event, m.Beat)
                and event.source
                and event.at_ns > self.start_ns + seconds * 1e9
                for event in self.events
            )
        )

    async def end(self) -> None:
        await self.supervisor.stop()
        await self._listening


@pytest.fixture
async def agent(tmp_path: pathlib.Path) -> AsyncIterator[Agent]:
    agent = Agent(tmp_path)
    await agent.begin()
    yield agent
    await agent.end()


@pytest.mark.requirement("AUD-3", "RAD-4")
@pytest.mark.parametrize("blow", [signal.SIGSTOP, signal.SIGKILL])
async def test_sound_is_back_in_its_place_within_a_second(
    agent: Agent, blow: signal.Signals
) -> None:
    await agent.sounding_until(0.3)
    pid = agent.supervisor.pid
    assert pid is not None
    moved = agent.supervisor.last_moving_ns
    assert abs(time.monotonic_ns() - moved) < 500 * MS
    os.kill(pid, blow)
    await eventually(lambda: agent.lost)
    # What feeds the watchdog stood still, but for a beat that was on its way.
    assert agent.moved_ns[0] - moved < 400 * MS
    await eventually(lambda: agent.count(m.Started) == 2)
    assert agent.lost == ["stalled" if blow == signal.SIGSTOP else "exited"]
    assert agent.supervisor.pid != pid
    assert agent.supervisor.restarts == 1
    begun = [event for event in agent.events if isinstance(event, m.Started)][1]
    await agent.sounding_until((begun.at_ns - agent.start_ns) / 1e9 + 0.3)
    assert agent.supervisor.last_moving_ns > begun.at_ns
    ready = next(event for event in agent.events if isinstance(event, m.Ready))
    heard = read_wav(agent.horn)
    first = ((agent.start_ns - ready.epoch_ns) * S + 500_000_000) // 1_000_000_000
    again = ((begun.at_ns - ready.epoch_ns) * S + 500_000_000) // 1_000_000_000
    (gap,) = gaps_ms(heard[first + S // 10 : again + 9_600])
    assert gap < 1_000
    inside = slice(again + 960, again + 9_600)
    wanted = to_pcm(noise(20))
    assert np.array_equal(heard[inside], wanted[inside.start - first : inside.stop - first])


async def test_a_launcher_that_is_gone_is_replaced_too(agent: Agent) -> None:
    await agent.sounding_until(0.3)
    pid = agent.supervisor.pid
    assert pid is not None
    os.kill(parent_of(pid), signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: agent.count(m.Started) == 2, within_s=20)


async def test_stopping_fades_out_and_leaves_no_process(tmp_path: pathlib.Path) -> None:
    agent = Agent(tmp_path)
    await agent.begin()
    await agent.sounding_until(0.1)
    pid = agent.supervisor.pid
    await agent.end()
    assert not is_there(pid)
    assert not agent.supervisor.send(m.Stop())
    last = [event for event in agent.events if isinstance(event, m.Ended)][-1]
    assert last.reason == "faded"


async def test_stopping_a_hung_player_does_not_hang(tmp_path: pathlib.Path) -> None:
    agent = Agent(tmp_path, settings=StallSettings(stall_s=60))
    await agent.begin()
    pid = agent.supervisor.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    await agent.end()
    assert time.monotonic() - began < 5
    assert not is_there(pid)


async def test_a_sink_that_cannot_be_opened_does_not_spin(tmp_path: pathlib.Path) -> None:
    settings = StallSettings(delays_s=(0.0, 0.05, 30.0))
    supervisor = PlayerSupervisor(f"wav:{tmp_path}/no/folder.wav", settings=settings)
    await supervisor.start()
    events = supervisor.events()
    faults = [await anext(events) for _ in range(3)]
    assert all(isinstance(f, m.Fault) and f.name == "config" for f in faults)
    with pytest.raises(SilentError):
        await supervisor.wait_ready(0.2)
    assert supervisor.restarts == 2  # and the next one in half a minute
    assert not supervisor.send(m.Stop())
    await supervisor.stop()


async def test_a_sink_that_comes_back_is_found_again(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "card"
    settings = StallSettings(delays_s=(0.1,))
    supervisor = PlayerSupervisor(f"wav:{folder}/x.wav", settings=settings)
    await supervisor.start()
    await eventually(lambda: supervisor.restarts)
    folder.mkdir()
    await supervisor.wait_ready(10)
    await eventually(lambda: supervisor.last_moving_ns)
    await supervisor.stop()


async def test_the_line_in_and_the_epoch_reach_the_player(tmp_path: pathlib.Path) -> None:
    epoch = time.monotonic_ns() - 5_000 * MS
    supervisor = PlayerSupervisor(
        f"wav:{tmp_path}/x.wav", line_in=f"fifo:{tmp_path}/fm", epoch_ns=epoch
    )
    await supervisor.start()
    seen: dict[type, m.Event] = {}
    async for event in supervisor.events():
        seen.setdefault(type(event), event)
        if m.LineInLevel in seen:
            break
    ready = seen[m.Ready]
    assert isinstance(ready, m.Ready)
    assert ready.epoch_ns == epoch
    assert ready.at_ns >= epoch + 5_000 * MS
    await supervisor.stop()
