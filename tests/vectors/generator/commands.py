"""Commands: to quieten is easy, to wake is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from loa_protocol.envelope import Kind
from loa_protocol.objects.authority import Level, Role
from loa_protocol.objects.command import Verb
from loa_protocol.record import ClockTrust
from loa_protocol.trust import Now, Refusal
from vectors.generator import bodies
from vectors.generator.case import FORMAT, Case
from vectors.generator.odd import encode
from vectors.generator.world import (
    DEVICE,
    DUTY,
    EDITOR,
    NOW,
    OFFICERS,
    ONLINE,
    SCOPE,
    START,
    STATION,
    YEAR,
    Person,
    certify,
    person,
    sign,
    sign_bytes,
)
from vectors.generator.world import WARDENS as W

_SAME: Final = certify(
    person("warden-1 second", holder="warden-1"),
    OFFICERS,
    roles=(Role.ALERT, Role.LIVE, Role.OPERATE),
)


def cases() -> Iterator[Case]:
    """Yield the cases."""
    yield from _commands()
    yield from _powers()
    yield from _recalls()


def _command(
    name: str,
    why: str,
    verb: Verb,
    people: tuple[Person, ...],
    reason: Any = None,
    *,
    facts: Any = None,
    now: Now = NOW,
    expected: Any = None,
    **changes: Any,
) -> Case:
    data = sign(Kind.COMMAND, bodies.command(verb, **changes), *people)
    return Case("command", name, why, data, reason, facts or {}, now, expected=expected or {})


def _commands() -> Iterator[Case]:
    one, two, high = (W[0],), (W[0], W[1]), (DUTY[0], DUTY[1])
    many = {"thresholds": {"13": 3}}
    yield _command(
        "hold_by_one",
        "To quieten is never made hard: one holder.",
        Verb.HOLD,
        one,
        expected={"level": 1},
    )
    yield _command(
        "hold_where_policy_wants_three", "Not even by policy.", Verb.HOLD, one, facts=many
    )
    yield _command(
        "hold_by_one_of_the_province",
        "The province's hold.",
        Verb.HOLD,
        (DUTY[0],),
        expected={"level": 2},
    )
    yield _command("stop_by_one", "One holder.", Verb.STOP, one)
    yield _command("volume_by_one", "A cap on the volume quietens too.", Verb.VOLUME, one)
    yield _command("hold_by_an_editor", "Not role operate.", Verb.HOLD, (EDITOR,), Refusal.ROLE)
    yield _command(
        "hold_by_the_server", "The online key orders nothing.", Verb.HOLD, (ONLINE,), Refusal.ROLE
    )
    yield _command(
        "hold_of_another_station",
        "Outside the signer's scope.",
        Verb.HOLD,
        one,
        Refusal.SCOPE,
        scope="vn/ls/st0200",
    )
    yield _command(
        "hold_of_another_cluster",
        "For c05.",
        Verb.HOLD,
        one,
        Refusal.NOT_ADDRESSED,
        scope=f"{STATION}/c05",
    )
    yield _command(
        "release_by_one", "To wake a village needs two.", Verb.RELEASE, one, Refusal.THRESHOLD
    )
    yield _command("release_by_two", "Two holders.", Verb.RELEASE, two, expected={"level": 1})
    yield _command(
        "release_by_two_keys_of_one",
        "Two keys of one holder are one.",
        Verb.RELEASE,
        (W[0], _SAME),
        Refusal.THRESHOLD,
    )
    yield _command("reboot_by_one", "One holder.", Verb.REBOOT, one)
    yield _command(
        "reboot_where_policy_wants_three",
        "Policy may ask for more.",
        Verb.REBOOT,
        one,
        Refusal.THRESHOLD,
        facts=many,
    )
    yield _command("self_test_by_one", "One holder.", Verb.SELF_TEST, one)
    yield _command(
        "rotate_by_one", "A new device key needs two.", Verb.ROTATE, one, Refusal.THRESHOLD
    )
    yield _command("rotate_by_two", "Two holders.", Verb.ROTATE, two)
    mine, other = DEVICE.kid, person("another device").kid
    yield _command(
        "for_this_endpoint", "One endpoint, and it is this.", Verb.REBOOT, one, endpoint=mine
    )
    yield _command(
        "for_another_endpoint",
        "Replayed to another device.",
        Verb.REBOOT,
        one,
        Refusal.NOT_ADDRESSED,
        endpoint=other,
    )
    yield _command(
        "for_another_endpoint_at_a_desk",
        "Where no endpoint judges.",
        Verb.REBOOT,
        one,
        endpoint=other,
        facts={"scope": None, "fingerprint": None},
    )
    seen = bodies.seen(bodies.command(Verb.HOLD))
    yield _command(
        "seen_before", "An event happens once.", Verb.HOLD, one, Refusal.REPLAYED, facts=seen
    )
    for name, why, ahead, reason in (
        ("issued_in_a_day", "So far apart two clocks may be.", 86_400, None),
        ("issued_the_day_after", "None is laid in store.", 86_401, Refusal.NOT_YET),
    ):
        at = NOW.unix_s + ahead
        yield _command(name, why, Verb.HOLD, one, reason, issued=at, expires=at + 60)
    yield _command(
        "expired",
        "The message is over.",
        Verb.HOLD,
        one,
        Refusal.EXPIRED,
        now=Now(NOW.unix_s + 600, ClockTrust.T1),
    )
    yield _command(
        "lockdown_by_the_province",
        "Two holders of the province.",
        Verb.LOCKDOWN,
        high,
        expected={"level": 2},
    )
    yield _command(
        "lockdown_by_one_of_the_province",
        "One is too few.",
        Verb.LOCKDOWN,
        high[:1],
        Refusal.THRESHOLD,
    )
    yield _command(
        "lockdown_by_the_commune",
        "A commune locks nothing down.",
        Verb.LOCKDOWN,
        two,
        Refusal.LEVEL,
    )
    yield _command(
        "lockdown_by_commune_and_province",
        "Nor one of each.",
        Verb.LOCKDOWN,
        (W[0], DUTY[0]),
        Refusal.LEVEL,
    )
    for name, why, verb, changes in (
        (
            "lockdown_over_a_day",
            "A lockdown ends by itself within a day.",
            Verb.LOCKDOWN,
            {8: 86_401},
        ),
        ("lockdown_without_end", "It has a duration.", Verb.LOCKDOWN, {8: 0}),
        ("release_of_nothing", "A release refers to what it ends.", Verb.RELEASE, {10: []}),
        (
            "hold_with_references",
            "Nothing else refers to others.",
            Verb.HOLD,
            {10: [bodies.event("x")]},
        ),
        (
            "hold_with_a_nonce",
            "A nonce is for resetting the floor only.",
            Verb.HOLD,
            {12: bodies.NONCE},
        ),
        (
            "expires_as_it_is_issued",
            "It expires before it can arrive.",
            Verb.HOLD,
            {7: NOW.unix_s - 5},
        ),
        (
            "reboot_that_counts_for_eight_days",
            "What is done once is done within 7 days.",
            Verb.REBOOT,
            {7: NOW.unix_s + 8 * 86_400},
        ),
        (
            "hold_that_counts_for_ever",
            "Nothing is remembered for more than 366 days.",
            Verb.HOLD,
            {7: NOW.unix_s + 367 * 86_400},
        ),
        ("verb_200", "A verb without a name.", Verb.HOLD, {4: 200}),
    ):
        raw = {**bodies.command(verb).to_value(), **changes}
        yield Case("command", name, why, sign_bytes(Kind.COMMAND, encode(raw), *high), FORMAT)


def _powers() -> Iterator[Case]:
    high, nonce = (DUTY[0], DUTY[1]), {"nonce": bodies.NONCE.hex()}
    reset = Verb.RESET_FLOOR
    yield _command(
        "reset_floor",
        "Over the nonce that this endpoint made.",
        reset,
        high,
        facts=nonce,
        expected={"level": 2},
    )
    yield _command(
        "reset_floor_when_all_looks_expired",
        "A wrong floor in 2100: the time is judged by the nonce, or it could never be cured.",
        reset,
        high,
        facts=nonce,
        now=Now(4_100_000_000, ClockTrust.T1),
    )
    late = certify(
        DUTY[0],
        OFFICERS,
        roles=(Role.OPERATE,),
        scopes=(SCOPE,),
        level=Level.PROVINCE,
        expires=NOW.unix_s - 60,
    )
    yield _command(
        "reset_floor_by_an_expired_certificate",
        "The certificate ran out before the time that the order names.",
        reset,
        (late, DUTY[1]),
        Refusal.EXPIRED,
        facts=nonce,
    )
    other = {"nonce": bodies.digest("another nonce")[:16].hex()}
    yield _command(
        "reset_floor_of_another_nonce",
        "Over a nonce of another endpoint.",
        reset,
        high,
        Refusal.NONCE,
        facts=other,
    )
    yield _command(
        "reset_floor_unasked", "This endpoint made no nonce.", reset, high, Refusal.NONCE
    )
    yield _command(
        "reset_floor_by_one", "One is too few.", reset, high[:1], Refusal.THRESHOLD, facts=nonce
    )
    yield _command(
        "reset_floor_by_the_commune",
        "A commune sets no clock.",
        reset,
        (W[0], W[1]),
        Refusal.LEVEL,
        facts=nonce,
    )
    raw = {k: v for k, v in bodies.command(reset).to_value().items() if k != 12}
    data = sign_bytes(Kind.COMMAND, encode(raw), *high)
    yield Case("command", "reset_floor_without_nonce", "It needs one.", data, FORMAT, nonce)
    later = bodies.command(reset, issued=START + 2 * YEAR, expires=START + 2 * YEAR + 600)
    yield Case(
        "command",
        "reset_floor_beyond_its_certificates",
        "To a time at which its own signers' certificates have ended.",
        sign(Kind.COMMAND, later, *high),
        Refusal.EXPIRED,
        nonce,
    )


def _recalls() -> Iterator[Case]:
    one, mine = (W[0],), DEVICE.kid
    yield _command(
        "recall_by_one", "What was said in public: one holder.", Verb.RECALL, one, endpoint=mine
    )
    yield _command(
        "recall_where_policy_wants_three",
        "Policy may ask for more.",
        Verb.RECALL,
        one,
        Refusal.THRESHOLD,
        facts={"thresholds": {"13": 3}},
        endpoint=mine,
    )
    yield _command(
        "recall_by_an_editor",
        "Not role operate.",
        Verb.RECALL,
        (EDITOR,),
        Refusal.ROLE,
        endpoint=mine,
    )
    yield _command(
        "recall_from_another_endpoint",
        "Replayed to another device.",
        Verb.RECALL,
        one,
        Refusal.NOT_ADDRESSED,
        endpoint=person("another device").kid,
    )
    recall = bodies.command(Verb.RECALL, endpoint=mine)
    for name, why, verb, changes in (
        ("recall_from_everybody", "It names one endpoint.", Verb.RECALL, {11: None}),
        ("recall_without_since", "It says from when on.", Verb.RECALL, {13: None}),
        ("recall_of_nothing", "It says how much.", Verb.RECALL, {8: 0}),
        ("recall_of_over_four_hours", "It is bounded.", Verb.RECALL, {8: 14_401}),
        (
            "recall_of_what_is_not_said_yet",
            "It listens back, not ahead.",
            Verb.RECALL,
            {13: recall.issued - 599},
        ),
        ("hold_with_since", "Nothing else looks back.", Verb.HOLD, {13: recall.issued - 3600}),
    ):
        raw = {**bodies.command(verb, endpoint=mine).to_value(), **changes}
        kept = {key: value for key, value in raw.items() if value is not None}
        yield Case("command", name, why, sign_bytes(Kind.COMMAND, encode(kept), *one), FORMAT)
