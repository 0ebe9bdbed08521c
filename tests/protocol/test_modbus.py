"""Modbus RTU: known frames, pymodbus as the oracle, and lines that misbehave."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteSingleRegisterRequest,
)

from fuzz.fuzz_modbus import fuzz
from loa_protocol.errors import FrameError, RefusedError
from loa_protocol.modbus import (
    ExceptionCode,
    Function,
    ModbusRefusal,
    Reply,
    ReplyDecoder,
    Request,
    RequestDecoder,
    crc16,
    exception_reply,
    parse_reply,
    parse_request,
    read_request,
    reply,
    seal,
    write_request,
)

PZEM_REQUEST = bytes.fromhex("0104 0000 000A 700D")
PZEM_REPLY = bytes.fromhex(
    "01 04 14 08FD 04D2 0000 0B17 0000 04D2 0000 01F4 0063 0000 2EAE".replace(" ", "")
)
PZEM_VALUES = (2301, 1234, 0, 2839, 0, 1234, 0, 500, 99, 0)

addresses = st.integers(1, 247)
words = st.integers(0, 0xFFFF)
reads = st.builds(
    lambda address, function, start, count: Request(
        address, function, min(start, 0x10000 - count), count
    ),
    addresses,
    st.sampled_from([Function.READ_HOLDING, Function.READ_INPUT]),
    words,
    st.integers(1, 125),
)
writes = st.builds(Request, addresses, st.just(Function.WRITE_SINGLE), words, words)
noise = st.binary(max_size=12)


def answered(request: Request) -> bytes:
    return reply(request, range(request.value) if request.function != 6 else ())


@pytest.mark.parametrize(
    ("frame", "known"),
    [
        (read_request(1, 4, 0, 10), PZEM_REQUEST.hex()),
        (read_request(0x10, 4, 0, 3), "100400000003b34a"),  # Monacor PA-1250D, status
        (read_request(1, 4, 3114, 12), "01040c2a000cd297"),  # Pulsar EN54C, all facts
        (exception_reply(Request(1, 4, 0, 10), ExceptionCode.ILLEGAL_ADDRESS), "018402c2c1"),
        (Request(1, 0x42).to_bytes(), "01428011"),  # PZEM-004T, energy reset
        (reply(Request(1, 4, 0, 10), PZEM_VALUES), PZEM_REPLY.hex()),
    ],
)
def test_frames_of_real_devices_come_out_byte_for_byte(frame: bytes, known: str) -> None:
    assert frame.hex() == known


def test_the_power_meters_reply_is_read() -> None:
    decoder = ReplyDecoder()
    decoder.expect(PZEM_REQUEST)
    assert decoder.feed(PZEM_REPLY) == [Reply(1, 4, PZEM_VALUES)]
    assert not decoder.waiting


@given(st.binary(max_size=300))
def test_the_checksum_agrees_with_pymodbus(data: bytes) -> None:
    assert crc16(data).to_bytes(2, "little") == FramerRTU.compute_CRC(data).to_bytes(2, "big")


@given(st.one_of(reads, writes))
def test_our_requests_are_those_of_pymodbus(request: Request) -> None:
    kinds: dict[int, Any] = {
        3: lambda: ReadHoldingRegistersRequest(
            address=request.register, count=request.value, dev_id=request.address
        ),
        4: lambda: ReadInputRegistersRequest(
            address=request.register, count=request.value, dev_id=request.address
        ),
        6: lambda: WriteSingleRegisterRequest(
            address=request.register, registers=[request.value], dev_id=request.address
        ),
    }
    theirs = FramerRTU(DecodePDU(True)).buildFrame(kinds[request.function]())
    assert theirs == request.to_bytes()
    assert parse_request(theirs) == request


@given(reads)
def test_pymodbus_reads_our_replies(request: Request) -> None:
    pdu: Any = FramerRTU(DecodePDU(False)).handleFrame(answered(request), 0, 0)[1]
    assert (pdu.dev_id, pdu.registers) == (request.address, list(range(request.value)))


@given(st.one_of(reads, writes), noise, noise, st.integers(1, 9))
def test_a_reply_is_found_in_noise_and_any_chunking(
    request: Request, before: bytes, after: bytes, size: int
) -> None:
    wire = before + answered(request) + after
    decoder = ReplyDecoder(local_echo=False)
    decoder.expect(request.to_bytes())
    chunks = [wire[i : i + size] for i in range(0, len(wire), size)]
    found = [each for chunk in chunks for each in decoder.feed(chunk)]
    expected = tuple(range(request.value)) if request.function != 6 else (request.value,)
    assert found == [Reply(request.address, request.function, expected)]
    assert decoder.skipped == len(before) + len(after)


@given(st.lists(st.one_of(reads, writes), max_size=5), noise, st.integers(1, 9))
def test_requests_are_found_in_noise_and_any_chunking(
    requests: list[Request], before: bytes, size: int
) -> None:
    wire = b"".join(before + request.to_bytes() for request in requests)
    decoder = RequestDecoder()
    chunks = [wire[i : i + size] for i in range(0, len(wire), size)]
    assert [each for chunk in chunks for each in decoder.feed(chunk)] == requests


@given(reads, st.data())
def test_a_damaged_reply_is_never_taken(request: Request, data: st.DataObject) -> None:
    wire = bytearray(answered(request))
    at = data.draw(st.integers(0, len(wire) - 1))
    wire[at] ^= 1 << data.draw(st.integers(0, 7))
    decoder = ReplyDecoder()
    decoder.expect(request.to_bytes())
    assert decoder.feed(bytes(wire)) == []
    with pytest.raises(FrameError):
        parse_reply(bytes(wire), request)


def test_the_local_echo_of_a_reading_is_skipped_and_learnt() -> None:
    decoder = ReplyDecoder()
    decoder.expect(PZEM_REQUEST)
    assert decoder.feed(PZEM_REQUEST) == []
    assert decoder.feed(PZEM_REPLY) == [Reply(1, 4, PZEM_VALUES)]
    assert decoder.local_echo is True


def test_a_write_on_an_echoing_line_waits_for_the_slave_itself() -> None:
    decoder = ReplyDecoder(local_echo=True)
    write = write_request(20, 2, 2)
    decoder.expect(write)
    assert decoder.feed(write) == []  # that was ourselves
    assert decoder.feed(write) == [Reply(20, 6, (2,))]


def test_an_echo_once_heard_is_not_unlearnt_by_a_damaged_one() -> None:
    decoder = ReplyDecoder(local_echo=True)
    decoder.expect(PZEM_REQUEST)
    assert decoder.feed(b"\x01\xff\x00" + PZEM_REPLY)
    assert decoder.local_echo is True


def test_the_late_reply_of_an_earlier_reading_of_another_length_is_skipped() -> None:
    decoder = ReplyDecoder()
    decoder.expect(read_request(1, 4, 0, 3))
    late = reply(Request(1, 4, 0, 2), (7, 8))
    assert decoder.feed(late + reply(Request(1, 4, 0, 3), (1, 2, 3))) == [Reply(1, 4, (1, 2, 3))]


def test_another_slaves_reply_is_skipped() -> None:
    decoder = ReplyDecoder()
    decoder.expect(read_request(20, 4, 0, 2))
    foreign = reply(Request(21, 4, 0, 2), (1, 1))
    assert decoder.feed(foreign + reply(Request(20, 4, 0, 2), (3, 4))) == [Reply(20, 4, (3, 4))]


def test_a_refusal_carries_its_code() -> None:
    decoder = ReplyDecoder()
    decoder.expect(PZEM_REQUEST)
    (answer,) = decoder.feed(bytes.fromhex("018402C2C1"))
    with pytest.raises(ModbusRefusal) as caught:
        answer.checked()
    assert caught.value.exception == ExceptionCode.ILLEGAL_ADDRESS
    assert isinstance(caught.value, RefusedError)
    assert caught.value.code == "illegal_address"
    assert ModbusRefusal(1, 4, 0x63).code == "code_63"


def test_nothing_is_found_when_nothing_was_asked() -> None:
    decoder = ReplyDecoder()
    assert decoder.feed(PZEM_REPLY) == []
    assert decoder.skipped == len(PZEM_REPLY)


def test_a_babbling_line_cannot_fill_the_memory() -> None:
    decoder, slave = ReplyDecoder(), RequestDecoder()
    decoder.expect(PZEM_REQUEST)
    for _ in range(50):
        decoder.feed(b"\x01\x04\x14" * 50)
        slave.feed(b"\x01\x04\x14" * 50)
    assert decoder.skipped > 6500
    assert slave.skipped > 6500
    assert slave.feed(b"\x00" * 300 + PZEM_REQUEST) == [Request(1, 4, 0, 10)]


def test_a_function_of_unknown_length_is_found_when_the_line_falls_silent() -> None:
    slave = RequestDecoder()
    assert slave.feed(bytes.fromhex("01428011")) == []
    assert slave.end_frame() == [Request(1, 0x42)]
    assert slave.feed(b"\x01\x42\x80") == []
    assert slave.end_frame() == []
    assert slave.skipped == 3
    assert slave.end_frame() == []


@pytest.mark.parametrize(
    "arguments", [(0, 4, 0, 1), (248, 4, 0, 1), (1, 6, 0, 1), (1, 4, 0, 0), (1, 4, 0xFFFF, 2)]
)
def test_a_reading_out_of_range_is_our_own_fault(arguments: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError):
        read_request(*arguments)


def test_a_reading_is_of_125_registers_at_most() -> None:
    assert read_request(1, 4, 0xFFFF - 124, 125)
    with pytest.raises(ValueError, match="126"):
        read_request(1, 4, 0, 126)


def test_exception_codes_have_the_numbers_of_the_standard() -> None:
    assert [code.value for code in ExceptionCode] == [1, 2, 3, 4, 5, 6, 7, 8, 10, 11]


def test_a_reply_of_the_longest_frame_is_found_after_as_much_noise() -> None:
    request = Request(1, Function.READ_INPUT, 0, 125)
    decoder = ReplyDecoder()
    decoder.expect(request.to_bytes())
    assert decoder.feed(b"\x01" * 300) == []
    assert decoder.feed(answered(request)) == [Reply(1, 4, tuple(range(125)))]


@pytest.mark.parametrize("arguments", [(0, 0, 0), (1, 0x10000, 0), (1, 0, 0x10000), (1, 0, -1)])
def test_a_write_out_of_range_is_our_own_fault(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError):
        write_request(*arguments)


def test_a_reply_must_bring_as_many_registers_as_asked() -> None:
    with pytest.raises(ValueError, match="1 registers"):
        reply(Request(1, 4, 0, 2), (5,))


@pytest.mark.parametrize(
    "frame", [b"", b"\x01\x04", PZEM_REQUEST[:-1], seal(b"\x01\x04\x00"), seal(bytes(300))]
)
def test_a_malformed_request_is_named(frame: bytes) -> None:
    with pytest.raises(FrameError):
        parse_request(frame)


def test_only_spoken_functions_can_be_awaited() -> None:
    with pytest.raises(FrameError, match="not spoken"):
        ReplyDecoder().expect(bytes.fromhex("01428011"))


@given(st.binary(max_size=600))
@example(seal(b"\x14\x84\x02"))
@example(write_request(20, 2, 2))
@example(reply(Request(20, 4, 0, 15), [2, 99, *range(13)]))
def test_any_bytes_raise_nothing_but_named_errors(data: bytes) -> None:
    fuzz(data)
