"""A technician commissions a pole: an amplifier's wake time, measured on the pole itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loa_endpoint.app import wake_measurement
from loa_endpoint.app.options import Hardware
from loa_endpoint.app.wake_measurement_text import wake_lines
from loa_endpoint.core.wake_time import MICROPHONE, Wake
from loa_hwsim.amplifier import Amplifier, LineRating
from loa_hwsim.amplifier_port import AmplifierPort
from loa_hwsim.ear import Ear
from loa_hwsim.faults import FaultPlan
from loa_hwsim.transport import RunningClock, SerialLine, Terminal
from loa_lab.village.crew import Crew, crew
from loa_protocol.amplifier_map import BAUD
from loa_protocol.errors import PeerError
from loa_protocol.objects.placement import Device, Fitting
from support.hamlet import Hamlet, Pole
from support.outbox_lab import OutboxLab
from support.waiting import soon

pytestmark = pytest.mark.story
TIMES = "2"
STANDBY_S = "2"


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loa_protocol.language._chosen", ["en"])


class Commissioned:
    """A provisioned pole whose amplifier needs *wake_ms*; it is being measured."""

    def __init__(self, here: Hamlet, name: str, wake_ms: int) -> None:
        self.wake_ms, self.ports = wake_ms, here.folder / f"{name}-ports"
        self.pole: Pole = here.pole(
            name,
            Fitting(device=Device.LINE_BOARD, port=str(self.ports / "bus"), option=20),
            Fitting(device=Device.AMPLIFIER, port=str(self.ports / "amplifier"), option=0),
        )
        here.crew.start(
            f"{name}-hardware", "loa-sim", "board", "--dir", self.ports,
            "--hears", self.pole.wav, "--wake-ms", str(wake_ms),
        )  # fmt: skip
        soon((self.ports / "amplifier").exists, within_s=40)
        self.process = here.crew.start(
            name, "loa-endpoint", "measure", "wake", "--home", self.pole.home,
            "--times", TIMES, "--standby", STANDBY_S, "--json",
        )  # fmt: skip

    def found(self, people: Crew) -> Any:
        """Wait for the end and return what was found."""
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            pytest.fail(people.log(self.pole.name))
        log = people.log(self.pole.name)
        assert self.process.returncode == 0, log
        return json.loads(log.splitlines()[-1])


@pytest.mark.requirement("MSG-3")
def test_a_technician_measures_how_long_the_amplifier_wakes_and_is_told_what_the_settings_get(
    tmp_path: Path,
) -> None:
    with crew(tmp_path / "logs", "en") as people:
        here = Hamlet(tmp_path, people, 2)
        measured = [Commissioned(here, "c01", 300), Commissioned(here, "c02", 1500)]
        for each in measured:
            facts = each.found(people)
            assert facts["measured_by"] in (
                "line_current",
                "line_voltage",
            )  # whichever was sure first
            doubt_ms, option = facts["doubt_ms"], facts["fitting"]["option"]
            for wake_ms in facts["wake_ms"]:
                assert abs(wake_ms - each.wake_ms) <= doubt_ms, facts
            assert each.wake_ms <= option <= each.wake_ms + 2 * doubt_ms + 50
            outbox = OutboxLab(each.pole.home).open(create=False)
            batch = outbox.next_batch()
            outbox.close()
            assert batch is not None
            assert any(b"wake_measured" in record for record in batch.records)


# --- in this process, with a microphone instead of a board


def hardware(folder: Path, **fitted: Any) -> Hardware:
    """Return a pole with an amplifier, a WAV file for a card, and what is *fitted*."""
    port = Fitting(device=Device.AMPLIFIER, port=str(folder / "amplifier"), option=1000)
    base = Hardware(
        sink=f"wav:{folder / 'horn.wav'}", line_in=None, ear=None, tuner=None, line_board=None,
        modem=None, amplifier=port,
    )  # fmt: skip
    return replace(base, **fitted)


@pytest.fixture
async def model(tmp_path: Path) -> AsyncIterator[Amplifier]:
    """Give an amplifier on its bus, heard by a microphone behind ``ear`` in the folder."""
    amplifier = Amplifier(LineRating(), FaultPlan(()), wake_ms=700)
    line = SerialLine(
        "amplifier", Terminal(tmp_path / "amplifier"), AmplifierPort(amplifier), RunningClock(),
        baud=BAUD,
    )  # fmt: skip
    line.plug()
    os.mkfifo(tmp_path / "ear")
    hearing = asyncio.create_task(_hear(amplifier, tmp_path))
    yield amplifier
    hearing.cancel()
    line.unplug()


async def _hear(amplifier: Amplifier, folder: Path) -> None:
    """Let the microphone hear, in real time, what the horn makes of the file."""
    fifo = os.open(folder / "ear", os.O_RDWR | os.O_NONBLOCK)
    ear, clock, random = Ear(folder / "horn.wav"), RunningClock(), np.random.default_rng(3)
    try:
        while True:
            await asyncio.sleep(0.02)
            card = ear.listen()
            if not len(card):
                continue
            horn = amplifier.at_the_horn(card, clock.now_ms() - len(card) / 48)
            heard = horn * 0.3 + random.standard_normal(len(card)) * 0.002
            with contextlib.suppress(BlockingIOError):  # nobody listens yet: it is lost
                os.write(fifo, np.rint(heard * 32_767).astype("<i2").tobytes())
    finally:
        os.close(fifo)
        ear.close()


@pytest.mark.requirement("MSG-3")
async def test_without_a_line_board_the_microphone_tells_when_the_amplifier_is_awake(
    model: Amplifier, tmp_path: Path
) -> None:
    told: list[tuple[int, Wake]] = []
    pole = hardware(tmp_path, ear=f"fifo:{tmp_path / 'ear'}")
    found, sensor = await wake_measurement.measure(
        pole, times=1, standby_s=2.0, tell=lambda number, wake: told.append((number, wake))
    )
    assert sensor is MICROPHONE
    assert told == [(1, found.wakes[0])]
    # the file is written, and heard, in pieces: a real microphone is as late as its card
    assert 600 < found.worst_ms < 3000
    assert not model.is_asleep
    assert not model.is_muted
    facts = wake_measurement.facts(pole, found, sensor)
    text = list(wake_lines(facts))
    assert f"option = {facts['fitting']['option']}" == text[-1]
    assert "[[fitting]]" in text


async def test_a_line_on_which_nothing_is_heard_or_nobody_answers_is_named(
    model: Amplifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wake_measurement, "_MOST_MS", 500)
    monkeypatch.setattr(wake_measurement, "_CONFIRM_S", 0.5)
    silent = Fitting(device=Device.LINE_BOARD, port=str(tmp_path / "nobody"), option=20)
    pole = hardware(tmp_path, line_board=silent)
    with pytest.raises(PeerError, match=f"Nothing is read from {tmp_path}/nobody"):
        await wake_measurement.measure(pole, times=1, standby_s=0.1, tell=print)
    assert not model.is_asleep  # whatever happened, it is left awake
    gone = Fitting(device=Device.AMPLIFIER, port=str(tmp_path / "gone"), option=0)
    began = time.monotonic()
    with pytest.raises(PeerError, match="gone does not answer"):
        await wake_measurement.measure(
            replace(pole, amplifier=gone), times=1, standby_s=5, tell=print
        )
    assert time.monotonic() - began < 30
