"""Certificates that need not travel every time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_protocol.accept import accept
from loa_protocol.companions import Companions, bare
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.errors import FormatError
from loa_protocol.objects.online import Receipt
from loa_protocol.trust import Refusal, TrustError
from support.province import NOW, person, province

P = province()


RECEIPT = Receipt(
    endpoint=P.device.public.kid, epoch=1, next=0, chain=bytes(32), time_ms=NOW.unix_s * 1000
)


def receipt(number: int = 0) -> bytes:
    body = replace(RECEIPT, next=number, time_ms=RECEIPT.time_ms + number)
    return P.sign(Kind.RECEIPT, body, P.online)


def is_whole(data: bytes, number: int) -> bool:
    """Tell whether *data* is the receipt of that number with all its certificates."""
    found, whole = Bundle.from_bytes(data), Bundle.from_bytes(receipt(number))
    is_same = (found.payload, found.seals) == (whole.payload, whole.seals)
    return is_same and set(found.certificates) == set(whole.certificates)


def _of(data: bytes) -> Companions:
    return Companions(Bundle.from_bytes(data).certificates)


def test_what_strangers_sealed_is_known_to_nobody_and_stays_as_it_came() -> None:
    companions, stranger = _of(receipt()), person("stranger")
    data = bare(P.sign(Kind.RECEIPT, RECEIPT, stranger))
    assert not companions.know(Bundle.from_bytes(data))
    assert companions.complete(data) == data


def test_of_many_certificates_those_above_the_seals_are_added_and_no_others() -> None:
    everybody = [*P.online.chain, *P.editor.chain, *P.approver.chain, b"no certificate"]
    companions = Companions(everybody)
    assert accept(companions.complete(bare(receipt())), P.trusted(), NOW).body == RECEIPT
    whole = Bundle.from_bytes(companions.complete(bare(receipt())))
    assert set(whole.certificates) == set(P.online.chain)
    root_only = replace(whole, certificates=P.online.chain[-1:])
    again = Bundle.from_bytes(companions.complete(root_only.to_bytes()))
    assert set(again.certificates) == set(P.online.chain)


@pytest.mark.requirement("PERF-5")
def test_a_bare_receipt_is_completed_by_one_that_was_accepted_whole_and_judged_like_it() -> None:
    companions, short = Companions(), bare(receipt(1))
    assert not companions.know(Bundle.from_bytes(short))
    assert companions.know(Bundle.from_bytes(receipt(1)))
    assert len(short) < len(receipt(1)) // 3
    with pytest.raises(TrustError) as caught:
        accept(companions.complete(short), P.trusted(), NOW)
    assert caught.value.reason is Refusal.UNKNOWN_SIGNER
    companions.remember(receipt(0))
    assert companions.know(Bundle.from_bytes(short))
    assert is_whole(companions.complete(short), 1)
    assert (
        accept(companions.complete(short), P.trusted(), NOW).body
        == accept(receipt(1), P.trusted(), NOW).body
    )


def test_what_came_whole_is_left_as_it_came() -> None:
    companions = _of(receipt())
    assert companions.complete(receipt(2)) == receipt(2)


def test_what_is_remembered_outlives_a_restart_and_is_written_only_when_it_changes() -> None:
    kept: list[bytes] = []
    companions = Companions.of(None, kept.append)
    companions.remember(receipt(0))
    companions.remember(receipt(1))
    companions.remember(bare(receipt(2)))
    assert kept == [receipt(0)]
    again = Companions.of(kept[0], kept.append)
    assert is_whole(again.complete(bare(receipt(3))), 3)
    assert Companions.of(b"damaged", kept.append).complete(bare(receipt(3))) == bare(receipt(3))


@given(st.binary(max_size=100))
def test_bytes_that_are_no_bundle_are_named(data: bytes) -> None:
    with pytest.raises(FormatError):
        _of(receipt()).complete(data)


def test_a_bare_bundle_says_what_the_whole_one_says() -> None:
    short, whole = (Bundle.from_bytes(each) for each in (bare(receipt()), receipt()))
    assert (short.payload, short.seals, short.certificates) == (whole.payload, whole.seals, ())
