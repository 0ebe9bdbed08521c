"""Roles, distinct holders and levels: the rule against a slow and plain model of it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loa_protocol.envelope import Kind
from loa_protocol.holders import check_holders
from loa_protocol.keys import Algorithm, PublicKey
from loa_protocol.objects.authority import Level, Role
from loa_protocol.objects.command import Verb
from loa_protocol.objects.playlist import BulletinKind
from loa_protocol.trust import RULES, Object, Refusal, Resolved, TrustError
from vectors.generator import bodies
from vectors.generator.world import certificate_of, person, trusted

ROLES = (Role.EDITOR, Role.APPROVER, Role.LIVE, Role.ALERT, Role.OPERATE)
TWO_ROLES = {
    Kind.PLAYLIST: (Role.EDITOR, Role.APPROVER),
    Kind.GRANT: (Role.LIVE, Role.ALERT),
    Kind.ASSIGNMENT: (Role.OPERATE, Role.OPERATE),
}
BODIES: dict[Kind, Object] = {
    Kind.PLAYLIST: bodies.playlist(),
    Kind.GRANT: bodies.grant(kind=BulletinKind.EMERGENCY),
    Kind.ASSIGNMENT: bodies.assignment(),
}


def signer(holder: str, roles: tuple[Role, ...], level: Level, number: int) -> Resolved:
    key = PublicKey(Algorithm.EDDSA, bytes([number]) * 32)
    certificate = certificate_of(person(holder), roles=roles, level=level)
    return Resolved(key, holder, certificate.scopes, frozenset(roles), certificate)


SIGNERS = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.lists(st.sampled_from(ROLES), max_size=3, unique=True).map(tuple),
        st.sampled_from((Level.COMMUNE, Level.PROVINCE)),
    ),
    max_size=6,
).map(lambda rows: [signer(*row, number) for number, row in enumerate(rows)])


def model(kind: Kind, signers: list[Resolved]) -> Level | None:
    """Return the highest level at which two holders fill the two roles, tried one by one."""
    found = [
        min(first.level, second.level)
        for first, second in itertools.permutations(signers, 2)
        if first.holder != second.holder
        and TWO_ROLES[kind][0] in first.roles
        and TWO_ROLES[kind][1] in second.roles
    ]
    return max(found, default=None)


@given(st.sampled_from(sorted(TWO_ROLES)), SIGNERS)
def test_two_roles_are_filled_as_by_trying_every_pair(kind: Kind, signers: list[Resolved]) -> None:
    expected = model(kind, signers)
    if expected is not None and expected >= RULES[kind].lowest:
        assert check_holders(kind, BODIES[kind], signers, trusted()) is expected
        return
    with pytest.raises(TrustError) as caught:
        check_holders(kind, BODIES[kind], signers, trusted())
    reasons = (Refusal.ROLE, Refusal.THRESHOLD) if expected is None else (Refusal.LEVEL,)
    assert caught.value.reason in reasons


@given(SIGNERS, SIGNERS)
def test_one_signer_more_never_lowers_what_a_playlist_reached(
    some: list[Resolved], more: list[Resolved]
) -> None:
    before, after = model(Kind.PLAYLIST, some), model(Kind.PLAYLIST, some + more)
    assert before is None or (after is not None and after >= before)
    if before is not None:
        assert check_holders(Kind.PLAYLIST, BODIES[Kind.PLAYLIST], some + more, trusted()) >= before


@pytest.mark.requirement("MSG-5")
def test_an_emergency_voice_has_the_level_of_whoever_may_alert() -> None:
    signers = [
        signer("a", (Role.LIVE,), Level.PROVINCE, 1),
        signer("b", (Role.LIVE,), Level.PROVINCE, 2),
        signer("c", (Role.ALERT,), Level.COMMUNE, 3),
    ]
    assert check_holders(Kind.GRANT, BODIES[Kind.GRANT], signers, trusted()) is Level.COMMUNE


def test_a_third_holder_of_a_lower_level_leaves_the_higher_level_as_it_is() -> None:
    signers = [
        signer("a", (Role.OPERATE,), Level.PROVINCE, 1),
        signer("b", (Role.OPERATE,), Level.COMMUNE, 2),
        signer("c", (Role.OPERATE,), Level.PROVINCE, 3),
    ]
    body = bodies.command(Verb.LOCKDOWN)
    assert check_holders(Kind.COMMAND, body, signers, trusted()) is Level.PROVINCE


@pytest.mark.parametrize("counts", [{"thresholds": {Kind.PLAYLIST: 3}}, {}])
def test_a_standing_programme_needs_as_many_as_a_playlist(counts: dict[str, Any]) -> None:
    signers = [
        signer("a", (Role.EDITOR,), Level.COMMUNE, 1),
        signer("b", (Role.APPROVER,), Level.COMMUNE, 2),
    ]
    facts = trusted(**counts)
    verdicts = []
    for kind, body in (
        (Kind.PLAYLIST, bodies.playlist()),
        (Kind.STANDING_PROGRAMME, bodies.standing()),
    ):
        try:
            verdicts.append(str(check_holders(kind, body, signers, facts)))
        except TrustError as error:
            verdicts.append(error.reason)
    assert verdicts[0] == verdicts[1]


@pytest.mark.parametrize("verb", list(Verb))
def test_every_verb_has_a_number_of_holders_and_a_level(verb: Verb) -> None:
    def least(level: Level) -> int | str:
        for count in range(1, 4):
            signers = [signer("abc"[n], (Role.OPERATE,), level, n) for n in range(count)]
            try:
                reached = check_holders(Kind.COMMAND, bodies.command(verb), signers, trusted())
            except TrustError as error:
                if error.reason is Refusal.LEVEL:
                    return "never"
                continue
            assert reached is level
            return count
        return "more"

    wake = {Verb.RELEASE, Verb.ROTATE, Verb.LOCKDOWN, Verb.RESET_FLOOR}
    high = {Verb.LOCKDOWN, Verb.RESET_FLOOR}
    assert least(Level.PROVINCE) == (2 if verb in wake else 1)
    assert least(Level.COMMUNE) == ("never" if verb in high else 2 if verb in wake else 1)
