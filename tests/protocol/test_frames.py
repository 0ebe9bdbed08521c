"""Frames and conversations over lines that lose, echo, cut and babble."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_frames import fuzz
from loa_protocol.conversation import Conversation, Effect, GaveUp, Received, Timing, Write
from loa_protocol.errors import FrameError
from loa_protocol.frames import (
    MAX_LINE,
    MAX_MESSAGE,
    MAX_PARTS,
    PART_BYTES,
    PREFIX,
    Frame,
    FrameDecoder,
    Side,
    encode,
    parse_line,
    split,
)

QUICK = Timing(ack_ms=100, attempts=4, answer_ms=1000)
LOGS = st.sampled_from(
    [
        b"[    3.141592] usb 1-1: new device\n",
        b"login: ",
        b"\r\n",
        b":loa:\n",
        b":loa:AAAA\n",
        b"\x00\xff\x03\x04\x11\x13\n",
        "đang khởi động…\n".encode(),
    ]
)
frames = st.builds(
    Frame,
    sender=st.sampled_from(Side),
    session=st.integers(0, 2**32 - 1),
    message=st.integers(0, 65_535),
    part=st.integers(0, 9),
    parts=st.integers(10, MAX_PARTS),
    data=st.none() | st.binary(max_size=PART_BYTES),
)


def frame(**changes: object) -> Frame:
    facts: dict[str, object] = {
        "sender": Side.TOOL,
        "session": 7,
        "message": 1,
        "part": 0,
        "parts": 1,
        "data": b"xin chao",
    }
    return Frame(**{**facts, **changes})  # type: ignore[arg-type]  # test convenience


@given(frames)
def test_a_frame_is_one_short_printable_line_and_comes_back(each: Frame) -> None:
    line = encode(each)
    assert len(line) <= MAX_LINE
    assert line.endswith(b"\n")
    assert all(0x20 <= byte < 0x7F for byte in line[:-1])
    assert parse_line(line[:-1]) == each


def test_the_longest_frame_fits_the_line() -> None:
    longest = frame(
        sender=Side.BOARD,
        session=2**32 - 1,
        message=65_535,
        part=MAX_PARTS - 1,
        parts=MAX_PARTS,
        data=bytes(PART_BYTES),
    )
    assert len(encode(longest)) <= MAX_LINE


@given(st.lists(frames, max_size=5), st.lists(LOGS, max_size=5), st.integers(1, 300), st.data())
def test_frames_survive_any_chunking_and_log_lines_in_between(
    sent: list[Frame], logs: list[bytes], size: int, data: st.DataObject
) -> None:
    pieces = [encode(each) for each in sent]
    for log in logs:
        pieces.insert(data.draw(st.integers(0, len(pieces))), log)
    wire = b"".join(pieces)
    decoder = FrameDecoder()
    chunks = [wire[at : at + size] for at in range(0, len(wire), size)]
    assert [each for chunk in chunks for each in decoder.feed(chunk)] == sent


@given(frames, st.data())
def test_a_changed_byte_is_noticed(each: Frame, data: st.DataObject) -> None:
    line = bytearray(encode(each)[:-1])
    at = data.draw(st.integers(0, len(line) - 1))
    line[at] ^= 1 << data.draw(st.integers(0, 6))
    with contextlib.suppress(FrameError):
        assert parse_line(bytes(line)) == each  # a bit of base64 padding that carries nothing


def test_a_frame_after_a_prompt_and_after_a_cut_copy_of_itself_is_found() -> None:
    line = encode(frame())
    assert FrameDecoder().feed(b"root@pole:~# " + line) == [frame()]
    assert FrameDecoder().feed(line[:20] + line) == [frame()]


def test_a_cut_frame_costs_only_itself() -> None:
    decoder = FrameDecoder()
    assert decoder.feed(encode(frame())[:-9] + b"\n" + encode(frame(message=2))) == [
        frame(message=2)
    ]
    assert decoder.skipped == 1


def test_a_line_without_end_takes_no_memory() -> None:
    decoder = FrameDecoder()
    for _ in range(1000):
        assert decoder.feed(b"x" * 1000) == []
    assert len(decoder._pending) <= MAX_LINE
    assert decoder.feed(b"\n" + encode(frame())) == [frame()]


def test_a_part_beyond_its_message_is_no_frame() -> None:
    line = encode(frame(part=1, parts=1))
    with pytest.raises(FrameError, match="part 1 of 1"):
        parse_line(line[:-1])


def test_a_message_too_long_is_our_own_mistake() -> None:
    assert len(split(bytes(MAX_MESSAGE))) == MAX_PARTS
    with pytest.raises(ValueError, match="at most"):
        split(bytes(MAX_MESSAGE + 1))


@given(st.binary(max_size=600))
def test_no_bytes_from_the_line_raise_anything(data: bytes) -> None:
    fuzz(data)


@dataclass
class Line:
    """Tool and board joined by a line with faults, on a clock of its own."""

    answer: Callable[[bytes], bytes]
    fault: Callable[[bytes], list[bytes]] = lambda line: [line]
    tool: Conversation = field(
        default_factory=lambda: Conversation(Side.TOOL, session=42, timing=QUICK)
    )
    board: Conversation = field(default_factory=lambda: Conversation(Side.BOARD, timing=QUICK))
    now: int = 0
    asked: list[bytes] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)

    def ask(self, question: bytes) -> bytes | None:
        """Return the answer; None where the tool gave up."""
        waiting: list[tuple[Conversation, Effect]] = [
            (self.tool, effect) for effect in self.tool.send(question, self.now)
        ]
        for _ in range(20_000):
            while waiting:
                side, effect = waiting.pop(0)
                if isinstance(effect, Write):
                    self.lines.append(effect.data)
                    waiting += self._carry(side, effect.data)
                elif side is self.tool:
                    return effect.payload if isinstance(effect, Received) else None
                elif isinstance(effect, Received):
                    self.asked.append(effect.payload)
                    answer = self.answer(effect.payload)
                    waiting += [(self.board, each) for each in self.board.send(answer, self.now)]
            sides = (self.tool, self.board)
            self.now = min(d for side in sides if (d := side.next_deadline()) is not None)
            waiting = [(side, each) for side in sides for each in side.tick(self.now)]
        raise AssertionError("the conversation never ends")

    def _carry(self, sender: Conversation, data: bytes) -> list[tuple[Conversation, Effect]]:
        other = self.board if sender is self.tool else self.tool
        return [
            (other, effect) for line in self.fault(data) for effect in other.feed(line, self.now)
        ]


def echo(payload: bytes) -> bytes:
    return payload[::-1]


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1, 5000])
def test_a_question_of_any_length_is_answered(size: int) -> None:
    question = random.Random(size).randbytes(size)
    line = Line(echo)
    assert line.ask(question) == echo(question)
    assert line.now == 0  # nothing waited for a deadline


@pytest.mark.parametrize("seed", range(12))
def test_a_line_that_loses_repeats_and_garbles_loses_no_message(seed: int) -> None:
    rng = random.Random(seed)

    def fault(line: bytes) -> list[bytes]:
        roll = rng.random()
        if roll < 0.15:
            return []
        if roll < 0.3:
            return [line, line]
        if roll < 0.4:
            return [line[: rng.randint(0, len(line))] + b"\n"]
        return [b"[1.0] kernel: x\n", line]

    line = Line(echo, fault)
    line.tool.timing = line.board.timing = Timing(ack_ms=100, attempts=30, answer_ms=10_000)
    for number in range(10):
        question = rng.randbytes(rng.randint(1, 900))
        assert line.ask(question) == echo(question), number


def test_a_question_is_handed_on_once_however_often_its_frames_come() -> None:
    line = Line(echo, lambda each: [each, each, each])
    assert line.ask(b"x" * 400) == echo(b"x" * 400)
    assert line.asked == [b"x" * 400]


def test_an_echoing_line_does_not_answer_itself() -> None:
    tool = Conversation(Side.TOOL, session=1, timing=QUICK)
    (write,) = tool.send(b"hello", 0)
    assert isinstance(write, Write)
    assert tool.feed(write.data, 0) == []


def test_noise_is_never_answered() -> None:
    board = Conversation(Side.BOARD, timing=QUICK)
    noise = [b"AT\r\n", PREFIX + b"AAAA\n", bytes(range(256)), encode(frame())[:-4] + b"\n"]
    assert [effect for data in noise for effect in board.feed(data, 0)] == []


def test_a_silent_board_is_given_up_after_all_attempts() -> None:
    tool = Conversation(Side.TOOL, session=1, timing=QUICK)
    writes, effects = tool.send(b"hello", 0), list[Effect]()
    while not any(isinstance(effect, GaveUp) for effect in effects):
        deadline = tool.next_deadline()
        assert deadline is not None
        effects = tool.tick(deadline)
        writes += [effect for effect in effects if isinstance(effect, Write)]
    assert len(writes) == QUICK.attempts
    assert effects == [GaveUp(QUICK.attempts * QUICK.ack_ms)]
    assert tool.next_deadline() is None


def test_a_board_that_heard_but_never_answers_is_given_up_too() -> None:
    tool, board = Conversation(Side.TOOL, session=1, timing=QUICK), Conversation(Side.BOARD)
    (write,) = tool.send(b"hello", 0)
    assert isinstance(write, Write)
    acknowledgement = board.feed(write.data, 0)[0]
    assert isinstance(acknowledgement, Write)
    assert tool.feed(acknowledgement.data, 10) == []
    assert tool.tick(10 + QUICK.answer_ms) == [GaveUp(10 + QUICK.answer_ms)]


def test_an_answer_shows_that_the_question_was_heard_though_its_acknowledgement_was_lost() -> None:
    tool, board = Conversation(Side.TOOL, session=1, timing=QUICK), Conversation(Side.BOARD)
    (write,) = tool.send(b"hello", 0)
    assert isinstance(write, Write)
    board.feed(write.data, 0)  # its acknowledgement is lost
    (first_part,) = board.send(bytes(2 * PART_BYTES), 0)
    assert isinstance(first_part, Write)
    tool.feed(first_part.data, 10)  # and then the board is silent
    assert tool.tick(10 + QUICK.answer_ms) == [GaveUp(10 + QUICK.answer_ms)]


def test_a_board_that_restarts_in_the_middle_answers_the_next_question() -> None:
    line = Line(echo)
    assert line.ask(b"one") == b"eno"
    line.board = Conversation(Side.BOARD, timing=QUICK)
    assert line.ask(b"two") == b"owt"


def test_a_second_tool_takes_the_line_over() -> None:
    line = Line(echo)
    assert line.ask(b"one") == b"eno"
    line.tool = Conversation(Side.TOOL, session=43, timing=QUICK)
    assert line.ask(b"two") == b"owt"


def test_an_answer_to_another_session_is_not_ours() -> None:
    tool = Conversation(Side.TOOL, session=1, timing=QUICK)
    tool.send(b"hello", 0)
    stale = frame(sender=Side.BOARD, session=2, message=1, data=b"old")
    assert tool.feed(encode(stale), 0) == []
