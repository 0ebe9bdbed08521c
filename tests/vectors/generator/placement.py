"""The other state objects: policy, assignment, settings, deny list, standing programme."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.objects.authority import Level, Role
from loa_protocol.objects.placement import Denied, DeniedKind
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now, Refusal
from vectors.generator import bodies
from vectors.generator.case import FORMAT, Case, position
from vectors.generator.odd import encode
from vectors.generator.world import (
    APPROVER,
    DAY,
    DEVICE,
    EDITOR,
    NOW,
    OFFICERS,
    ONLINE,
    ROOTS,
    SCOPE,
    START,
    STATION,
    WARDENS,
    Person,
    certify,
    person,
    sign,
)


def cases() -> Iterator[Case]:
    """Yield the cases."""
    yield from _policies()
    yield from _placement()
    yield from _denials()
    yield from _kept_denials()
    yield from _standing()


def _policies() -> Iterator[Case]:
    good = sign(Kind.POLICY, bodies.policy(), *OFFICERS)
    early = Now(START - 3600, ClockTrust.T3)
    elder = sign(Kind.POLICY, bodies.policy(expires=START + DAY), *OFFICERS)
    for name, why, data, reason, more in (
        ("two_officers", "Two holders with role policy.", good, None, {"expected": {"level": 2}}),
        (
            "one_officer",
            "One is too few.",
            sign(Kind.POLICY, bodies.policy(), OFFICERS[0]),
            Refusal.THRESHOLD,
            {},
        ),
        (
            "by_the_commune",
            "Editor and approver make no policy.",
            sign(Kind.POLICY, bodies.policy(), EDITOR, APPROVER),
            Refusal.ROLE,
            {},
        ),
        (
            "not_yet",
            "It begins in an hour, and the time is known.",
            good,
            Refusal.NOT_YET,
            {"now": early},
        ),
        (
            "begins_this_second",
            "The first second counts.",
            good,
            None,
            {"now": Now(START, ClockTrust.T3), "expected": {"pending": False}},
        ),
        (
            "not_yet_by_an_unknown_clock",
            "The time is only a floor, and that lags: it rules at once.",
            good,
            None,
            {"now": Now(early.unix_s, ClockTrust.T1), "expected": {"pending": False}},
        ),
        ("expired", "It ended.", elder, Refusal.EXPIRED, {"now": Now(START + DAY, ClockTrust.T2)}),
        (
            "rollback",
            "5 after 6.",
            good,
            Refusal.ROLLBACK,
            {"facts": position(1, 6, kind=Kind.POLICY, subject=SCOPE)},
        ),
        (
            "of_another_province",
            "Outside its signers' scope.",
            sign(Kind.POLICY, bodies.policy(scope="vn/hn"), *OFFICERS),
            Refusal.SCOPE,
            {},
        ),
    ):
        yield Case("policy", name, why, data, reason, **more)


def _placement() -> Iterator[Case]:
    body, mine = bodies.assignment(), DEVICE.signer.public.fingerprint.hex()
    good = sign(Kind.ASSIGNMENT, body, *OFFICERS)
    moved = position(1, 6, kind=Kind.ASSIGNMENT, subject=mine)
    local = [
        certify(
            person(f"local {n}"),
            OFFICERS,
            roles=(Role.OPERATE,),
            scopes=("vn/ls/st0200",),
            level=Level.PROVINCE,
        )
        for n in "ab"
    ]
    elsewhere = sign(Kind.ASSIGNMENT, bodies.assignment(scope=f"{STATION}/c09"), *OFFICERS)
    none = {"scope": None}
    desk = {"scope": None, "fingerprint": None}
    yield Case("assignment", "at_a_desk", "Where no endpoint judges.", good, facts=desk)
    yield Case(
        "assignment",
        "moves_the_board",
        "From the cluster where it hung to another.",
        good,
        facts={"scope": "vn/ls/st0200/c01"},
    )
    for name, why, data, reason, facts in (
        ("for_this_board", "Two officers, this board's key.", good, None, none),
        (
            "for_another_board",
            "Replayed to another device.",
            good,
            Refusal.NOT_ADDRESSED,
            {"fingerprint": "00" * 32},
        ),
        (
            "one_officer",
            "One is too few.",
            sign(Kind.ASSIGNMENT, body, OFFICERS[0]),
            Refusal.THRESHOLD,
            none,
        ),
        (
            "rollback_to_another_scope",
            "An old place must not look new because it is another.",
            elsewhere,
            Refusal.ROLLBACK,
            {**none, **moved},
        ),
        (
            "by_the_commune",
            "Where a board hangs is the province's to say.",
            sign(Kind.ASSIGNMENT, body, *WARDENS),
            Refusal.LEVEL,
            none,
        ),
        (
            "by_another_station",
            "Operators of another station.",
            sign(Kind.ASSIGNMENT, body, *local),
            Refusal.SCOPE,
            none,
        ),
    ):
        yield Case("assignment", name, why, data, reason, facts=facts)
    settings = sign(Kind.SETTINGS, bodies.settings(), *OFFICERS)
    lone = sign(Kind.SETTINGS, bodies.settings(), OFFICERS[0])
    yield Case("settings", "two_officers", "Two holders with role operate.", settings)
    yield Case("settings", "one_officer", "One is too few.", lone, Refusal.THRESHOLD)
    low = sign(Kind.SETTINGS, bodies.settings(), *WARDENS)
    yield Case("settings", "by_the_commune", "Servers are the province's.", low, Refusal.LEVEL)
    yield Case(
        "settings",
        "replayed_to_another_station",
        "The same bytes elsewhere.",
        settings,
        Refusal.NOT_ADDRESSED,
        facts={"scope": "vn/ls/st0200/c01"},
    )


def _denials() -> Iterator[Case]:
    entry = Denied(kind=DeniedKind.KEY, value=EDITOR.kid, until=START + DAY)
    good = sign(Kind.DENY_LIST, bodies.deny_list(entries=(entry,)), *OFFICERS)
    empty = sign(Kind.DENY_LIST, bodies.deny_list(serial=4), *OFFICERS)
    reached = position(1, 5, kind=Kind.DENY_LIST, subject=SCOPE)
    yield Case("deny_list", "two_officers", "Two holders with role revoke.", good)
    yield Case(
        "deny_list",
        "one_officer",
        "One is too few.",
        sign(Kind.DENY_LIST, bodies.deny_list(), OFFICERS[0]),
        Refusal.THRESHOLD,
    )
    revokers = [certify(person(f"revoker {n}"), OFFICERS, roles=(Role.REVOKE,)) for n in "ab"]
    yield Case(
        "deny_list",
        "by_the_commune",
        "A station does not say who is denied, nor who is no more.",
        sign(Kind.DENY_LIST, bodies.deny_list(scope=STATION), *revokers),
        Refusal.LEVEL,
    )
    yield Case(
        "deny_list",
        "of_a_station",
        "There is one list; a station's would take the place of the province's.",
        sign(Kind.DENY_LIST, bodies.deny_list(scope=STATION), *OFFICERS),
        Refusal.SCOPE,
    )
    yield Case(
        "deny_list",
        "by_the_server",
        "The online key denies nobody.",
        sign(Kind.DENY_LIST, bodies.deny_list(), ONLINE),
        Refusal.ROLE,
    )
    yield Case(
        "deny_list",
        "rollback",
        "An older list without the entry.",
        empty,
        Refusal.ROLLBACK,
        facts=reached,
    )
    yield Case(
        "deny_list",
        "signer_denied",
        "Who is denied denies nobody any more.",
        good,
        Refusal.DENIED,
        facts={"denied": [OFFICERS[1].kid.hex()]},
    )


def _kept_denials() -> Iterator[Case]:
    """Yield newer lists, where the one in force denies the editor's key for another day."""
    until = NOW.unix_s + DAY
    entry = Denied(kind=DeniedKind.KEY, value=EDITOR.kid, until=until)
    facts = {
        **position(1, 4, kind=Kind.DENY_LIST, subject=SCOPE),
        "denied": [EDITOR.kid.hex()],
        "denials": [{"kind": int(entry.kind), "value": EDITOR.kid.hex(), "until": until}],
    }
    officers = [
        certify(
            person(f"officer-{n} anew", holder=f"officer-{n}"),
            ROOTS[:2],
            scopes=(SCOPE,),
            roles=(Role.REVOKE,),
            level=Level.PROVINCE,
            epoch=2,
        )
        for n in (1, 2)
    ]

    def case(name: str, why: str, until: int | None, reason: Any = None, **more: Any) -> Case:
        kept = () if until is None else (dataclasses.replace(entry, until=until),)
        people, epoch = more.pop("people", OFFICERS), more.pop("epoch", 1)
        data = sign(Kind.DENY_LIST, bodies.deny_list(epoch=epoch, entries=kept), *people)
        return Case("deny_list", name, why, data, reason, **{"facts": facts, **more})

    yield case("keeps_an_entry", "What is denied stays denied.", until)
    yield case("keeps_an_entry_for_longer", "A time may be put off.", until + DAY)
    yield case("drops_an_entry", "It is denied for another day.", None, Refusal.ROLLBACK)
    yield case("shortens_an_entry", "The list after could drop it.", until - 1, Refusal.ROLLBACK)
    yield case(
        "drops_an_entry_by_an_unknown_clock",
        "It cannot be known to be over: kept rather too long.",
        None,
        Refusal.ROLLBACK,
        now=Now(until - 1, ClockTrust.T1),
    )
    yield case("drops_what_is_over", "Its time has come.", None, now=Now(until, ClockTrust.T3))
    yield case(
        "drops_what_is_over_by_the_floor",
        "Also by a mere floor, before which it cannot be.",
        None,
        now=Now(until, ClockTrust.T1),
    )
    yield case(
        "drops_an_entry_in_a_new_epoch",
        "People of the next epoch begin anew: thieves may have denied whom they liked.",
        None,
        people=officers,
        epoch=2,
    )
    yield case("first", "A board that never had a list.", None, facts={})


def _standing() -> Iterator[Case]:
    def programme(
        name: str, why: str, reason: Any, people: tuple[Person, ...], **changes: Any
    ) -> Case:
        data = sign(Kind.STANDING_PROGRAMME, bodies.standing(**changes), *people)
        return Case("standing_programme", name, why, data, reason)

    both = (EDITOR, APPROVER)
    yield programme("editor_and_approver", "Signed as a playlist is.", None, both)
    yield programme("one_signer", "The approver did not sign.", Refusal.THRESHOLD, (EDITOR,))
    yield programme(
        "a_leap_year_long", "366 days are the most.", None, both, expires=START + 366 * DAY
    )
    value = dict(bodies.standing().to_value())
    for name, expires in (("over_a_year", START + 366 * DAY + 1), ("ends_before_it_begins", START)):
        payload = encode({**value, 5: expires})
        data = sign_bundle(
            Kind.STANDING_PROGRAMME,
            payload,
            [each.signer for each in both],
            certificates=(*EDITOR.chain, *APPROVER.chain),
        )
        yield Case("standing_programme", name, "It runs for up to a year.", data, FORMAT)
    good = sign(Kind.STANDING_PROGRAMME, bodies.standing(), *both)
    yield Case(
        "standing_programme",
        "policy_asks_three_for_playlists",
        "As a playlist: what policy asks of one it asks of the other.",
        good,
        Refusal.THRESHOLD,
        facts={"thresholds": {"4": 3}},
    )
    yield Case(
        "standing_programme",
        "as_a_playlist",
        "The seals are for a standing programme.",
        dataclasses.replace(Bundle.from_bytes(good), kind=int(Kind.PLAYLIST)).to_bytes(),
        Refusal.SIGNATURE,
    )
    yield Case(
        "standing_programme",
        "not_yet",
        "It begins next month: stored, and waits.",
        sign(Kind.STANDING_PROGRAMME, bodies.standing(not_before=NOW.unix_s + 30 * DAY), *both),
        expected={"pending": True},
    )
