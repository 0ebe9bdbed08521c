"""How trust passes on: new roots, and boards that change hands."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.errors import FormatError
from loa_protocol.keys import Algorithm
from loa_protocol.objects.authority import RootKey, Transfer
from loa_protocol.record import ClockTrust
from loa_protocol.succession import accept_root, accept_transfer, holders_of, root_signers
from loa_protocol.trust import Refusal, TrustError
from support.province import NOW, START, Person, Province, person, province

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


def _root_key(who: Person) -> RootKey:
    public = who.signer.public
    return RootKey(algorithm=public.algorithm, raw=public.raw, holder=who.holder)


def test_two_names_on_one_key_are_one_holder() -> None:
    twice = dataclasses.replace(P.root.keys[0], holder="somebody else")
    root = dataclasses.replace(P.root, keys=(*P.root.keys[:2], twice), threshold=3)
    data = sign_bundle(Kind.ROOT, root.to_bytes(), [P.roots[n].signer for n in (0, 1)])
    assert refusal(data, first=True) is Refusal.THRESHOLD


def test_two_keys_of_one_holder_are_one_holder() -> None:
    second = dataclasses.replace(_root_key(person("x")), holder=P.roots[0].holder)
    mine = person(P.roots[0].holder)
    keys = (*P.root.keys[:2], dataclasses.replace(_root_key(mine), holder=second.holder))
    root = dataclasses.replace(P.root, keys=keys)
    signers = [P.roots[0].signer, P.roots[1].signer, mine.signer]
    data = sign_bundle(Kind.ROOT, root.to_bytes(), signers)
    assert refusal(data, first=True) is Refusal.THRESHOLD


def test_another_root_of_the_same_version_is_equivocation() -> None:
    assert refusal(signed_root(P, 1, [0, 1, 2], threshold=2)) is Refusal.EQUIVOCATION
    assert accept_root(P.root_bundle, P.trusted(), NOW) == P.root  # the same is known


def test_a_key_of_an_algorithm_that_the_root_drops_cannot_hold_it() -> None:
    only_p256 = signed_root(P, 2, [0, 1, 2], algorithms=(Algorithm.ES256,))
    assert refusal(only_p256) is Refusal.CHAIN


def test_a_root_may_ask_more_of_its_holders_when_keys_change_never_less() -> None:
    """``recovery_keys`` only tightens."""
    careful = dataclasses.replace(P.root, recovery_keys=4)
    trusted = P.trusted(root=careful)
    spare = person("spare")
    keys = (*P.root.keys[:4], _root_key(spare))
    replaced = dataclasses.replace(careful, version=2, keys=keys)
    signers = [each.signer for each in P.roots]
    three = sign_bundle(Kind.ROOT, replaced.to_bytes(), signers[:3])
    with pytest.raises(TrustError) as caught:
        accept_root(three, trusted, NOW)
    assert caught.value.reason is Refusal.THRESHOLD
    four = sign_bundle(Kind.ROOT, replaced.to_bytes(), signers[:4])
    assert accept_root(four, trusted, NOW) == replaced
    same_keys = dataclasses.replace(careful, version=2, formats={int(Kind.PLAYLIST): 1})
    three = sign_bundle(Kind.ROOT, same_keys.to_bytes(), signers[:3])
    assert accept_root(three, trusted, NOW) == same_keys
    careless = dataclasses.replace(P.root, recovery_keys=1)
    one = sign_bundle(Kind.ROOT, replaced.to_bytes(), signers[:1])
    with pytest.raises(TrustError):
        accept_root(one, P.trusted(root=careless), NOW)


def test_a_root_of_an_unknown_format_is_refused() -> None:
    bundle = Bundle.from_bytes(P.root_bundle)
    newer = dataclasses.replace(bundle, version=2).to_bytes()
    assert refusal(newer, first=True) is Refusal.VERSION


def test_a_root_created_tomorrow_is_not_yet_one() -> None:
    late = signed_root(P, 2, [0, 1, 2], created=NOW.unix_s + 1)
    assert refusal(late) is Refusal.NOT_YET
    unknown = dataclasses.replace(NOW, trust=ClockTrust.T1)
    assert accept_root(late, P.trusted(), unknown).version == 2


def test_who_signed_is_told_before_there_are_enough() -> None:
    half = signed_root(P, 2, [1, 3])
    kids = root_signers(half, (P.root,))
    assert holders_of(P.root, kids) == {"root-2", "root-4"}


@given(st.integers(0, 10**6))
def test_no_flipped_bit_of_a_root_gets_through(seed: int) -> None:
    data = bytearray(signed_root(P, 2, [0, 1, 2]))
    bit = seed % (len(data) * 8)
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises((FormatError, TrustError)):
        accept_root(bytes(data), P.trusted(), NOW)
