"""Records and their chain."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_record import fuzz
from loa_protocol.errors import FormatError
from loa_protocol.objects.authority import Level
from loa_protocol.objects.playlist import BearerKind, BulletinKind, Mark
from loa_protocol.record import (
    BODIES,
    CHAIN_START,
    Body,
    Boot,
    ClockTrust,
    Evidence,
    Happening,
    Heartbeat,
    OrderState,
    OrderTaken,
    Outcome,
    PlayEnded,
    PlayStarted,
    Record,
    Refused,
    Segment,
    State,
    chain,
)

STARTED = PlayStarted(
    play=b"p" * 16,
    item="i1",
    session="s1",
    playlist=b"d" * 32,
    scope="vn/ls/st0137/c01",
    planned_ms=1_800_000_000_000,
    duration_ms=60_000,
    kind=BulletinKind.NORMAL,
    level=Level.COMMUNE,
    language="tay",
    category="thông báo",
    mark=Mark.TEST,
)
ENDED = PlayEnded(
    play=b"p" * 16,
    outcome=Outcome.COMPLETE,
    started_ms=1_800_000_000_003,
    ended_ms=1_800_000_060_000,
    segments=(Segment(bearer=BearerKind.FM, start_ms=1, end_ms=2),),
    silent_ms=0,
    longest_gap_ms=40,
    evidence=Evidence.OUTPUT,
    evidence_ms=59_000,
    xruns=0,
    offset_ms=-3,
    volume=9,
    uncertainty_ms=12,
    loudness_clufs=-2310,
    drift_ms=-2,
    unsigned_host="radio.example",
)
BODY_EXAMPLES: tuple[Body, ...] = (
    Boot(previous_epoch=0, previous_next=0, previous_chain=CHAIN_START, version="0.1.0"),
    STARTED,
    ENDED,
    Refused(what="playlist", reason="threshold", detail="", digest=b"x" * 32),
    Happening(name="fallback", detail="fm -> media"),
    Heartbeat(state=State.PLAYING, uptime_s=5, free_bytes=10, faults=("fm_carrier",), item="i1"),
    OrderTaken(id=b"e" * 16, kind=10, digest=b"x" * 32, state=OrderState.TAKEN, detail=""),
)


@pytest.mark.parametrize("body", BODY_EXAMPLES)
def test_every_kind_of_record_comes_back_from_its_bytes(body: Body) -> None:
    record = Record(at_ms=1_800_000_000_000, trust=ClockTrust.T3, body=body)
    assert Record.from_bytes(record.to_bytes()) == record


def test_the_host_of_an_unsigned_stream_is_one_or_the_record_is_none() -> None:
    with pytest.raises(FormatError, match="unsigned_host"):
        replace(ENDED, unsigned_host="https://radio.example/").to_bytes()


def test_every_kind_has_an_example_here() -> None:
    assert {type(body) for body in BODY_EXAMPLES} == set(BODIES.values())


def test_the_chain_binds_each_record_to_all_before_it() -> None:
    one = chain(CHAIN_START, b"first")
    assert one == hashlib.sha256(bytes(32) + b"first").digest()
    assert chain(one, b"second") != chain(chain(CHAIN_START, b"First"), b"second")


def test_a_record_of_an_unknown_kind_is_refused() -> None:
    data = bytearray(Record(at_ms=1, trust=ClockTrust.T1, body=BODY_EXAMPLES[4]).to_bytes())
    data[2] = 23
    with pytest.raises(FormatError, match="record kind 23"):
        Record.from_bytes(bytes(data))


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_named_error(data: bytes) -> None:
    fuzz(data)


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_flipped_byte_is_a_named_error_or_another_record(at: int, value: int) -> None:
    data = bytearray(Record(at_ms=1, trust=ClockTrust.T3, body=ENDED).to_bytes())
    data[at % len(data)] = value
    fuzz(bytes(data))
