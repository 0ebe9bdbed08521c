"""The acceptance rule: the one line that untrusted bytes cross.

:func:`accept` is pure. It turns the bytes of a bundle into a verified object or refuses it with one
named reason; it changes nothing, and the caller keeps its previous valid state on refusal. The
checks are numbered after docs/protocol/trust.md.
"""

from __future__ import annotations

from itertools import permutations

from loa_protocol.chain import resolve
from loa_protocol.envelope import Bundle, Kind, open_seal
from loa_protocol.objects.authority import Root
from loa_protocol.objects.online import Head, Receipt, TimeAnswer
from loa_protocol.objects.placement import Assignment
from loa_protocol.objects.playlist import Playlist
from loa_protocol.replay import judge_state
from loa_protocol.scope import is_inside
from loa_protocol.trust import (
    ALWAYS_FROM_ONE_HOLDER,
    RULES,
    Accepted,
    Now,
    Object,
    Refusal,
    Resolved,
    Rule,
    Trusted,
    TrustError,
    position_of,
    subject_of,
)


def accept(data: bytes, trusted: Trusted, now: Now) -> Accepted:
    """Judge the bundle *data* against what is trusted so far.

    Args:
        data: The bundle as it arrived, by whatever carrier.
        trusted: Root, own identity, positions reached, thresholds and denials in force.
        now: The trusted time and how far it is trusted.

    Raises:
        FormatError: *data* is no bundle of the profile, or its payload is not of its kind.
        TrustError: it is well-formed and refused; ``reason`` says why.
    """
    bundle = Bundle.from_bytes(data)
    rule = _rule(bundle, trusted.root)  # 1 the kind is known and its format not below the floor
    resolved = resolve(bundle.certificates, trusted, now)  # 2 every certificate leads to the root
    signers = _signers(bundle, resolved)  # 3 every seal is valid and by a known key
    body = rule.model.from_bytes(bundle.payload)
    _check_holders(bundle.kind, rule, signers, trusted)  # 4 roles, holders, thresholds
    _check_scope(body, rule, signers, trusted)  # 5 inside the signers' scopes, addressed to us
    if bundle.digest in trusted.denied:  # 6 not denied (keys were checked with the chain)
        raise TrustError(Refusal.DENIED, bundle.digest.hex())
    known = _check_replay(bundle, body, signers, trusted)  # 7 never back, never twice
    pending = _check_time(body, signers, now)  # 8 not before, not after
    return Accepted(
        kind=Kind(bundle.kind),
        body=body,
        digest=bundle.digest,
        signers=tuple(signer for signer in signers if signer.certificate is not None),
        is_known=known,
        is_pending=pending,
    )


def _rule(bundle: Bundle, root: Root) -> Rule:
    rule = RULES.get(Kind(bundle.kind)) if bundle.kind in set(Kind) else None
    if rule is None:
        raise TrustError(Refusal.KIND, f"kind {bundle.kind}")
    if bundle.version != 1 or bundle.version < root.formats.get(bundle.kind, 1):
        raise TrustError(Refusal.VERSION, bundle.label)
    return rule


def _signers(bundle: Bundle, resolved: dict[bytes, Resolved]) -> list[Resolved]:
    signers: list[Resolved] = []
    for data in bundle.seals:
        seal = open_seal(data)
        signer = resolved.get(seal.kid)
        if signer is None:
            raise TrustError(Refusal.UNKNOWN_SIGNER, seal.kid.hex())
        if seal.payload is not None or not seal.is_by(signer.key, bundle.payload, bundle.label):
            raise TrustError(Refusal.SIGNATURE, seal.kid.hex())
        if signer not in signers:  # one key counts once, however often it signs
            signers.append(signer)
    return signers


def _check_holders(kind: int, rule: Rule, signers: list[Resolved], trusted: Trusted) -> None:
    fitting = [signer for signer in signers if set(rule.roles) & set(signer.roles)]
    if not fitting:
        raise TrustError(Refusal.ROLE if signers else Refusal.THRESHOLD, f"needs {rule.roles}")
    floor = max(trusted.root.floors.get(kind, 1), trusted.thresholds.get(kind, 1))
    needed = 1 if kind in ALWAYS_FROM_ONE_HOLDER else floor
    holders = {signer.holder for signer in fitting}
    if len(holders) < max(needed, len(rule.roles)):
        raise TrustError(Refusal.THRESHOLD, f"{len(holders)} holders")
    for chosen in permutations(fitting, len(rule.roles)):
        if len({signer.holder for signer in chosen}) == len(chosen) and all(
            role in signer.roles for role, signer in zip(rule.roles, chosen, strict=True)
        ):
            return
    raise TrustError(
        Refusal.ROLE, "no set of holders fills " + ", ".join(r.name for r in rule.roles)
    )


def _check_scope(body: Object, rule: Rule, signers: list[Resolved], trusted: Trusted) -> None:
    scope = getattr(body, "scope", None)
    for signer in signers:
        if scope is not None and not any(is_inside(scope, prefix) for prefix in signer.scopes):
            raise TrustError(Refusal.SCOPE, f"{signer.holder} does not speak for {scope}")
    if isinstance(body, Assignment):
        if trusted.fingerprint is not None and body.endpoint != trusted.fingerprint:
            raise TrustError(Refusal.NOT_ADDRESSED, body.endpoint.hex())
    elif isinstance(body, Receipt):
        if trusted.endpoint_id is not None and body.endpoint != trusted.endpoint_id:
            raise TrustError(Refusal.NOT_ADDRESSED, body.endpoint.hex())
    elif isinstance(body, TimeAnswer):
        if body.nonce != trusted.nonce:
            raise TrustError(Refusal.NONCE, "not the answer to our question")
    elif (
        rule.covers_endpoint
        and scope is not None
        and trusted.scope is not None
        and not is_inside(trusted.scope, scope)
    ):
        raise TrustError(Refusal.NOT_ADDRESSED, f"{scope} does not cover {trusted.scope}")


def _check_replay(bundle: Bundle, body: Object, signers: list[Resolved], trusted: Trusted) -> bool:
    position = position_of(body, bundle.digest)
    if position is None:
        return False
    if any(s.certificate is not None and position.epoch > s.certificate.epoch for s in signers):
        raise TrustError(Refusal.EPOCH, f"epoch {position.epoch} is above a signer's")
    subject = subject_of(Kind(bundle.kind), body)
    return judge_state(position, trusted.positions.get(subject))


def _check_time(body: Object, signers: list[Resolved], now: Now) -> bool:
    claimed = _claimed_time(body)
    if claimed is not None and any(
        s.certificate is not None and claimed > s.certificate.expires for s in signers
    ):
        raise TrustError(Refusal.EXPIRED, "a time later than its signer's certificate")
    expires, not_before = getattr(body, "expires", None), getattr(body, "not_before", 0)
    if expires is not None and now.unix_s >= expires:
        raise TrustError(Refusal.EXPIRED, f"at {expires}")
    if isinstance(body, Playlist) and now.is_known:
        return now.unix_s < not_before  # next week's schedule is stored, and waits
    if now.unix_s < not_before:
        if now.is_known:
            raise TrustError(Refusal.NOT_YET, f"not before {not_before}")
        return True
    return False


def _claimed_time(body: Object) -> int | None:
    """Return the time that an object by an online key claims it to be, unix seconds."""
    match body:
        case Head():
            return body.time
        case TimeAnswer():
            return body.time_ms // 1000
    return None
