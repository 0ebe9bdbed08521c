"""Who must have signed what: roles, distinct holders, and the level at which they speak."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

from loa_protocol.envelope import Kind
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.authority import Level, Role
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.live import Grant
from loa_protocol.objects.playlist import BulletinKind
from loa_protocol.trust import (
    ALWAYS_FROM_ONE_HOLDER,
    RULES,
    Object,
    Refusal,
    Resolved,
    Trusted,
    TrustError,
)

_LOWEST = {  # the level below which nobody orders such a thing
    Verb.LOCKDOWN: Level.PROVINCE,
    Verb.RESET_FLOOR: Level.PROVINCE,
}
_LIKE = {Kind.STANDING_PROGRAMME: Kind.PLAYLIST}  # signed as that one: never by fewer


def check_holders(kind: Kind, body: Object, signers: Sequence[Resolved], trusted: Trusted) -> Level:
    """Return the level at which the needed number of holders stands behind *body*.

    A station's own policy asks more of its own people. It does not bind the province's: whoever
    may write it could otherwise shut out every alert, release and denial from above.

    Raises:
        TrustError: ROLE, THRESHOLD or LEVEL: the signers are not those it needs.
    """
    above = [signer for signer in signers if signer.level >= Level.PROVINCE]
    if above and trusted.widest_thresholds is not None:
        with contextlib.suppress(TrustError):  # then all of them, as people of the station
            return _check(kind, body, above, replace(trusted, thresholds=trusted.widest_thresholds))
    return _check(kind, body, signers, trusted)


def _check(kind: Kind, body: Object, signers: Sequence[Resolved], trusted: Trusted) -> Level:
    roles = _roles(kind, body)
    fitting = [signer for signer in signers if set(roles) & set(signer.roles)]
    if not fitting:
        raise TrustError(Refusal.ROLE if signers else Refusal.THRESHOLD, f"needs {roles}")
    highest = max(signer.level for signer in fitting)
    needed = max(_needed(kind, body, highest, trusted), len(roles))
    holders = len({signer.holder for signer in fitting})
    if holders < needed:
        raise TrustError(Refusal.THRESHOLD, f"{holders} of {needed} holders")
    level = _level(fitting, roles, needed)
    if level is None:
        raise TrustError(Refusal.ROLE, f"no set of holders fills {[r.name for r in roles]}")
    lowest = _LOWEST.get(body.verb, level) if isinstance(body, Command) else RULES[kind].lowest
    if level < lowest:
        raise TrustError(Refusal.LEVEL, f"{level.name} is below {lowest.name}")
    return level


def _roles(kind: Kind, body: Object) -> tuple[Role, ...]:
    if isinstance(body, Grant) and body.kind is BulletinKind.EMERGENCY:
        return Role.LIVE, Role.ALERT  # a voice that wakes a village needs what an alert needs
    return RULES[kind].roles


def _needed(kind: Kind, body: Object, highest: Level, trusted: Trusted) -> int:
    """Return how many distinct holders *body* needs (trust.md section 2)."""
    if kind in ALWAYS_FROM_ONE_HOLDER:
        return 1
    kinds = (kind, _LIKE.get(kind, kind))
    floor = max(
        source.get(k, 1) for k in kinds for source in (trusted.root.floors, trusted.thresholds)
    )
    match body:
        case Alert():
            is_known = highest < Level.PROVINCE and _says_nothing_new(body, trusted)
            needed = trusted.preapproved_holders if is_known else max(floor, 2)
        case Grant():
            needed = 1 if _fills_a_slot(body, trusted) else max(floor, 2)
        case Command(verb=Verb.STOP | Verb.HOLD | Verb.VOLUME):
            needed = 1  # to quieten a loudspeaker is never made hard
        case Command(verb=Verb.REBOOT | Verb.SELF_TEST | Verb.RECALL):
            needed = floor
        case Command():
            needed = max(floor, 2)
        case _:
            needed = floor
    return needed


def _says_nothing_new(alert: Alert, trusted: Trusted) -> bool:
    return alert.media is None or alert.media.sha256 in trusted.preapproved


def _fills_a_slot(grant: Grant, trusted: Trusted) -> bool:
    if grant.slot is None or grant.playlist is None or grant.kind is BulletinKind.EMERGENCY:
        return False
    slot = trusted.live_slots.get((grant.playlist, grant.slot))
    return slot is not None and slot[0] <= grant.start < grant.end <= slot[1]


def _level(fitting: Sequence[Resolved], roles: Sequence[Role], needed: int) -> Level | None:
    """Return the highest level at or above which enough holders, between them, fill every role."""
    for level in sorted({signer.level for signer in fitting}, reverse=True):
        able = [signer for signer in fitting if signer.level >= level]
        is_enough = len({signer.holder for signer in able}) >= needed
        if is_enough and any(_fills(chosen, roles) for chosen in permutations(able, len(roles))):
            return level
    return None


def _fills(chosen: Sequence[Resolved], roles: Sequence[Role]) -> bool:
    distinct = len({signer.holder for signer in chosen}) == len(chosen)
    return distinct and all(r in s.roles for r, s in zip(roles, chosen, strict=True))
