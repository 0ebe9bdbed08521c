"""How trust passes on: new roots, and boards that change hands."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.objects.authority import RootKey, Transfer
from loa_protocol.succession import accept_root, accept_transfer
from loa_protocol.trust import Refusal, TrustError
from support.province import NOW, START, Province, person, province

P = province()


def signed_root(p: Province, version: int, people: list[int], **changes: Any) -> bytes:
    root = dataclasses.replace(p.root, version=version, **changes)
    return sign_bundle(Kind.ROOT, root.to_bytes(), [p.roots[n].signer for n in people])


def refusal(data: bytes, *, first: bool = False) -> Refusal:
    with pytest.raises(TrustError) as caught:
        accept_root(data, None if first else P.trusted(), NOW)
    return caught.value.reason


def test_the_first_root_needs_three_of_its_five_holders() -> None:
    assert accept_root(signed_root(P, 1, [0, 1, 2]), None, NOW) == P.root
    assert refusal(signed_root(P, 1, [0, 1]), first=True) is Refusal.THRESHOLD
    assert refusal(signed_root(P, 1, [0, 0, 0]), first=True) is Refusal.THRESHOLD


def test_the_next_root_needs_three_of_the_old_and_three_of_the_new() -> None:
    assert accept_root(signed_root(P, 2, [1, 2, 3]), P.trusted(), NOW).version == 2
    strangers = [person(f"s{n}") for n in range(5)]
    keys = tuple(
        RootKey(algorithm=s.signer.public.algorithm, raw=s.signer.public.raw, holder=s.holder)
        for s in strangers
    )
    taken = dataclasses.replace(P.root, version=2, keys=keys)
    only_new = sign_bundle(Kind.ROOT, taken.to_bytes(), [s.signer for s in strangers[:3]])
    assert refusal(only_new) is Refusal.THRESHOLD
    both = [*(s.signer for s in strangers[:3]), *(r.signer for r in P.roots[:3])]
    assert accept_root(sign_bundle(Kind.ROOT, taken.to_bytes(), both), P.trusted(), NOW) == taken


def test_roots_rise_one_step_at_a_time() -> None:
    assert refusal(signed_root(P, 3, [0, 1, 2])) is Refusal.ROLLBACK


def test_a_root_of_another_province_or_of_a_test_province_does_not_follow() -> None:
    assert refusal(signed_root(P, 2, [0, 1, 2], scope="vn/hn")) is Refusal.SCOPE
    assert refusal(signed_root(P, 2, [0, 1, 2], test=False)) is Refusal.SCOPE


def test_another_kind_is_no_root() -> None:
    data = sign_bundle(Kind.POLICY, P.root.to_bytes(), [P.roots[0].signer])
    assert refusal(data) is Refusal.KIND


def transfer(people: int = 3, **changes: Any) -> bytes:
    facts: dict[str, Any] = {
        "old_root": Bundle.from_bytes(P.root_bundle).digest,
        "new_root": b"n" * 32,
        "endpoint": P.device.public.kid,
        "expires": START + 86_400,
    }
    body = Transfer(**{**facts, **changes})
    return sign_bundle(Kind.TRANSFER, body.to_bytes(), [p.signer for p in P.roots[:people]])


@pytest.mark.requirement("SEC-6")
def test_a_board_changes_hands_only_by_three_of_its_present_root() -> None:
    assert accept_transfer(transfer(), P.trusted(), NOW).new_root == b"n" * 32
    for data, reason in (
        (transfer(people=2), Refusal.THRESHOLD),
        (transfer(old_root=bytes(32)), Refusal.NOT_ADDRESSED),
        (transfer(endpoint=bytes(16)), Refusal.NOT_ADDRESSED),
        (transfer(expires=START), Refusal.EXPIRED),
    ):
        with pytest.raises(TrustError) as caught:
            accept_transfer(data, P.trusted(), NOW)
        assert caught.value.reason is reason


def test_officers_cannot_sign_a_transfer() -> None:
    body = Transfer(
        old_root=Bundle.from_bytes(P.root_bundle).digest, new_root=b"n" * 32, expires=START + 86_400
    )
    data = sign_bundle(Kind.TRANSFER, body.to_bytes(), [p.signer for p in P.officers])
    with pytest.raises(TrustError) as caught:
        accept_transfer(data, P.trusted(), NOW)
    assert caught.value.reason is Refusal.UNKNOWN_SIGNER
