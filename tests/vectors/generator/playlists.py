"""Playlists: holders, places, positions, epochs and times."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Final

from loa_protocol.envelope import Bundle, Kind
from loa_protocol.objects.authority import Level, Role
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now, Refusal
from vectors.generator import bodies
from vectors.generator.case import FORMAT, Case, position
from vectors.generator.odd import encode
from vectors.generator.world import (
    APPROVER,
    EDITOR,
    OFFICERS,
    ONLINE,
    ROOTS,
    SCOPE,
    START,
    STATION,
    Person,
    certify,
    person,
    root_of,
    sign,
    sign_bytes,
)

_BODY: Final = bodies.playlist()
_GOOD: Final = sign(Kind.PLAYLIST, _BODY, EDITOR, APPROVER)
_DIGEST: Final = Bundle.from_bytes(_GOOD).digest


def cases() -> Iterator[Case]:
    """Yield the cases."""
    yield from _holders()
    yield from _scopes()
    yield from _replay()
    yield from _epochs()
    yield from _times()
    yield from _formats()


def _playlist(name: str, why: str, data: bytes, reason: Any = None, **more: Any) -> Case:
    return Case("playlist", name, why, data, reason, **more)


def _by(*people: Person, **changes: Any) -> bytes:
    return sign(Kind.PLAYLIST, bodies.playlist(**changes), *people)


def _holders() -> Iterator[Case]:
    again = certify(person("editor"), OFFICERS, roles=(Role.APPROVER,))
    second_key = certify(person("editor key 2", holder="editor"), OFFICERS, roles=(Role.APPROVER,))
    deputy = certify(person("editor 2"), OFFICERS)
    yield _playlist(
        "editor_and_approver",
        "Two holders, two keys, both roles.",
        _GOOD,
        expected={"known": False, "pending": False, "level": 1, "digest": _DIGEST.hex()},
    )
    for name, why, people, reason in (
        ("one_signer", "The approver did not sign.", (EDITOR,), Refusal.THRESHOLD),
        ("no_signer", "Nobody signed.", (), Refusal.THRESHOLD),
        (
            "one_key_twice",
            "One key with two signatures is one.",
            (EDITOR, EDITOR),
            Refusal.THRESHOLD,
        ),
        (
            "one_key_with_two_certificates",
            "One key certified for both roles is one.",
            (EDITOR, again),
            Refusal.THRESHOLD,
        ),
        (
            "one_holder_with_two_keys",
            "One officer with two keys is one.",
            (EDITOR, second_key),
            Refusal.THRESHOLD,
        ),
        ("two_editors", "Two editors make no approval.", (EDITOR, deputy), Refusal.ROLE),
        ("officers", "The province's officers have other roles.", tuple(OFFICERS), Refusal.ROLE),
        ("root_holders", "A root key speaks no content itself.", tuple(ROOTS[:2]), Refusal.ROLE),
        (
            "server_and_approver",
            "The online key edits nothing.",
            (ONLINE, APPROVER),
            Refusal.THRESHOLD,
        ),
        ("server_alone", "Nor alone.", (ONLINE,), Refusal.ROLE),
        (
            "stranger",
            "A signer without any certificate.",
            (EDITOR, person("stranger")),
            Refusal.UNKNOWN_SIGNER,
        ),
    ):
        yield _playlist(name, why, _by(*people), reason)
    yield _playlist(
        "one_key_signs_twice_beside_another",
        "A signature too many changes nothing where there are enough.",
        _by(EDITOR, EDITOR, APPROVER),
    )
    yield _playlist(
        "deputy_approver",
        "Three signers, one of each role at least.",
        _by(EDITOR, deputy, APPROVER),
    )
    yield _playlist(
        "root_holder_beside_them",
        "A root holder's seal adds nothing and harms nothing.",
        _by(EDITOR, APPROVER, ROOTS[0]),
        expected={"level": 1, "holders": ["approver", "editor"]},
    )
    raised = {"thresholds": {"4": 3}}
    yield _playlist(
        "policy_asks_for_three",
        "Policy raises the threshold.",
        _GOOD,
        Refusal.THRESHOLD,
        facts=raised,
    )
    yield _playlist(
        "policy_gets_three", "Three holders sign.", _by(EDITOR, deputy, APPROVER), facts=raised
    )
    yield _playlist(
        "policy_asks_for_one",
        "Policy cannot lower the root's floor.",
        _by(EDITOR),
        Refusal.THRESHOLD,
        facts={"thresholds": {"4": 1}},
    )
    loud = bodies.item(level=Level.CENTRAL)
    yield _playlist(
        "priority_from_the_message",
        "An item that calls itself the nation's: the level is still the certificates'.",
        _by(EDITOR, APPROVER, items=(loud,)),
        expected={"level": 1},
    )


def _scopes() -> Iterator[Case]:
    other, station = "vn/ls/st0200", STATION
    for name, why, scope, reason in (
        ("other_station", "Its signers do not speak for that station.", other, Refusal.SCOPE),
        ("whole_province", "Scope escape upwards.", SCOPE, Refusal.SCOPE),
        (
            "scope_that_looks_like_theirs",
            "st01370 is not inside st0137.",
            f"{station}0",
            Refusal.SCOPE,
        ),
        ("scope_cut_short", "st013 is not inside st0137 either.", station[:-1], Refusal.SCOPE),
        (
            "neighbour_cluster",
            "Replayed to another device: for c05, and this is c04.",
            f"{station}/c05",
            Refusal.NOT_ADDRESSED,
        ),
        (
            "cluster_that_looks_like_ours",
            "c040 is not c04.",
            f"{station}/c040",
            Refusal.NOT_ADDRESSED,
        ),
        (
            "below_our_cluster",
            "Something below this cluster does not cover it.",
            f"{station}/c04/x",
            Refusal.NOT_ADDRESSED,
        ),
        ("our_cluster", "For this very cluster.", f"{station}/c04", None),
    ):
        yield _playlist(name, why, _by(EDITOR, APPROVER, scope=scope), reason)
    elsewhere = certify(person("x"), OFFICERS, scopes=(other,))
    yield _playlist(
        "one_signer_from_elsewhere",
        "Every signer must speak for the scope.",
        _by(elsewhere, APPROVER),
        Refusal.SCOPE,
    )
    yield _playlist(
        "replayed_to_another_device",
        "The same bytes at a cluster of another station.",
        _GOOD,
        Refusal.NOT_ADDRESSED,
        facts={"scope": f"{other}/c01"},
    )
    yield _playlist(
        "judged_at_a_desk",
        "Where no endpoint judges, every address is right.",
        _GOOD,
        facts={"scope": None},
    )


def _replay() -> Iterator[Case]:
    yield _playlist("next_serial", "5 after 4.", _GOOD, facts=position(1, 4))
    yield _playlist(
        "serial_with_a_gap", "5 after 1: some never arrived.", _GOOD, facts=position(1, 1)
    )
    yield _playlist("rollback", "5 after 6.", _GOOD, Refusal.ROLLBACK, facts=position(1, 6))
    yield _playlist(
        "rollback_of_the_epoch",
        "Epoch 1 after epoch 2.",
        _GOOD,
        Refusal.ROLLBACK,
        facts=position(2, 0),
    )
    yield _playlist(
        "equivocation",
        "Two playlists of serial 5.",
        _GOOD,
        Refusal.EQUIVOCATION,
        facts=position(1, 5),
    )
    yield _playlist(
        "already_known",
        "The same playlist again.",
        _GOOD,
        facts=position(1, 5, _DIGEST),
        expected={"known": True},
    )
    yield _playlist(
        "position_of_another_kind",
        "A policy's serial says nothing of playlists.",
        _GOOD,
        facts=position(1, 9, kind=Kind.POLICY),
    )
    yield _playlist(
        "position_of_another_scope",
        "The cluster's own playlist counts by itself.",
        _GOOD,
        facts=position(1, 9, subject=f"{STATION}/c04"),
    )
    yield _playlist(
        "denied",
        "The playlist is on the deny list, by its hash.",
        _GOOD,
        Refusal.DENIED,
        facts={"denied": [_DIGEST.hex()]},
    )


def _epochs() -> Iterator[Case]:
    renewed = [
        certify(person("editor"), OFFICERS, epoch=2),
        certify(person("approver", p256=True), OFFICERS, roles=(Role.APPROVER,), epoch=2),
    ]
    last = 2**63 - 1
    yield _playlist(
        "fast_forward",
        "A stolen pair signs the last serial: it is valid.",
        _by(EDITOR, APPROVER, serial=last),
    )
    yield _playlist(
        "after_fast_forward",
        "From then on every serial of that epoch is a rollback.",
        _GOOD,
        Refusal.ROLLBACK,
        facts=position(1, last),
    )
    yield _playlist(
        "recovered_from_fast_forward",
        "Certificates of the next epoch begin anew.",
        _by(*renewed, epoch=2, serial=1),
        facts=position(1, last),
    )
    yield _playlist(
        "epoch_above_its_certificates",
        "The old certificates cannot reach the new epoch.",
        _by(EDITOR, APPROVER, epoch=2, serial=1),
        Refusal.EPOCH,
    )
    yield _playlist(
        "epoch_above_one_certificate",
        "Nor one old beside one new.",
        _by(renewed[0], APPROVER, epoch=2, serial=1),
        Refusal.EPOCH,
    )
    yield _playlist(
        "epoch_below_its_certificates", "New certificates go on with the old epoch.", _by(*renewed)
    )


def _times() -> Iterator[Case]:
    end = _BODY.expires
    for trust in ClockTrust:
        yield _playlist(
            f"expired_at_t{int(trust)}",
            "Expiry refuses at every rung of the clock.",
            _GOOD,
            Refusal.EXPIRED,
            now=Now(end, trust),
        )
    yield _playlist(
        "last_second", "One second before its end.", _GOOD, now=Now(end - 1, ClockTrust.T3)
    )
    yield _playlist(
        "next_week",
        "Next week's schedule is stored, and waits.",
        _GOOD,
        now=Now(START - 3600, ClockTrust.T3),
        expected={"pending": True},
    )
    yield _playlist(
        "begins_this_second",
        "The first second counts: in force at once.",
        _GOOD,
        now=Now(START, ClockTrust.T3),
        expected={"pending": False},
    )
    yield _playlist(
        "clock_unknown",
        "A board in 1970 stores it, and waits for the time.",
        _GOOD,
        now=Now(0, ClockTrust.T0),
        expected={"pending": True},
    )


def _formats() -> Iterator[Case]:
    bundle = Bundle.from_bytes(_GOOD)
    yield _playlist(
        "version_2",
        "A version that is not known here.",
        dataclasses.replace(bundle, version=2).to_bytes(),
        Refusal.VERSION,
    )
    risen = root_of(ROOTS, formats={int(Kind.PLAYLIST): 2})
    yield _playlist(
        "below_the_format_floor",
        "The root's format floor has risen above version 1.",
        _GOOD,
        Refusal.VERSION,
        facts={"root": sign(Kind.ROOT, risen, *ROOTS[:3]).hex()},
    )
    for kind in (3, 8, 10):
        yield _playlist(
            f"relabelled_as_kind_{kind}",
            "The seals are for a playlist, the bundle says another kind.",
            dataclasses.replace(bundle, kind=kind).to_bytes(),
            Refusal.SIGNATURE,
        )
    for kind in (1, 12, 14, 17, 19, 200, 255):
        yield Case(
            "bundle",
            f"kind_{kind}",
            "Not a kind that this door accepts.",
            dataclasses.replace(bundle, kind=kind).to_bytes(),
            Refusal.KIND,
        )
    value = dict(_BODY.to_value())
    yield _playlist(
        "unknown_key_signed",
        "An unknown key, signed by both.",
        sign_bytes(Kind.PLAYLIST, encode({**value, 99: 1}), EDITOR, APPROVER),
        FORMAT,
    )
    yield _playlist(
        "runs_for_32_days",
        "A playlist runs for up to 31 days.",
        sign_bytes(
            Kind.PLAYLIST, encode({**value, 5: _BODY.not_before + 32 * 86_400}), EDITOR, APPROVER
        ),
        FORMAT,
    )
    yield Case(
        "bundle",
        "payload_of_another_kind",
        "A policy's payload, signed by both as a playlist.",
        sign_bytes(Kind.PLAYLIST, bodies.policy().to_bytes(), EDITOR, APPROVER),
        FORMAT,
    )
