"""Live sessions: judged chunk by chunk, fed only while wanted."""

from __future__ import annotations

import pytest

from loa_endpoint.core.clock import Reading
from loa_endpoint.core.effect import FeedLive
from loa_endpoint.core.live_desk import KEPT_MS, MAX_CHUNK_BYTES, MOST_KEPT, STALL_MS, LiveDesk
from loa_protocol.errors import MessageError
from loa_protocol.keys import SoftSigner
from loa_protocol.live import seal_chunk
from loa_protocol.objects.live import Grant, LiveChunk
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Refusal, TrustError
from support.kept import kept_order
from support.orders import grant
from support.province import NOW, person

NOW_MS = NOW.unix_s * 1000
SESSION = person("session").signer
GRANT = grant(SESSION)


def at(after_ms: int, trust: ClockTrust = ClockTrust.T3) -> Reading:
    return Reading(
        mono_ms=1_000_000 + after_ms, unix_ms=NOW_MS + after_ms, trust=trust, uncertainty_ms=1
    )


def chunk(number: int, body: Grant = GRANT, signer: SoftSigner = SESSION, size: int = 60) -> bytes:
    return seal_chunk(
        LiveChunk(
            grant=body.id,
            number=number,
            at_ms=body.start * 1000 + number * 1000,
            packets=(bytes(size),) * 50,
        ),
        signer,
    )


def desk(*grants: Grant) -> LiveDesk:
    made = LiveDesk()
    made.on_grants([kept_order(each)[0] for each in grants or (GRANT,)])
    return made


def refusal(of: LiveDesk, data: bytes, now: Reading) -> Refusal:
    with pytest.raises(TrustError) as caught:
        of.on_chunk(data, now)
    return caught.value.reason


@pytest.mark.requirement("SRC-1")
def test_what_came_just_before_it_was_wanted_is_fed_and_what_follows_goes_on() -> None:
    live = desk()
    assert live.on_chunk(chunk(0), at(0)) == (GRANT.id, [])
    live.on_chunk(chunk(4), at(KEPT_MS + 1000))
    fed = live.attach(GRANT.id, "live#1")
    assert fed == [FeedLive("live#1", 4000, (bytes(60),) * 50)]
    assert live.on_chunk(chunk(5), at(KEPT_MS + 1100))[1] == [
        FeedLive("live#1", 5000, (bytes(60),) * 50)
    ]
    live.detach("live#1")
    assert live.on_chunk(chunk(6), at(KEPT_MS + 1200))[1] == []


@pytest.mark.requirement("SEC-3")
def test_no_relay_can_say_what_the_session_did_not() -> None:
    live = desk()
    live.on_chunk(chunk(1), at(500))
    assert refusal(live, chunk(1), at(600)) is Refusal.REPLAYED
    assert refusal(live, chunk(2, signer=person("x").signer), at(600)) is Refusal.UNKNOWN_SIGNER
    other = grant(SESSION)
    assert refusal(live, chunk(3, other), at(600)) is Refusal.NOT_ADDRESSED
    assert refusal(live, chunk(0), at(31_000)) is Refusal.EXPIRED
    assert refusal(live, chunk(40), at(600)) is Refusal.NOT_YET
    assert refusal(live, chunk(5), at(600, ClockTrust.T1)) is Refusal.NOT_YET
    forged = bytearray(chunk(6))
    forged[-1] ^= 1
    assert refusal(live, bytes(forged), at(600)) is Refusal.SIGNATURE
    with pytest.raises(MessageError, match="in one chunk"):
        live.on_chunk(chunk(7, size=MAX_CHUNK_BYTES // 50 + 1), at(600))


def test_a_session_ends_with_its_grant_and_keeps_its_memory_until_then() -> None:
    live = desk()
    live.on_chunk(chunk(1), at(500))
    live.on_grants([kept_order(GRANT)[0]])
    assert refusal(live, chunk(1), at(600)) is Refusal.REPLAYED
    live.on_grants([])
    assert live.grant(GRANT.id) is None
    assert refusal(live, chunk(2), at(700)) is Refusal.NOT_ADDRESSED


def test_a_session_flows_until_nothing_of_it_is_left_to_sound() -> None:
    live = desk()
    assert not live.is_flowing(GRANT.id, at(0))
    live.on_chunk(chunk(1), at(500))
    assert live.is_flowing(GRANT.id, at(2000 + STALL_MS - 1))
    assert not live.is_flowing(GRANT.id, at(2000 + STALL_MS))


def test_a_slot_is_filled_by_the_grant_that_names_it() -> None:
    slot = grant(SESSION, slot="i0", playlist=bytes(32))
    live = desk(GRANT, slot)
    assert live.for_slot(bytes(32), "i0") == slot.id
    assert live.for_slot(bytes(32), "i1") is None
    assert live.position_ms(slot.id, NOW_MS + 1500) == 1500


def test_no_more_chunks_wait_for_a_bearer_than_could_sound() -> None:
    live = desk()
    for number in range(3 * MOST_KEPT):  # all for the same second, by whoever has the session's key
        packed = LiveChunk(
            grant=GRANT.id, number=number, at_ms=GRANT.start * 1000 + 1000, packets=(b"x",)
        )
        live.on_chunk(seal_chunk(packed, SESSION), at(0))
    assert len(live.attach(GRANT.id, "live#1")) == MOST_KEPT
