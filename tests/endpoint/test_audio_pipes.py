"""The player's pipes: it never waits for the other end."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

import pytest

from loa_endpoint.audio import messages as m
from loa_endpoint.audio.pipes import BACKLOG, CommandPipe, EventPipe

BEAT = m.Beat(samples=1, at_ns=2, source="x" * 150, position_ms=3, rms_dbfs=-20, xruns=0)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):  # the test may have closed it
            os.close(end)


def test_commands_come_as_they_are_said(pipe: tuple[int, int]) -> None:
    commands = CommandPipe(pipe[0])
    assert commands.take(0) == []
    line = m.encode(m.Stop(fade_ms=7))
    os.write(pipe[1], line[:5])
    assert commands.take(100) == []
    os.write(pipe[1], line[5:] + m.encode(m.Quit()))
    assert commands.take(100) == [m.Stop(fade_ms=7), m.Quit()]


def test_waiting_ends_when_a_command_comes_and_when_none_does(pipe: tuple[int, int]) -> None:
    commands = CommandPipe(pipe[0])
    began = time.monotonic()
    assert commands.take(50) == []
    assert time.monotonic() - began >= 0.05
    os.write(pipe[1], m.encode(m.Quit()))
    assert commands.take(10_000) == [m.Quit()]
    assert time.monotonic() - began < 5


def test_what_is_no_command_is_kept_as_a_fault(pipe: tuple[int, int]) -> None:
    commands = CommandPipe(pipe[0])
    os.write(pipe[1], b"hello\n" + m.encode(m.Quit()) + b"\xff\n")
    assert commands.take(100) == [m.Quit()]
    assert len(commands.refused) == 2
    assert not commands.closed


def test_a_closed_pipe_is_noticed_once_and_does_not_spin(pipe: tuple[int, int]) -> None:
    commands = CommandPipe(pipe[0])
    os.close(pipe[1])
    assert commands.take(10_000) == []
    assert commands.closed
    began = time.monotonic()
    commands.take(50)
    assert time.monotonic() - began >= 0.05


def test_all_commands_up_to_the_end_can_be_had(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], m.encode(m.Stop()) * 3)
    os.close(pipe[1])
    assert CommandPipe(pipe[0]).take_all() == [m.Stop()] * 3


def test_events_go_out_at_once(pipe: tuple[int, int]) -> None:
    EventPipe(pipe[1]).send(BEAT)
    assert m.parse_event(os.read(pipe[0], 4096)) == BEAT


def test_with_nobody_reading_signs_of_life_are_lost_first_and_nothing_waits(
    pipe: tuple[int, int],
) -> None:
    events = EventPipe(pipe[1])
    began = time.monotonic()
    for number in range(1_000):
        events.send(BEAT)
        events.send(m.Fault(name="item", detail=str(number)))
    assert time.monotonic() - began < 5
    data = b""
    while b'"999"' not in data:
        data += os.read(pipe[0], 1 << 20)
        events.flush()
    heard = [m.parse_event(line) for line in data.splitlines()]
    told = [int(event.detail) for event in heard if isinstance(event, m.Fault)]
    assert told == sorted(told)
    assert told[-BACKLOG:] == list(range(1_000 - BACKLOG, 1_000))
    assert heard.count(BEAT) < len(told)


def test_a_reader_that_is_gone_is_an_error(pipe: tuple[int, int]) -> None:
    events = EventPipe(pipe[1])
    os.close(pipe[0])
    with pytest.raises(BrokenPipeError):
        events.send(BEAT)


def test_what_is_told_together_goes_out_in_one_write_and_in_order(pipe: tuple[int, int]) -> None:
    events = EventPipe(pipe[1])
    told: list[m.Event] = [BEAT, m.Prepared(source="a", duration_ms=1), BEAT]
    with events.together():
        for event in told:
            events.send(event)
        os.set_blocking(pipe[0], False)
        with pytest.raises(BlockingIOError):
            os.read(pipe[0], 1)
    assert [m.parse_event(line) for line in os.read(pipe[0], 4096).splitlines()] == told


def test_what_was_told_before_a_break_goes_out_all_the_same(pipe: tuple[int, int]) -> None:
    events = EventPipe(pipe[1])

    def break_off() -> None:
        with events.together():
            events.send(BEAT)
            raise OSError("the card has gone")

    with pytest.raises(OSError, match="card"):
        break_off()
    assert m.parse_event(os.read(pipe[0], 4096)) == BEAT
