"""How trust passes on: from root to root, and from province to province."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Final

from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.keys import Algorithm
from loa_protocol.objects.authority import Root, Transfer
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now, Refusal
from vectors.generator import bodies
from vectors.generator.case import FORMAT, Case
from vectors.generator.odd import encode
from vectors.generator.world import (
    DAY,
    DEVICE,
    NOW,
    OFFICERS,
    ROOT,
    ROOT_BUNDLE,
    ROOT_DIGEST,
    ROOTS,
    START,
    Person,
    person,
    root_key,
    root_of,
    sign,
)

_NEW: Final = [person(f"new-root-{n}") for n in range(1, 6)]


def cases() -> Iterator[Case]:
    """Yield the cases."""
    yield from _first()
    yield from _next()
    yield from _steps()
    yield from _transfers()


def _first() -> Iterator[Case]:
    def case(name: str, why: str, data: bytes, reason: Any = None) -> Case:
        return Case("root", f"first_{name}", why, data, reason, door="first_root")

    yield case("by_three", "Three of its own five holders.", ROOT_BUNDLE)
    yield case("by_two", "Two are too few.", sign(Kind.ROOT, ROOT, *ROOTS[:2]), Refusal.THRESHOLD)
    yield case(
        "one_key_three_times",
        "One key with three signatures is one.",
        sign(Kind.ROOT, ROOT, *[ROOTS[0]] * 3),
        Refusal.THRESHOLD,
    )
    yield case(
        "by_a_stranger_too",
        "A seal by no key of the root.",
        sign(Kind.ROOT, ROOT, *ROOTS[:3], person("x")),
        Refusal.UNKNOWN_SIGNER,
    )
    twice = root_of(ROOTS, keys=(*map(root_key, ROOTS[:2]), root_key(ROOTS[0], "somebody else")))
    yield case(
        "one_key_under_two_names",
        "One key under two names is one holder.",
        sign(Kind.ROOT, twice, *ROOTS[:2], ROOTS[0]),
        Refusal.THRESHOLD,
    )
    second = person("root-1 second", holder="root-1")
    same = root_of([*ROOTS[:2], second])
    yield case(
        "two_keys_of_one_holder",
        "Two keys under one name are one holder.",
        sign(Kind.ROOT, same, ROOTS[0], ROOTS[1], second),
        Refusal.THRESHOLD,
    )
    as_policy = sign_bundle(Kind.POLICY, ROOT.to_bytes(), [each.signer for each in ROOTS[:3]])
    relabelled = dataclasses.replace(Bundle.from_bytes(as_policy), kind=int(Kind.ROOT)).to_bytes()
    yield case(
        "signed_as_a_policy",
        "Its holders signed these bytes as a policy.",
        relabelled,
        Refusal.SIGNATURE,
    )
    yield case("that_is_a_policy", "Another kind of object.", as_policy, Refusal.KIND)
    version = dataclasses.replace(Bundle.from_bytes(ROOT_BUNDLE), version=2).to_bytes()
    yield case("of_another_format", "A format that is not known here.", version, Refusal.VERSION)
    only = root_of(ROOTS, algorithms=(Algorithm.EDDSA,))
    yield case(
        "key_of_a_refused_algorithm",
        "A P-256 key in a root that allows Ed25519 only.",
        sign(Kind.ROOT, only, *ROOTS[:2], ROOTS[3]),
        Refusal.CHAIN,
    )
    value = dict(ROOT.to_value())
    for name, why, raw in (
        ("version_0", "Versions begin at 1.", {**value, 2: 0}),
        ("without_keys", "A root has a key at least.", {**value, 5: []}),
        (
            "33_formats",
            "32 format floors are the most.",
            {**value, 8: dict.fromkeys(range(1, 34), 1)},
        ),
        ("threshold_0", "Nobody's consent is none.", {**value, 6: 0}),
        ("unusual_scope", "A scope in capitals.", {**value, 1: "VN/LS"}),
    ):
        data = sign_bundle(Kind.ROOT, encode(raw), [each.signer for each in ROOTS[:3]])
        yield case(name, why, data, FORMAT)


def _case(
    name: str,
    why: str,
    root: Root,
    people: Sequence[Person],
    reason: Any = None,
    *,
    present: Root | None = None,
    **more: Any,
) -> Case:
    facts = {} if present is None else {"root": sign(Kind.ROOT, present, *ROOTS[:3]).hex()}
    return Case(
        "root", name, why, sign(Kind.ROOT, root, *people), reason, facts, door="root", **more
    )


def _next() -> Iterator[Case]:
    same, other = root_of(ROOTS, version=2), root_of(_NEW, version=2)
    yield _case(
        "next_by_the_same_holders",
        "From 1 to 2: three holders of both.",
        same,
        ROOTS[1:4],
        expected={"version": 2},
    )
    yield _case(
        "next_by_old_and_new",
        "New holders: three of the old and three of the new.",
        other,
        [*ROOTS[:3], *_NEW[:3]],
    )
    yield _case(
        "next_by_the_new_only",
        "Whoever made new keys signs with those alone.",
        other,
        _NEW[:3],
        Refusal.THRESHOLD,
    )
    yield _case(
        "next_by_the_old_only",
        "The new holders have not shown that they hold their keys.",
        other,
        ROOTS[:3],
        Refusal.THRESHOLD,
    )
    yield _case(
        "next_by_two_of_the_old",
        "Two of the old are too few.",
        other,
        [*ROOTS[:2], *_NEW[:3]],
        Refusal.THRESHOLD,
    )
    yield _case(
        "next_by_two_of_the_new",
        "Two of the new are too few.",
        other,
        [*ROOTS[:3], *_NEW[:2]],
        Refusal.THRESHOLD,
    )
    meek = root_of(_NEW, version=2, threshold=1)
    yield _case(
        "next_lowers_its_own_threshold",
        "The new threshold does not count for the old holders.",
        meek,
        [ROOTS[0], _NEW[0]],
        Refusal.THRESHOLD,
    )
    careful = root_of(ROOTS, recovery_keys=4)
    lost = root_of([*ROOTS[:4], person("spare")], version=2, recovery_keys=4)
    yield _case(
        "next_lost_key_by_three",
        "This root wants four when keys change.",
        lost,
        ROOTS[:3],
        Refusal.THRESHOLD,
        present=careful,
    )
    yield _case("next_lost_key_by_four", "Four agree.", lost, ROOTS[:4], present=careful)
    kept = root_of(ROOTS, version=2, recovery_keys=4, formats={int(Kind.PLAYLIST): 1})
    yield _case(
        "next_same_keys_by_three", "Keys stay: three will do.", kept, ROOTS[:3], present=careful
    )


def _steps() -> Iterator[Case]:
    three, second = ROOTS[:3], root_of(ROOTS, version=2)
    yield _case(
        "same_again", "The root that is trusted already.", ROOT, three, expected={"version": 1}
    )
    yield _case(
        "jump",
        "Fast-forward: from 1 to 3 without 2.",
        root_of(ROOTS, version=3),
        three,
        Refusal.ROLLBACK,
    )
    yield _case(
        "jump_to_the_last",
        "Fast-forward to the last version there is.",
        root_of(ROOTS, version=2**63 - 1),
        three,
        Refusal.ROLLBACK,
    )
    yield _case("rollback", "Version 1 after 2.", ROOT, three, Refusal.ROLLBACK, present=second)
    yield _case(
        "equivocation",
        "Another root of version 1.",
        root_of(ROOTS, threshold=2),
        three,
        Refusal.EQUIVOCATION,
    )
    yield _case(
        "other_scope",
        "A root of another province does not follow.",
        root_of(ROOTS, version=2, scope="vn/hn"),
        three,
        Refusal.SCOPE,
    )
    yield _case(
        "scope_that_looks_like_ours",
        "vn/ls1 is not vn/ls.",
        root_of(ROOTS, version=2, scope="vn/ls1"),
        three,
        Refusal.SCOPE,
    )
    yield _case(
        "test_becomes_real",
        "A test province stays one.",
        root_of(ROOTS, version=2, test=False),
        three,
        Refusal.SCOPE,
    )
    later = root_of(ROOTS, version=2, created=NOW.unix_s + 1)
    yield _case(
        "created_tomorrow",
        "Made in the future, and the time is known.",
        later,
        three,
        Refusal.NOT_YET,
    )
    yield _case(
        "created_tomorrow_by_an_unknown_clock",
        "A floor does not know.",
        later,
        three,
        now=Now(NOW.unix_s, ClockTrust.T1),
    )
    today = root_of(ROOTS, version=2, created=NOW.unix_s)
    yield _case("created_this_second", "Made now.", today, three)
    risen = root_of(ROOTS, formats={int(Kind.ROOT): 2})
    yield _case(
        "below_the_format_floor",
        "The present root wants roots of format 2.",
        root_of(ROOTS, version=2),
        three,
        Refusal.VERSION,
        present=risen,
    )
    certificates = root_of(ROOTS, formats={int(Kind.CERTIFICATE): 2})
    yield Case(
        "certificate",
        "below_the_format_floor",
        "The root wants certificates of format 2.",
        sign(Kind.DENY_LIST, bodies.deny_list(), *OFFICERS),
        Refusal.VERSION,
        {"root": sign(Kind.ROOT, certificates, *three).hex()},
    )


def _transfers() -> Iterator[Case]:
    def case(
        name: str,
        why: str,
        people: Sequence[Person],
        reason: Any = None,
        *,
        facts: Any = None,
        **changes: Any,
    ) -> Case:
        body = {
            "old_root": ROOT_DIGEST,
            "new_root": bodies.digest("new root"),
            "endpoint": DEVICE.kid,
            "expires": START + DAY,
        }
        data = sign(Kind.TRANSFER, Transfer(**{**body, **changes}), *people)
        return Case("transfer", name, why, data, reason, facts or {}, door="transfer")

    three = ROOTS[2:]
    yield case("by_three", "Three holders of the board's present root.", three)
    yield case("of_every_board", "Without an endpoint it is for all.", three, endpoint=None)
    yield case("by_two", "Two are too few.", ROOTS[:2], Refusal.THRESHOLD)
    yield case("by_officers", "Officers give no board away.", OFFICERS, Refusal.UNKNOWN_SIGNER)
    yield case(
        "by_the_new_root", "Nor does the province that wants it.", _NEW[:3], Refusal.UNKNOWN_SIGNER
    )
    yield case(
        "of_another_board",
        "Replayed to another device.",
        three,
        Refusal.NOT_ADDRESSED,
        endpoint=bytes(16),
    )
    yield case(
        "from_another_root",
        "From a root that this board does not have.",
        three,
        Refusal.NOT_ADDRESSED,
        old_root=bytes(32),
    )
    yield case("expired", "It was good until an hour ago.", three, Refusal.EXPIRED, expires=START)
    now = NOW.unix_s
    yield case("expired_this_second", "To the second.", three, Refusal.EXPIRED, expires=now)
    yield case("expires_next_second", "One second before, it is good.", three, expires=now + 1)
    floor = {
        "root": sign(Kind.ROOT, root_of(ROOTS, formats={int(Kind.TRANSFER): 2}), *ROOTS[:3]).hex()
    }
    yield case(
        "below_the_format_floor",
        "The root wants transfers of format 2.",
        three,
        Refusal.VERSION,
        facts=floor,
    )
    yield Case(
        "transfer",
        "that_is_a_root",
        "Another kind of object.",
        ROOT_BUNDLE,
        Refusal.KIND,
        door="transfer",
    )
