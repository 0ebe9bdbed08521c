"""Live sound: what a relay may do to chunks, and what is left of it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.fuzz_live import fuzz
from loa_protocol import live
from loa_protocol.envelope import Kind, seal
from loa_protocol.errors import FormatError, MessageError
from loa_protocol.live import LiveSession, grant_of, seal_chunk
from loa_protocol.objects.live import LiveChunk
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now, Refusal, TrustError
from vectors.generator import bodies
from vectors.generator.world import NOW, SESSION, person

GRANT = bodies.grant()
GOOD = seal_chunk(bodies.chunk(), SESSION.signer)


def chunk(number: int, *, after_s: int = 2) -> bytes:
    body = bodies.chunk(number=number, at_ms=(NOW.unix_s + after_s) * 1000)
    return seal_chunk(body, SESSION.signer)


def refusal(session: LiveSession, data: bytes, now: Now = NOW) -> Refusal:
    with pytest.raises(TrustError) as caught:
        session.accept(data, now)
    return caught.value.reason


@pytest.mark.requirement("SEC-3")
def test_a_chunk_of_the_session_is_taken_once() -> None:
    session = LiveSession(GRANT)
    assert session.accept(GOOD, NOW) == bodies.chunk()
    assert refusal(session, GOOD) is Refusal.REPLAYED


def test_a_chunk_names_its_grant_before_anybody_judges_it() -> None:
    forged = seal_chunk(bodies.chunk(), person("relay").signer)
    assert grant_of(GOOD) == grant_of(forged) == GRANT.id
    with pytest.raises(FormatError):
        grant_of(b"")
    with pytest.raises(MessageError, match="carries its payload"):
        grant_of(seal(bodies.chunk().to_bytes(), Kind.LIVE_CHUNK.label(), SESSION.signer))


@pytest.mark.requirement("SEC-3")
def test_what_is_refused_is_not_remembered() -> None:
    session = LiveSession(GRANT)
    forged = seal_chunk(bodies.chunk(), person("relay").signer)
    assert refusal(session, forged) is Refusal.UNKNOWN_SIGNER
    assert refusal(session, GOOD, Now(NOW.unix_s, ClockTrust.T1)) is Refusal.NOT_YET
    late = Now(NOW.unix_s + 60, ClockTrust.T3)
    assert refusal(session, GOOD, late) is Refusal.EXPIRED
    assert session.accept(GOOD, NOW).number == 7


@given(st.randoms(use_true_random=False), st.integers(1, 60))
def test_any_order_with_any_losses_gives_each_chunk_once(rng: random.Random, count: int) -> None:
    numbers = rng.sample(range(count), rng.randint(1, count))
    sent = [*numbers, *rng.choices(numbers, k=5)]
    rng.shuffle(sent)
    session, taken = LiveSession(GRANT), []
    for number in sent:
        try:
            taken.append(session.accept(chunk(number), NOW).number)
        except TrustError as error:
            assert error.reason is Refusal.REPLAYED  # noqa: PT017 - the others are what is asserted
    assert sorted(taken) == sorted(numbers)


def test_the_memory_of_numbers_ends_and_forgets_no_replay() -> None:
    session = LiveSession(GRANT)
    kept = live._KEPT
    odd = [chunk(number) for number in range(1, 2 * kept + 4, 2)]  # every second one was lost
    for data in odd:
        session.accept(data, NOW)
    assert len(session._seen) <= kept
    for data in (odd[0], odd[len(odd) // 2], odd[-1]):
        assert refusal(session, data) is Refusal.REPLAYED
    assert refusal(session, chunk(0)) is Refusal.REPLAYED  # lost so long ago that it is too late


@pytest.mark.requirement("SEC-3")
def test_no_single_bit_flip_of_a_chunk_is_taken() -> None:
    for bit in range(len(GOOD) * 8):
        broken = bytearray(GOOD)
        broken[bit // 8] ^= 1 << bit % 8
        with pytest.raises((FormatError, TrustError)):
            LiveSession(GRANT).accept(bytes(broken), NOW)


def test_a_chunk_of_the_size_limit_is_still_no_bomb() -> None:
    packets = (bytes([1]) * 1275,) * 100
    big = LiveChunk(grant=GRANT.id, number=1, at_ms=NOW.unix_s * 1000, packets=packets)
    assert LiveSession(GRANT).accept(seal_chunk(big, SESSION.signer), NOW) == big
    with pytest.raises(FormatError):
        LiveSession(GRANT).accept(seal_chunk(big, SESSION.signer) + bytes(300_000), NOW)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_named_errors(data: bytes) -> None:
    fuzz(data)
