"""The acceptance rule for events: bulletins, alerts, grants, commands; and standing programmes.

Each case by itself is a vector (tests/vectors); here is what holds for all of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from fuzz.fuzz_alert import fuzz as fuzz_alert
from loa_protocol.accept import accept
from loa_protocol.envelope import Bundle, Kind
from loa_protocol.objects.authority import Level, Role
from loa_protocol.objects.command import Verb
from loa_protocol.record import ClockTrust
from loa_protocol.replay import MEMORY_S, judge_event, name_of
from loa_protocol.schema import Wire
from loa_protocol.trust import Accepted, Now, Refusal, TrustError
from vectors.generator import bodies
from vectors.generator.world import (
    DEVICE,
    DUTY,
    NOW,
    OFFICERS,
    SCOPE,
    STATION,
    WARDENS,
    YEAR,
    Person,
    certify,
    person,
    sign,
    trusted,
)

BULLETIN = (Kind.BULLETIN, bodies.bulletin, DUTY[:1], Role.BULLETIN)
ALERT = (Kind.ALERT, bodies.alert, WARDENS, Role.ALERT)
GRANT = (Kind.GRANT, bodies.grant, WARDENS, Role.LIVE)
COMMAND = (Kind.COMMAND, lambda **c: bodies.command(Verb.RELEASE, **c), WARDENS, Role.OPERATE)
EVENTS = [
    pytest.param(*event, id=event[0].name.lower()) for event in (BULLETIN, ALERT, GRANT, COMMAND)
]
Maker = Callable[..., Any]


def judge(
    kind: Kind, body: Wire, people: list[Person], *, now: Now = NOW, **facts: Any
) -> Accepted:
    return accept(sign(kind, body, *people), trusted(**facts), now)


def refusal(
    kind: Kind, body: Wire, people: list[Person], *, now: Now = NOW, **facts: Any
) -> Refusal:
    with pytest.raises(TrustError) as caught:
        judge(kind, body, people, now=now, **facts)
    return caught.value.reason


@pytest.mark.requirement("SEC-3", "MSG-5")
@pytest.mark.parametrize(("kind", "make", "people", "role"), EVENTS)
def test_an_event_happens_once_whatever_bytes_it_comes_in(
    kind: Kind, make: Maker, people: list[Person], role: Role
) -> None:
    body = make()
    accepted = judge(kind, body, people)
    assert (accepted.body, accepted.is_known, accepted.is_pending) == (body, False, False)
    name = name_of(accepted.digest)
    seen = judge_event(name, body.expires, {}, NOW.unix_s)
    assert seen.forget_at == body.expires + MEMORY_S
    again = {seen.id: seen.forget_at}
    assert refusal(kind, body, people, seen=again) is Refusal.REPLAYED
    other = make(title="khác") if kind is not Kind.COMMAND else make(reason="khác")
    assert judge(kind, other, people, seen=again).body == other  # a taken id keeps nothing out


@pytest.mark.parametrize(("kind", "make", "people", "role"), EVENTS)
def test_an_event_whose_message_is_over_is_refused_at_every_rung_of_the_clock(
    kind: Kind, make: Maker, people: list[Person], role: Role
) -> None:
    body = make()
    for trust in ClockTrust:
        assert refusal(kind, body, people, now=Now(body.expires, trust)) is Refusal.EXPIRED
        assert judge(kind, body, people, now=Now(body.expires - 1, trust)).body == body


@pytest.mark.requirement("SEC-3")
@pytest.mark.parametrize(("kind", "make", "people", "role"), EVENTS)
def test_an_event_is_for_the_scope_it_names(
    kind: Kind, make: Maker, people: list[Person], role: Role
) -> None:
    for scope in (STATION, f"{STATION}/c04"):
        assert judge(kind, make(scope=scope), people).body.scope == scope  # type: ignore[union-attr]  # each of the four has one
    for scope in (f"{STATION}/c05", f"{STATION}/c040"):
        assert refusal(kind, make(scope=scope), people) is Refusal.NOT_ADDRESSED
    local = [
        certify(person(f"local {n}"), OFFICERS, roles=(role,), scopes=(STATION,)) for n in (1, 2)
    ]
    for scope in (SCOPE, f"{STATION}0", STATION[:-1], "vn/ls/st0200"):
        if kind is not Kind.BULLETIN:  # whose level is judged first
            assert refusal(kind, make(scope=scope), local) is Refusal.SCOPE


@pytest.mark.parametrize(("kind", "make", "people", "role"), EVENTS)
def test_no_other_role_will_do(kind: Kind, make: Maker, people: list[Person], role: Role) -> None:
    for other in Role:
        if other is role:
            continue
        holders = [
            certify(person(f"{other} {n}"), OFFICERS, roles=(other,), level=Level.PROVINCE)
            for n in (1, 2, 3)
        ]
        assert refusal(kind, make(), holders) is Refusal.ROLE, other


@pytest.mark.parametrize(("kind", "make", "people", "role"), EVENTS)
def test_policy_and_root_may_ask_for_more_holders(
    kind: Kind, make: Maker, people: list[Person], role: Role
) -> None:
    three = [
        certify(person(f"high {n}"), OFFICERS, roles=(role,), level=Level.PROVINCE)
        for n in range(3)
    ]
    asked: dict[str, Any] = {"thresholds": {kind: 3}}
    assert refusal(kind, make(), three[:2], **asked) is Refusal.THRESHOLD
    assert judge(kind, make(), three, **asked).level is Level.PROVINCE


@pytest.mark.parametrize(("kind", "make", "people", "role"), EVENTS)
def test_a_denied_event_is_refused_by_its_digest(
    kind: Kind, make: Maker, people: list[Person], role: Role
) -> None:
    body = make()
    digest = hashlib.sha256(body.to_bytes()).digest()
    assert refusal(kind, body, people, denied=frozenset({digest})) is Refusal.DENIED


@pytest.mark.requirement("MSG-5")
def test_the_level_is_that_of_as_many_holders_as_it_needs() -> None:
    body = bodies.alert()
    for people, level in (
        ([DUTY[0], DUTY[1]], Level.PROVINCE),
        ([DUTY[0], WARDENS[0]], Level.COMMUNE),
        ([WARDENS[0], DUTY[0], DUTY[1]], Level.PROVINCE),
        (WARDENS, Level.COMMUNE),
    ):
        assert judge(Kind.ALERT, body, people).level is level


@pytest.mark.requirement("MSG-5")
def test_an_editor_of_the_province_does_not_lift_a_communes_programme() -> None:
    editors = [
        certify(person(f"editor {n}"), OFFICERS, level=Level.PROVINCE, scopes=(SCOPE,))
        for n in (1, 2)
    ]
    approver = certify(person("approver 1"), OFFICERS, roles=(Role.APPROVER,))
    body = bodies.standing()
    assert judge(Kind.STANDING_PROGRAMME, body, [*editors, approver]).level is Level.COMMUNE


def test_an_order_for_one_endpoint_is_for_that_one_and_inside_its_scope() -> None:
    mine = bodies.command(Verb.REBOOT, endpoint=DEVICE.kid)
    assert judge(Kind.COMMAND, mine, WARDENS[:1]).body == mine
    other = bodies.command(Verb.REBOOT, endpoint=person("other").kid)
    assert refusal(Kind.COMMAND, other, WARDENS[:1]) is Refusal.NOT_ADDRESSED
    elsewhere = bodies.command(Verb.REBOOT, endpoint=DEVICE.kid, scope=f"{STATION}/c05")
    assert refusal(Kind.COMMAND, elsewhere, WARDENS[:1]) is Refusal.NOT_ADDRESSED
    assert judge(Kind.COMMAND, other, WARDENS[:1], scope=None, fingerprint=None).body == other


@pytest.mark.requirement("TIM-4")
def test_only_an_answer_to_our_nonce_may_set_the_floor_back() -> None:
    body, nonce = bodies.command(Verb.RESET_FLOOR), {"nonce": bodies.NONCE}
    far = Now(NOW.unix_s + 50 * YEAR, ClockTrust.T1)  # by which every certificate has ended
    assert judge(Kind.COMMAND, body, DUTY[:2], now=far, **nonce).level is Level.PROVINCE
    assert refusal(Kind.COMMAND, body, DUTY[:2], now=far) is Refusal.NONCE
    assert refusal(Kind.COMMAND, body, DUTY[:1], now=far, **nonce) is Refusal.THRESHOLD
    for verb in Verb:  # nothing else is judged by the time it names
        if verb is not Verb.RESET_FLOOR:
            other = bodies.command(verb)
            assert refusal(Kind.COMMAND, other, DUTY[:2], now=far, **nonce) is Refusal.EXPIRED


def test_whatever_the_alert_says_only_named_errors_come_out() -> None:
    payload = Bundle.from_bytes(sign(Kind.ALERT, bodies.alert(), *WARDENS)).payload
    for at in range(len(payload)):
        for value in (0, 0xFF, payload[at] ^ 1):
            fuzz_alert(payload[:at] + bytes([value]) + payload[at + 1 :])
