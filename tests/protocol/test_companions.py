"""Certificates that need not travel every time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_protocol.accept import accept
from loa_protocol.companions import Companions, bare
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import FormatError
from loa_protocol.objects.online import Receipt
from loa_protocol.trust import Refusal, TrustError
from support.province import NOW, province

P = province()


def receipt(number: int = 0) -> bytes:
    body = Receipt(
        endpoint=P.device.public.kid,
        epoch=1,
        next=number,
        chain=bytes(32),
        time_ms=NOW.unix_s * 1000 + number,
    )
    return P.sign(Kind.RECEIPT, body, P.online)


@pytest.mark.requirement("PERF-5")
def test_a_bare_receipt_is_completed_by_one_that_was_accepted_whole_and_judged_like_it() -> None:
    companions, short = Companions(), bare(receipt(1))
    assert len(short) < len(receipt(1)) // 3
    with pytest.raises(TrustError) as caught:
        accept(companions.complete(short), P.trusted(), NOW)
    assert caught.value.reason is Refusal.UNKNOWN_SIGNER
    companions.remember(receipt(0))
    assert companions.complete(short) == receipt(1)
    assert (
        accept(companions.complete(short), P.trusted(), NOW).body
        == accept(receipt(1), P.trusted(), NOW).body
    )


def test_what_came_whole_is_left_as_it_came() -> None:
    companions = Companions(receipt())
    assert companions.complete(receipt(2)) == receipt(2)


def test_what_is_remembered_outlives_a_restart_and_is_written_only_when_it_changes() -> None:
    kept: list[bytes] = []
    companions = Companions(None, kept.append)
    companions.remember(receipt(0))
    companions.remember(receipt(1))
    companions.remember(bare(receipt(2)))
    assert kept == [receipt(0)]
    again = Companions(kept[0])
    assert again.complete(bare(receipt(3))) == receipt(3)
    assert Companions(b"damaged").complete(bare(receipt(3))) == bare(receipt(3))


@given(st.binary(max_size=100))
def test_bytes_that_are_no_bundle_are_named(data: bytes) -> None:
    with pytest.raises(FormatError):
        Companions(receipt()).complete(data)


def test_a_bare_bundle_says_what_the_whole_one_says() -> None:
    short, whole = (Bundle.from_bytes(each) for each in (bare(receipt()), receipt()))
    assert (short.payload, short.seals, short.certificates) == (whole.payload, whole.seals, ())
