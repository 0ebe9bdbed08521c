"""Topics, and packets that claim too much."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_packet import fuzz
from loa_endpoint.core.message import (
    MAX_PACKET_BYTES,
    PacketMeter,
    Topic,
    batch_topic,
    kind_of,
    subscriptions,
)
from loa_protocol import cbor
from loa_protocol.errors import FrameError

ENDPOINT = bytes.fromhex("00112233445566778899aabbccddeeff")
HEX = "00112233445566778899aabbccddeeff"


def packet(body: bytes, kind: int = 0x30) -> bytes:
    length, digits = len(body), []
    while True:
        digits.append(length & 0x7F | (0x80 if length > 0x7F else 0))
        length >>= 7
        if not length:
            return bytes([kind, *digits]) + body


def test_an_endpoint_publishes_under_its_own_topic_and_listens_to_every_scope_above() -> None:
    assert batch_topic(ENDPOINT) == f"up/{HEX}/batch"
    assert subscriptions(ENDPOINT, "vn/ls/st0137") == (
        f"down/{HEX}/#",
        "scope/vn/head",
        "scope/vn/ls/head",
        "scope/vn/ls/st0137/head",
        "scope/vn/look",
        "scope/vn/ls/look",
        "scope/vn/ls/st0137/look",
        "scope/vn/order",
        "scope/vn/ls/order",
        "scope/vn/ls/st0137/order",
        "scope/vn/live",
        "scope/vn/ls/live",
        "scope/vn/ls/st0137/live",
    )


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        (f"down/{HEX}/receipt", Topic.RECEIPT),
        (f"down/{HEX}/look", Topic.LOOK),
        ("scope/vn/look", Topic.LOOK),
        ("scope/vn/head", Topic.HEAD),
        ("scope/vn/order", Topic.ORDER),
        ("scope/vn/live", Topic.LIVE),
        (f"down/{HEX}/order", Topic.ORDER),
        (f"down/{HEX}/play", Topic.UNKNOWN),
        ("unknown", Topic.UNKNOWN),
        ("", Topic.UNKNOWN),
    ],
)
def test_what_comes_down_is_known_by_the_end_of_its_topic(topic: str, kind: Topic) -> None:
    assert kind_of(topic) is kind


@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(1, 50))
def test_packets_within_the_limit_pass_in_any_pieces(bodies: list[bytes], step: int) -> None:
    stream = b"".join(packet(body) for body in bodies)
    meter = PacketMeter(300)
    for at in range(0, len(stream), step):
        meter.feed(stream[at : at + step])


@given(st.lists(st.binary(max_size=300), max_size=4), st.integers(301, 2**28 - 1))
def test_a_packet_over_the_limit_is_refused_at_its_header(bodies: list[bytes], size: int) -> None:
    meter = PacketMeter(300)
    meter.feed(b"".join(packet(body) for body in bodies))
    digits = [size >> 7 * n & 0x7F for n in range(4)]
    header = bytes([0x30, *(digit | 0x80 for digit in digits[:3]), digits[3]])
    with pytest.raises(FrameError, match=str(size)):
        meter.feed(header)


def test_a_length_of_five_bytes_is_refused() -> None:
    with pytest.raises(FrameError, match="four bytes"):
        PacketMeter().feed(b"\x30\xff\xff\xff\xff")


@pytest.mark.requirement("SEC-8")
@pytest.mark.parametrize(
    "first",
    [
        pytest.param(0x32, id="QoS 1, each of which is to be answered"),
        pytest.param(0x34, id="QoS 2, which is held until it is released"),
        pytest.param(0x36, id="QoS 3"),
        pytest.param(0x38, id="again, of QoS 0"),
        pytest.param(0x10, id="for a server"),
        pytest.param(0xC0, id="a question to be answered"),
        pytest.param(0x62, id="a release of what was never held"),
        pytest.param(0x00, id="no kind"),
        pytest.param(0xF0, id="of another version"),
    ],
)
def test_a_packet_that_nobody_asked_for_is_refused_at_its_first_byte(first: int) -> None:
    meter = PacketMeter()
    meter.feed(b"\x20\x02\x00\x00" + packet(b"topic"))
    with pytest.raises(FrameError, match=f"{first:#04x}"):
        meter.feed(bytes([first]))


def test_what_a_broker_answers_passes() -> None:
    PacketMeter().feed(b"\x20\x02\x00\x00\x90\x03\x00\x01\x00\x40\x02\x00\x01\xd0\x00\x31\x00")


def test_the_largest_bundle_fits_into_a_packet() -> None:
    PacketMeter().feed(packet(b"t" * 100 + bytes(cbor.MAX_BYTES)))
    assert MAX_PACKET_BYTES < 2 * cbor.MAX_BYTES


@given(st.binary(max_size=200))
def test_the_fuzz_target_holds(data: bytes) -> None:
    fuzz(data)
