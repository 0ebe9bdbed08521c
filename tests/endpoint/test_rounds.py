"""Rounds on a real loop, and devices that are heard with them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from loa_endpoint.app.rounds import Rounds
from loa_endpoint.core.pace import CALM_MS
from loa_endpoint.core.xdr import XdrTiming
from loa_endpoint.core.xdr_lines import Quality, Started
from loa_endpoint.link.tuner import XdrTuner
from support.waiting import eventually


class Turned:
    """Counts the rounds of a board on which all is calm, when they are past the first."""

    def __init__(self) -> None:
        self.count = 0
        self.rounds = Rounds(self._turn, lambda: True)

    def _turn(self) -> None:
        self.count += 1


async def test_what_happens_has_a_round_of_its_own_soon() -> None:
    turned = Turned()
    running = asyncio.create_task(turned.rounds.run())
    await eventually(lambda: turned.count == 1)
    turned.rounds.stir()
    assert turned.rounds.due_in_s < CALM_MS / 1000 / 2
    await eventually(lambda: turned.count == 2)
    running.cancel()


async def test_who_wakes_the_agent_brings_a_round_that_would_be_due_soon() -> None:
    turned = Turned()
    running = asyncio.create_task(turned.rounds.run())
    await eventually(lambda: turned.count == 1)

    def is_brought() -> bool:
        turned.rounds.awake()
        return turned.count >= 2

    await eventually(is_brought)
    running.cancel()


async def test_a_failing_round_ends_the_run_and_the_next_run_goes_on() -> None:
    calls: list[int] = []

    def work() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("a mistake of ours")

    rounds = Rounds(work, lambda: True)
    with pytest.raises(ValueError, match="mistake"):
        await rounds.run()
    running = asyncio.create_task(rounds.run())
    await eventually(lambda: len(calls) == 2)
    running.cancel()


# --- a tuner that is heard with the rounds


@pytest.fixture
def line(tmp_path: Path) -> Iterator[int]:
    master, slave = os.openpty()
    os.set_blocking(master, False)
    (tmp_path / "port").symlink_to(os.ttyname(slave))
    yield master
    os.close(slave)
    os.close(master)


async def test_a_patient_tuner_is_heard_when_looked_at_but_its_answers_at_once(
    line: int, tmp_path: Path
) -> None:
    heard: list[object] = []
    tuner = XdrTuner(
        str(tmp_path / "port"), heard.append, timing=XdrTiming(open_wait_ms=1), is_patient=True
    )
    tuner.start()
    said = b""

    def answer() -> bool:
        nonlocal said
        try:
            asked = os.read(line, 100)
        except BlockingIOError:
            asked = b""
        said += asked
        for command in asked.split():
            os.write(line, b"OK\n" if command == b"x" else command + b"\n")
        return b"Y100" in said

    await eventually(answer)  # nobody looks: each answer was heard for the next to be asked
    await eventually(lambda: tuner._host.is_settled)
    assert Started() in heard
    os.write(line, b"Ss55.0,0,0,0\n")
    await asyncio.sleep(0.05)
    assert not [each for each in heard if isinstance(each, Quality)]
    tuner.look()
    assert [each for each in heard if isinstance(each, Quality)]
    tuner.close()
