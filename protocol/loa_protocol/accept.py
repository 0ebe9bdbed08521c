"""The acceptance rule: the one line that untrusted bytes cross.

:func:`accept` is pure. It turns the bytes of a bundle into a verified object or refuses it with one
named reason; it changes nothing, and the caller keeps its previous valid state on refusal. The
checks are numbered after docs/protocol/trust.md.
"""

from __future__ import annotations

from loa_protocol.chain import resolve
from loa_protocol.envelope import Bundle, Kind, open_seal
from loa_protocol.holders import check_holders
from loa_protocol.objects.alert import Alert
from loa_protocol.objects.authority import Root
from loa_protocol.objects.bulletin import Bulletin
from loa_protocol.objects.command import Command, Verb
from loa_protocol.objects.online import Head, Receipt, TimeAnswer
from loa_protocol.objects.placement import Assignment, DenyList
from loa_protocol.objects.playlist import Playlist
from loa_protocol.objects.standing import StandingProgramme
from loa_protocol.replay import judge_denials, judge_event, judge_state, name_of
from loa_protocol.scope import is_inside
from loa_protocol.trust import (
    RULES,
    Accepted,
    Event,
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
    now = _judged_at(bundle, trusted, now)
    resolved = resolve(bundle.certificates, trusted, now)  # 2 every certificate leads to the root
    signers = _signers(bundle, resolved)  # 3 every seal is valid and by a known key
    body = rule.model.from_bytes(bundle.payload)
    kind = Kind(bundle.kind)
    level = check_holders(kind, body, signers, trusted)  # 4 roles, holders, thresholds, level
    _check_scope(body, rule, signers, trusted)  # 5 inside the signers' scopes, addressed to us
    _check_denied(bundle, body, trusted)  # 6 not denied (keys were checked with the chain)
    known = _check_replay(bundle, body, signers, trusted, now)  # 7 never back, never twice
    pending = _check_time(body, signers, now)  # 8 not before, not after
    return Accepted(
        kind=kind,
        body=body,
        digest=bundle.digest,
        signers=tuple(signer for signer in signers if signer.certificate is not None),
        is_known=known,
        is_pending=pending,
        level=level,
    )


def _rule(bundle: Bundle, root: Root) -> Rule:
    rule = RULES.get(Kind(bundle.kind)) if bundle.kind in set(Kind) else None
    if rule is None:
        raise TrustError(Refusal.KIND, f"kind {bundle.kind}")
    if bundle.version != 1 or bundle.version < root.formats.get(bundle.kind, 1):
        raise TrustError(Refusal.VERSION, bundle.label)
    return rule


def _judged_at(bundle: Bundle, trusted: Trusted, now: Now) -> Now:
    """Return the time of the judgement: for what answers our fresh nonce, the time it names.

    A floor that is wrong makes every certificate look expired; the nonce, which one endpoint made
    for one use, stands in for the clock. The time it names is still never before the build's.
    """
    if bundle.kind != Kind.COMMAND:
        return now
    body = Command.from_bytes(bundle.payload)
    if body.verb is not Verb.RESET_FLOOR:
        return now
    if not trusted.nonce or body.nonce != trusted.nonce:
        raise TrustError(Refusal.NONCE, "not over the nonce of this endpoint")
    return Now(body.issued, now.trust)


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


def _check_scope(body: Object, rule: Rule, signers: list[Resolved], trusted: Trusted) -> None:
    # what has no scope of its own (time, receipt) is by somebody who speaks for our place
    scope = getattr(body, "scope", trusted.scope)
    for signer in signers:
        if scope is not None and not any(is_inside(scope, prefix) for prefix in signer.scopes):
            raise TrustError(Refusal.SCOPE, f"{signer.holder} does not speak for {scope}")
    if isinstance(body, DenyList) and body.scope != trusted.root.scope:
        # there is one list: that of a part would take the place of the whole province's
        raise TrustError(Refusal.SCOPE, f"a deny list of {body.scope}")
    if isinstance(body, Assignment):
        if trusted.fingerprint is not None and body.endpoint != trusted.fingerprint:
            raise TrustError(Refusal.NOT_ADDRESSED, body.endpoint.hex())
    elif isinstance(body, (Receipt, Command)):
        other = body.endpoint is not None and body.endpoint != trusted.endpoint_id
        if trusted.endpoint_id is not None and other:
            raise TrustError(Refusal.NOT_ADDRESSED, (body.endpoint or b"").hex())
    elif isinstance(body, TimeAnswer) and body.nonce != trusted.nonce:
        raise TrustError(Refusal.NONCE, "not the answer to our question")
    if (
        rule.covers_endpoint
        and scope is not None
        and trusted.scope is not None
        and not is_inside(trusted.scope, scope)
    ):
        raise TrustError(Refusal.NOT_ADDRESSED, f"{scope} does not cover {trusted.scope}")


def _check_denied(bundle: Bundle, body: Object, trusted: Trusted) -> None:
    named = {bundle.digest}
    if isinstance(body, (Alert, Bulletin)) and body.media is not None:
        named.add(body.media.sha256)  # of a playlist's many the rest may sound
    for digest in named & trusted.denied:
        raise TrustError(Refusal.DENIED, digest.hex())


def _check_replay(
    bundle: Bundle, body: Object, signers: list[Resolved], trusted: Trusted, now: Now
) -> bool:
    if isinstance(body, Event):
        judge_event(name_of(bundle.digest), body.expires, trusted.seen, now.unix_s)
        return False
    position = position_of(body, bundle.digest)
    if position is None:
        return False
    if any(s.certificate is not None and position.epoch > s.certificate.epoch for s in signers):
        raise TrustError(Refusal.EPOCH, f"epoch {position.epoch} is above a signer's")
    reached = trusted.positions.get(subject_of(Kind(bundle.kind), body))
    is_known = judge_state(position, reached)
    if isinstance(body, DenyList) and (reached is None or position.epoch == reached.epoch):
        judge_denials(body.entries, trusted.denials, now.unix_s)  # a new epoch begins anew
    return is_known


def _check_time(body: Object, signers: list[Resolved], now: Now) -> bool:
    claimed = _claimed_time(body)
    if claimed is not None and any(
        s.certificate is not None and claimed > s.certificate.expires for s in signers
    ):
        raise TrustError(Refusal.EXPIRED, "a time later than its signer's certificate")
    if isinstance(body, TimeAnswer) and any(  # an older head may come with newer certificates
        s.certificate is not None and body.time_ms < s.certificate.not_before * 1000
        for s in signers
    ):
        raise TrustError(Refusal.NOT_YET, "a time earlier than its signer's certificate")
    if now.is_known and now.unix_s < getattr(body, "taken_from", 0):  # its life counts from there
        raise TrustError(Refusal.NOT_YET, "of too far in the future")
    expires, not_before = getattr(body, "expires", None), getattr(body, "not_before", 0)
    if expires is not None and now.unix_s >= expires:
        raise TrustError(Refusal.EXPIRED, f"at {expires}")
    if isinstance(body, (Playlist, StandingProgramme)):
        return now.unix_s < not_before  # next week's schedule is stored, and waits
    if now.is_known and now.unix_s < not_before:
        raise TrustError(Refusal.NOT_YET, f"not before {not_before}")
    return False  # a policy rules at once where only the floor is before its beginning


def _claimed_time(body: Object) -> int | None:
    """Return the time that an object by an online key claims it to be, unix seconds."""
    match body:
        case Head():
            return body.time
        case TimeAnswer() | Receipt():  # of receipts the newest counts
            return body.time_ms // 1000
    return None
