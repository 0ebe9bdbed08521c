"""Binary text messages: PDUs, headers, and long data put together from what comes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from loa_protocol.errors import FormatError
from loa_protocol.sms import (
    MAX_USER_DATA,
    MOST_PARTS,
    PART_BYTES,
    Part,
    make_deliver,
    make_submit,
    parse_deliver,
    parse_part,
    receiver_of,
    split,
    tpdu_length,
)
from loa_protocol.sms_parts import (
    LIFE_MS,
    MOST_CLAIMS,
    MOST_OF_SENDER,
    MOST_SETS,
    MOST_TRIES,
    Reassembler,
)

GATEWAY, BOARD = "+84900000001", "+84912000004"
# A data message of another make: Nokia port 1584 header (05 04), class 1, from +351850123456.
FOREIGN = bytes.fromhex(
    "07915348500200F0440C91538105214365"
    + "00F5"
    + "62113241302082"
    + "0A"
    + "06050415811581"
    + "414243"
)


def parts_of(data: bytes) -> list[Part]:
    pieces = split(data)
    return [parse_part(each, has_header=len(pieces) > 1) for each in pieces]


# --- the PDUs


@given(st.binary(min_size=1, max_size=1000), st.sampled_from([BOARD, "0912000004", "191"]))
def test_what_is_sent_is_what_is_delivered(data: bytes, number: str) -> None:
    pieces = split(data)
    for piece in pieces:
        pdu = make_submit(number, piece, has_header=len(pieces) > 1)
        assert receiver_of(pdu) == number
        assert tpdu_length(pdu) == len(pdu) - 1
        came = parse_deliver(make_deliver(pdu, GATEWAY))
        assert (came.sender, came.is_data, came.user_data) == (GATEWAY, True, piece)
        assert came.has_header is (len(pieces) > 1)


def test_a_message_of_another_make_is_read() -> None:
    came = parse_deliver(FOREIGN)
    assert came.sender == "+351850123456"
    assert parse_part(came.user_data, has_header=came.has_header).data == b"ABC"


@pytest.mark.parametrize(
    ("coding", "is_data"),
    [
        *((coding, True) for coding in (0x04, 0x14, 0xF4, 0xF5)),
        *((coding, False) for coding in (0x00, 0x08, 0x24, 0xF0, 0x84)),
    ],
)
def test_data_are_told_from_text_by_their_coding(coding: int, is_data: bool) -> None:
    pdu = bytearray(make_deliver(make_submit(BOARD, b"ABC", has_header=False), GATEWAY))
    place = 8 + 1 + 8 + 1  # centre, first octet, sender, protocol
    assert pdu[place] == 0x04
    pdu[place] = coding
    assert parse_deliver(bytes(pdu)).is_data is is_data


def test_a_sender_with_a_name_is_known_by_its_octets() -> None:
    pdu = bytes.fromhex(
        "00" + "04" + "0AD0" + "D6F7B85C06" + "0004" + "62113241302082" + "01" + "41"
    )
    assert parse_deliver(pdu).sender == "name:d6f7b85c06"


@pytest.mark.parametrize("at", range(1, 30))
def test_a_pdu_that_is_cut_short_is_refused(at: int) -> None:
    whole = make_deliver(make_submit(BOARD, b"0123456789", has_header=False), GATEWAY)
    with pytest.raises(FormatError):
        parse_deliver(whole[:at])


@pytest.mark.parametrize("number", ["", "+", "12", "+84 912", "ten", "1" * 21, "+٠١٢٣"])
def test_what_is_no_number_is_refused(number: str) -> None:
    with pytest.raises(FormatError):
        make_submit(number, b"x", has_header=False)


@given(st.binary(max_size=220))
def test_any_pdu_is_refused_or_read(data: bytes) -> None:
    try:
        came = parse_deliver(data)
        part = parse_part(came.user_data, has_header=came.has_header)
    except FormatError:
        return
    assert 1 <= part.number <= part.total <= MOST_PARTS


# --- headers


@given(st.binary(min_size=1, max_size=MOST_PARTS * PART_BYTES))
def test_parts_say_what_they_belong_to(data: bytes) -> None:
    found = parts_of(data)
    assert b"".join(part.data for part in found) == data
    assert len({(part.reference, part.total) for part in found}) == 1
    assert [part.number for part in found] == list(range(1, len(found) + 1))
    assert all(len(piece) <= MAX_USER_DATA for piece in split(data))


def test_more_than_eight_messages_are_refused() -> None:
    with pytest.raises(FormatError):
        split(bytes(MOST_PARTS * PART_BYTES + 1))


def test_a_reference_of_eight_bits_and_ports_are_understood() -> None:
    part = parse_part(bytes.fromhex("0B 0504 0BD4 0000 0003 2A 02 01") + b"x", has_header=True)
    assert part == Part(0x2A, is_wide=False, total=2, number=1, data=b"x")


@pytest.mark.parametrize(
    "header",
    [
        "05 0003 2A 02 03",
        "05 0003 2A 00 00",
        "05 0003 2A 09 01",
        "05 0003 2A 02 00",
        "05 0004 2A 02 01",
        "04 0003 2A 02 01",
        "0A 0003 2A 02 01 0003 2A 02 01",
        "20 0003 2A 02 01",
        "00",
        "03 0005 2A",
    ],
)
def test_a_header_that_counts_what_cannot_be_is_refused(header: str) -> None:
    data = bytes.fromhex(header)
    with pytest.raises(FormatError):
        parse_part(data + (b"" if data == b"\x00" else b"x"), has_header=True)


# --- putting together


@pytest.mark.requirement("SEC-3")
@given(
    st.lists(st.binary(min_size=150, max_size=900), min_size=1, max_size=4, unique=True),
    st.integers(0, 2**32),
)
def test_loss_repetition_and_reordering_lose_nothing_once_it_is_sent_again(
    messages: list[bytes], seed: int
) -> None:
    chance, reassembler, found = random.Random(seed), Reassembler(), set()
    for turn in range(15):
        pieces = [piece for data in messages for piece in parts_of(data)]
        came = [piece for piece in pieces if chance.random() > 0.3]
        came += chance.sample(came, len(came) // 3)
        chance.shuffle(came)
        for piece in came:
            found.update(reassembler.take(GATEWAY, piece, turn))
    assert set(messages) <= found
    assert reassembler.size <= MOST_OF_SENDER * MOST_PARTS * MOST_CLAIMS * MAX_USER_DATA


def test_a_message_sent_once_more_is_told_once_more_so_that_it_is_acknowledged_again() -> None:
    reassembler, data = Reassembler(), bytes(300)
    told = [
        each
        for _ in range(2)
        for part in parts_of(data)
        for each in reassembler.take(GATEWAY, part, 0)
    ]
    assert told == [data, data]
    assert len(reassembler) == 0


def test_a_reference_that_two_messages_share_keeps_neither_out() -> None:
    first, second = b"a" * 200, b"b" * 200
    pairs = [
        [
            Part(7, is_wide=True, total=2, number=n, data=data[at:][:133])
            for n, at in ((1, 0), (2, 133))
        ]
        for data in (first, second)
    ]
    reassembler, found = Reassembler(), []
    for part in (pairs[0][0], pairs[1][0], pairs[0][1], pairs[1][1]):
        found += reassembler.take(GATEWAY, part, 0)
    assert {first, second} <= set(found)
    assert len(found) <= 4


def test_a_false_part_keeps_a_true_message_out_no_more_than_three_times_three() -> None:
    reassembler, data = Reassembler(), b"true" * 60
    true = parts_of(data)
    for n in range(10):
        false = Part(
            true[0].reference, is_wide=True, total=true[0].total, number=1, data=bytes([n])
        )
        reassembler.take(GATEWAY, false, 0)
    found = [each for part in true for each in reassembler.take(GATEWAY, part, 0)]
    assert data in found


def test_parts_of_two_senders_do_not_mix() -> None:
    reassembler, (one, two) = Reassembler(), parts_of(bytes(200))
    assert reassembler.take(GATEWAY, one, 0) == reassembler.take("+84911111111", two, 0) == []


def test_parts_are_forgotten_after_an_hour() -> None:
    reassembler, (one, two) = Reassembler(), parts_of(bytes(200))
    reassembler.take(GATEWAY, one, 0)
    assert reassembler.take(GATEWAY, two, LIFE_MS) == []
    assert not reassembler.holds(GATEWAY, one)
    assert reassembler.take(GATEWAY, one, LIFE_MS + 1) == [bytes(200)]


def test_a_sender_who_floods_loses_its_own_sets_and_nobody_elses() -> None:
    reassembler = Reassembler()
    one, two = parts_of(bytes(200))
    reassembler.take(GATEWAY, one, 0)
    for n in range(200):
        reassembler.take("+84911111111", Part(n, is_wide=True, total=2, number=1, data=b"x"), 0)
    assert len(reassembler) == MOST_OF_SENDER + 1
    assert reassembler.take(GATEWAY, two, 0) == [bytes(200)]


class Mailman(RuleBasedStateMachine):
    """Brings parts of any kind from anybody; memory stays bounded and nothing is told that did not
    come."""

    def __init__(self) -> None:
        super().__init__()
        self.reassembler, self.now_ms = Reassembler(), 0
        self.came: set[tuple[str, bytes]] = set()

    @rule(
        sender=st.integers(0, 40),
        reference=st.integers(0, 3),
        is_wide=st.booleans(),
        total=st.integers(1, MOST_PARTS),
        number=st.integers(1, MOST_PARTS),
        data=st.binary(min_size=1, max_size=3),
        later_ms=st.integers(0, LIFE_MS // 3),
    )
    def bring(
        self,
        *,
        sender: int,
        reference: int,
        is_wide: bool,
        total: int,
        number: int,
        data: bytes,
        later_ms: int,
    ) -> None:
        self.now_ms += later_ms
        part = Part(reference, is_wide=is_wide, total=total, number=min(number, total), data=data)
        self.came.add((str(sender), data))
        found = self.reassembler.take(str(sender), part, self.now_ms)
        assert len(found) <= MOST_TRIES
        assert all(data in each for each in found)

    @invariant()
    def memory_is_bounded(self) -> None:
        assert len(self.reassembler) <= MOST_SETS
        assert self.reassembler.size <= MOST_SETS * MOST_PARTS * MOST_CLAIMS * 3


TestMailman = Mailman.TestCase
TestMailman.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
