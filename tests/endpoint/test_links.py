"""Tuner and line board over real pseudo-terminals, with the modelled devices behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from loa_endpoint.core.amplifier_bus import AmplifierRead
from loa_endpoint.core.effect import OpenTone, SoundMedia
from loa_endpoint.core.line_monitor import BoardBack, BoardSilent, LineRead
from loa_endpoint.core.xdr import Back, Lost, Quiet, XdrTiming
from loa_endpoint.core.xdr_lines import Pi, Quality, RdsGroup, Started, Tuned
from loa_endpoint.link.amplifier import AmplifierLink
from loa_endpoint.link.conversation import monotonic_ms
from loa_endpoint.link.line_monitor import LineBoardLink
from loa_endpoint.link.tuner import Tuner, XdrTuner
from loa_hwsim import tuner as tuner_model
from loa_hwsim.air import Air, Transmitter
from loa_hwsim.amplifier import Amplifier, LineRating, SpeakerLine
from loa_hwsim.amplifier_port import AmplifierPort
from loa_hwsim.device import Device
from loa_hwsim.faults import FaultPlan
from loa_hwsim.line_board import LineBoard
from loa_hwsim.transport import RunningClock, SerialLine, Terminal
from support.waiting import eventually

STATION = Transmitter(frequency_khz=91_000, pi=0x7301, ps="XA HA", level_dbuv=55.0)
TIMING = XdrTiming(open_wait_ms=30, echo_ms=1000)
Plug = Callable[..., SerialLine]


class Heard(list[object]):
    """Events as they come in."""

    def of(self, kind: type) -> list[object]:
        return [event for event in self if isinstance(event, kind)]


@pytest.fixture
async def plug(tmp_path: Path) -> AsyncIterator[Plug]:
    lines: list[SerialLine] = []

    def make(device: Device, baud: int) -> SerialLine:
        terminal = Terminal(tmp_path / "port")
        line = SerialLine("port", terminal, device, RunningClock(), baud=baud, is_strict=True)
        line.plug()
        lines.append(line)
        return line

    yield make
    for line in lines:
        line.unplug()


@pytest.fixture
async def fm(plug: Plug, tmp_path: Path) -> AsyncIterator[tuple[SerialLine, XdrTuner, Heard]]:
    line = plug(tuner_model.Tuner(Air([STATION])), 115_200)
    heard = Heard()
    tuner = XdrTuner(str(tmp_path / "port"), heard.append, timing=TIMING, retry_s=0.02)
    yield line, tuner, heard
    tuner.close()


Fm = tuple[SerialLine, XdrTuner, Heard]


@pytest.mark.requirement("RAD-1")
async def test_a_tuner_on_a_line_is_started_tuned_and_heard(fm: Fm) -> None:
    _, tuner, heard = fm
    tuner.start()
    tuner.tune(91_000)
    await eventually(lambda: heard.of(RdsGroup) and Pi(0x7301, 0) in heard)
    assert Started() in heard
    assert Tuned(91_000) in heard
    quality = heard.of(Quality)[-1]
    assert isinstance(quality, Quality)
    assert quality.level_dbuv == pytest.approx(55, abs=0.5)


@pytest.mark.requirement("RAD-1")
async def test_an_unplugged_tuner_is_found_again_and_tuned_to_where_it_was(fm: Fm) -> None:
    line, tuner, heard = fm
    tuner.start()
    tuner.tune(91_000)
    await eventually(lambda: heard.of(Quality))
    line.unplug()
    await eventually(lambda: heard.of(Lost))
    heard.clear()
    line.plug()
    await eventually(lambda: Tuned(91_000) in heard)
    await eventually(lambda: heard.of(Back))


async def test_a_tuner_that_hangs_is_reopened_after_a_second(fm: Fm) -> None:
    line, tuner, heard = fm
    tuner.start()
    tuner.tune(91_000)
    await eventually(lambda: heard.of(Quality))
    line.is_stalled = True
    await eventually(lambda: heard.of(Quiet))
    heard.clear()
    line.is_stalled = False
    await eventually(lambda: heard.of(Started) and heard.of(Quality))
    assert heard.of(Lost) == []


@pytest.mark.requirement("RAD-1")
async def test_garbage_on_the_line_is_lived_through(fm: Fm) -> None:
    line, tuner, heard = fm
    tuner.start()
    tuner.tune(91_000)
    for _ in range(10):
        line.inject(b"\xff\x00Ss9999,\nP\nT\n" + bytes(range(256)))
        await asyncio.sleep(0.01)  # pieces of garbage among the echoes
    heard.clear()
    await eventually(lambda: heard.of(Quality) and heard.of(Pi))


async def test_a_tuner_may_be_plugged_in_after_the_agent_started(
    plug: Plug, tmp_path: Path
) -> None:
    heard = Heard()
    tuner: Tuner = XdrTuner(str(tmp_path / "port"), heard.append, timing=TIMING, retry_s=0.02)
    tuner.start()
    tuner.tune(91_000)
    plug(tuner_model.Tuner(Air([STATION])), 115_200)
    await eventually(lambda: heard.of(Quality))
    tuner.close()


async def test_a_closed_tuner_says_nothing_more(fm: Fm) -> None:
    line, tuner, heard = fm
    tuner.start()
    tuner.tune(91_000)
    await eventually(lambda: heard.of(Quality))
    tuner.close()
    heard.clear()
    line.unplug()
    await asyncio.sleep(0.2)  # three quality lines long
    assert not heard


# --- the line board


@pytest.fixture
def board() -> LineBoard:
    rating, plan = LineRating(), FaultPlan(())
    return LineBoard(Amplifier(rating, plan), SpeakerLine(rating, plan), address=21)


@pytest.mark.requirement("HLT-2")
async def test_the_board_is_read_over_its_line(
    plug: Plug, board: LineBoard, tmp_path: Path
) -> None:
    plug(board, 9600)
    tone = 0.1 * np.sin(np.arange(48_000) * 2 * np.pi * 1000 / 48_000)
    board.hear(tone.astype(np.float32), RunningClock().now_ms())
    heard = Heard()
    link = LineBoardLink(str(tmp_path / "port"), 21, on_event=heard.append, poll_ms=200)
    link.start()
    await eventually(lambda: len(heard.of(LineRead)) >= 3)
    link.close()
    first = heard.of(LineRead)[0]
    assert isinstance(first, LineRead)
    assert first.reading.level_mv is not None
    assert first.reading.level_mv > 1000


async def test_a_board_that_goes_away_and_comes_back_is_told(
    plug: Plug, board: LineBoard, tmp_path: Path
) -> None:
    line = plug(board, 9600)
    heard = Heard()
    link = LineBoardLink(
        str(tmp_path / "port"), 21, on_event=heard.append, poll_ms=200, retry_s=0.02
    )
    link.start()
    await eventually(lambda: heard.of(LineRead))
    line.unplug()
    await eventually(lambda: heard.of(BoardSilent) == [BoardSilent(5, "the port is not there")])
    line.plug()
    await eventually(lambda: heard.of(BoardBack))
    link.close()


async def test_an_adapter_that_hears_itself_does_not_confuse_the_master(
    plug: Plug, board: LineBoard, tmp_path: Path
) -> None:
    line = plug(board, 9600)
    line.is_echoing = True
    heard = Heard()
    link = LineBoardLink(str(tmp_path / "port"), 21, on_event=heard.append, poll_ms=200)
    link.start()
    await eventually(lambda: len(heard.of(LineRead)) >= 2)
    link.close()


async def test_a_board_under_another_address_stays_silent(
    plug: Plug, board: LineBoard, tmp_path: Path
) -> None:
    plug(board, 9600)
    heard = Heard()
    link = LineBoardLink(str(tmp_path / "port"), 22, on_event=heard.append, poll_ms=40)
    link.start()
    await eventually(lambda: heard == [BoardSilent(5, "no answer")])
    link.close()


async def test_an_amplifier_is_woken_over_its_line_and_sound_waits_until_it_is(
    plug: Plug, tmp_path: Path
) -> None:
    model = Amplifier(LineRating(), FaultPlan(()), wake_ms=200)
    plug(AmplifierPort(model), 9600)
    heard = Heard()
    link = AmplifierLink(str(tmp_path / "port"), 200, 600, on_event=heard.append, retry_s=0.02)
    link.start()
    await eventually(lambda: model.is_asleep)  # 0.6 s later, as nothing sounds
    begun_ms = monotonic_ms()
    tone = SoundMedia("tone", 0, 0, 0, 50)
    opened, put_off = link.lead([OpenTone("tone", 10_000), tone], begun_ms)
    assert opened == OpenTone("tone", 10_000)
    assert isinstance(put_off, SoundMedia)
    assert put_off.at_ms == begun_ms + 300
    await eventually(lambda: not model.is_asleep and not model.is_muted)
    await eventually(lambda: heard.of(AmplifierRead))
    link.close()
