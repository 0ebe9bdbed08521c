"""The fleet's small MQTT: packets survive any chunking, and what is no packet has a name."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_endpoint.core.message import MAX_PACKET_BYTES
from loa_lab.fleet import mqtt
from loa_lab.fleet.mqtt import Packet, PacketReader, read_publication
from loa_protocol.errors import FrameError

TOPIC = "up/00112233445566778899aabbccddeeff/batch"
PAYLOADS = st.lists(st.binary(max_size=40) | st.binary(min_size=120, max_size=300), max_size=5)


def read(data: bytes) -> list[Packet]:
    return PacketReader().feed(data)


@given(PAYLOADS, st.integers(1, 50))
def test_packets_survive_any_chunking(payloads: list[bytes], size: int) -> None:
    wire = b"".join(mqtt.publish(TOPIC, each, 7) for each in payloads)
    reader = PacketReader()
    found = [p for at in range(0, len(wire), size) for p in reader.feed(wire[at : at + size])]
    assert [p.body[-len(e) :] if e else b"" for p, e in zip(found, payloads, strict=True)] == (
        payloads
    )
    assert all(p.kind == mqtt.PUBLISH for p in found)


@given(st.text(min_size=1, max_size=30), st.binary(max_size=200))
def test_a_publication_of_quality_0_is_read_as_topic_and_payload(
    topic: str, payload: bytes
) -> None:
    name = topic.encode()
    packet = Packet(mqtt.PUBLISH, 0, len(name).to_bytes(2) + name + payload)
    assert read_publication(packet) == (topic, payload)


def test_connect_is_the_bytes_of_the_standard() -> None:
    assert mqtt.connect("ab", 120) == bytes.fromhex("100e00044d515454040200780002") + b"ab"


def test_subscriptions_ask_for_quality_0() -> None:
    (packet,) = read(mqtt.subscribe(["a/b", "c"], 3))
    assert packet == Packet(8, 2, b"\x00\x03\x00\x03a/b\x00\x00\x01c\x00")


def test_one_refused_subscription_is_no_grant() -> None:
    assert mqtt.is_granted(Packet(mqtt.SUBACK, 0, b"\x00\x03\x00\x00"), 2)
    assert not mqtt.is_granted(Packet(mqtt.SUBACK, 0, b"\x00\x03\x00\x80"), 2)
    assert not mqtt.is_granted(Packet(mqtt.SUBACK, 0, b"\x00\x03\x00"), 2)


@pytest.mark.parametrize("data", [b"\x30\xff\xff\xff\xff\x01", b"\x30\xff\xff\xff\x7f"])
def test_a_length_that_no_object_has_is_refused_before_it_is_waited_for(data: bytes) -> None:
    with pytest.raises(FrameError):
        read(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_packets_or_a_frame_error(data: bytes) -> None:
    with contextlib.suppress(FrameError):
        for packet in read(data):
            assert len(packet.body) <= MAX_PACKET_BYTES
            if packet.kind == mqtt.PUBLISH:
                read_publication(packet)
