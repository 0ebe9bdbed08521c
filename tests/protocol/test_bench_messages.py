"""The words of the bench, as bytes: docs/protocol/bench.md, and what is refused."""

from __future__ import annotations

import dataclasses
import enum
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_bench import fuzz
from loa_protocol import bench, cbor
from loa_protocol.errors import FormatError, VersionError
from loa_protocol.frames import FrameDecoder, Side

PAGE = Path(__file__).parents[2] / "docs" / "protocol" / "bench.md"
MESSAGES: list[bench.Message] = [
    bench.Hello(version=1),
    bench.AskStatus(),
    bench.MakeKey(),
    bench.InstallRoot(root=b"root"),
    bench.InstallRoot(root=b"root", transfer=b"transfer"),
    bench.InstallAssignment(bundle=b"bundle"),
    bench.InstallSettings(bundle=b"bundle"),
    bench.InstallCertificate(certificate=b"leaf", authority=b"ca"),
    bench.Prove(nonce=bytes(32)),
    bench.Finish(),
    bench.Status(version=1, software="loa-endpoint 0.1.0", stage=bench.Stage.BLANK),
    bench.Request(csr=b"csr"),
    bench.Done(),
    bench.Refused(reason="rollback", detail=""),
    bench.Proof(seal=b"seal"),
]


def parse(data: bytes) -> bench.Message:
    try:
        return bench.parse_question(data)
    except FormatError:
        return bench.parse_answer(data)


def shown(message: bench.Message) -> str:
    present = {
        each.name: value
        for each in dataclasses.fields(message)
        if (value := getattr(message, each.name)) is not None
    }
    texts = [
        f"{name}={value.name if isinstance(value, enum.Enum) else repr(value)}"
        for name, value in present.items()
    ]
    return f"{type(message).__name__}({', '.join(texts)})"


@pytest.mark.parametrize("message", MESSAGES, ids=lambda each: type(each).__name__)
def test_every_message_comes_back(message: bench.Message) -> None:
    assert parse(bench.encode(message)) == message


def test_every_kind_of_message_is_tested_and_documented() -> None:
    assert {type(message) for message in MESSAGES} == set(bench.NUMBERS.values())
    table = dict(re.findall(r"^\| (\d+) \| `(\w+)` \|", PAGE.read_text(), re.M))
    assert table == {str(number): kind.__name__ for number, kind in bench.NUMBERS.items()}


def test_every_reason_of_a_board_is_documented() -> None:
    documented = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE.read_text(), re.M))
    assert documented == {str(fault) for fault in bench.Fault}


def test_the_worked_conversation_is_what_we_speak() -> None:
    lines = re.findall(r"^(tool|board) +(:loa:\S+) *; *(.*)$", PAGE.read_text(), re.M)
    assert len(lines) == 4
    frames = [FrameDecoder().feed(f"{line}\n".encode()) for _side, line, _note in lines]
    for (side, _line, note), (frame,) in zip(lines, frames, strict=True):
        assert frame.sender is Side[side.upper()]
        if frame.data is None:
            assert note.startswith("acknowledges")
        else:
            assert note == shown(parse(frame.data))


def test_a_message_of_a_later_version_is_named_as_such() -> None:
    with pytest.raises(VersionError, match="200"):
        bench.parse_question(cbor.encode([200, {}]))


@pytest.mark.parametrize(
    "value", [[], [1], [1, {}], [1, {1: 1}, 0], 7, {1: 1}, [True, {1: 1}], [2, {1: 1}]]
)
def test_what_is_no_message_is_refused(value: cbor.Value) -> None:
    with pytest.raises(FormatError):
        bench.parse_question(cbor.encode(value))


def test_a_question_is_no_answer() -> None:
    with pytest.raises(FormatError):
        bench.parse_answer(bench.encode(bench.Finish()))
    with pytest.raises(FormatError):
        bench.parse_question(bench.encode(bench.Done()))


@given(st.binary(max_size=300))
def test_no_bytes_raise_more_than_a_named_error(data: bytes) -> None:
    fuzz(data)


@given(st.sampled_from(MESSAGES), st.data())
def test_no_damage_raises_more_than_a_named_error(
    message: bench.Message, data: st.DataObject
) -> None:
    damaged = bytearray(bench.encode(message))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    fuzz(bytes(damaged))
