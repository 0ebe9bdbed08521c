"""From certificates to keys that lead to the root."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

from loa_protocol.envelope import Bundle, Kind, Seal, open_seal
from loa_protocol.errors import MessageError
from loa_protocol.keys import PublicKey
from loa_protocol.objects.authority import EPOCH_LEAD, ONLINE_LIFE_S, Certificate, Role
from loa_protocol.scope import is_inside
from loa_protocol.trust import Now, Refusal, Resolved, Trusted, TrustError

MAX_DEPTH = 3  # root -> province -> commune; one more for a nation above provinces


def resolve(certificates: Iterable[bytes], trusted: Trusted, now: Now) -> dict[bytes, Resolved]:
    """Return the keys that *certificates* lead to from the root, by key id.

    Raises:
        FormatError: a certificate is not of the profile.
        TrustError: one does not lead to the root, exceeds its issuers, is denied or out of date.
    """
    keys = {
        key.key.kid: Resolved(key.key, key.holder, (trusted.root.scope,), frozenset(), None)
        for key in trusted.root.keys
        if key.key.kid not in trusted.denied
    }
    waiting = [_open(data) for data in certificates]
    if waiting and trusted.root.formats.get(Kind.CERTIFICATE, 1) > 1:  # only 1 is opened
        raise TrustError(Refusal.VERSION, "certificates below the format floor")
    for _ in range(MAX_DEPTH):
        ready = [each for each in waiting if all(seal.kid in keys for seal in each.seals)]
        waiting = [each for each in waiting if each not in ready]
        found = [_check(each, keys, trusted) for each in ready]
        for resolved in found:
            _check_dates(resolved, now)
            keys[resolved.key.kid] = resolved
    if waiting:
        raise TrustError(
            Refusal.CHAIN, f"{waiting[0].certificate.holder} does not lead to the root"
        )
    return keys


@dataclass(frozen=True, slots=True)
class _Opened:
    """A certificate with what came around it, parsed and not judged."""

    digest: bytes
    payload: bytes
    certificate: Certificate
    seals: tuple[Seal, ...]


def _open(data: bytes) -> _Opened:
    bundle = Bundle.from_bytes(data)
    if bundle.kind != Kind.CERTIFICATE or bundle.version != 1 or bundle.certificates:
        raise MessageError(f"expected a certificate, got {bundle.label}")
    certificate = Certificate.from_bytes(bundle.payload)
    return _Opened(bundle.digest, bundle.payload, certificate, tuple(map(open_seal, bundle.seals)))


def _check(opened: _Opened, keys: dict[bytes, Resolved], trusted: Trusted) -> Resolved:
    certificate = opened.certificate
    key = certificate.key
    if key.algorithm not in trusted.root.algorithms:
        raise TrustError(Refusal.CHAIN, f"algorithm {key.algorithm.name} is not allowed")
    if key.kid in trusted.denied or opened.digest in trusted.denied:
        raise TrustError(Refusal.DENIED, f"{certificate.holder} {key.kid.hex()}")
    issuers: set[str] = set()
    for seal in opened.seals:
        issuer = keys[seal.kid]
        if seal.payload is not None or not _is_sealed(seal, issuer.key, opened.payload):
            raise TrustError(Refusal.CHAIN, f"signature under {certificate.holder}'s certificate")
        _check_bounds(certificate, issuer)
        issuers.add(issuer.holder)
    if len(issuers) < certificate.needed_issuers:
        raise TrustError(Refusal.CHAIN, f"{certificate.holder}: {len(issuers)} issuing holders")
    return Resolved(
        key, certificate.holder, certificate.scopes, frozenset(certificate.roles), certificate
    )


@functools.lru_cache(maxsize=64)
def _is_sealed(seal: Seal, key: PublicKey, payload: bytes) -> bool:
    # The same few certificates come with every playlist, head and receipt; the mathematics of a
    # signature never changes, while dates and denials are judged anew each time.
    return seal.is_by(key, payload, Kind.CERTIFICATE.label())


def _check_bounds(certificate: Certificate, issuer: Resolved) -> None:
    for scope in certificate.scopes:
        if not any(is_inside(scope, prefix) for prefix in issuer.scopes):
            raise TrustError(Refusal.CHAIN, f"{scope} lies outside {issuer.holder}'s scopes")
    life_s = certificate.expires - certificate.not_before
    if certificate.is_online and life_s > ONLINE_LIFE_S:
        days = ONLINE_LIFE_S // 86_400
        raise TrustError(
            Refusal.CHAIN, f"{certificate.holder}'s online certificate: over {days} days"
        )
    if issuer.certificate is None:  # a root key may issue everything inside the root's scope
        return
    allowed = frozenset(issuer.certificate.may_issue)
    asked: frozenset[Role] = frozenset((*certificate.roles, *certificate.may_issue))
    if not asked <= allowed or not allowed:
        raise TrustError(Refusal.CHAIN, f"{issuer.holder} may not issue {sorted(asked - allowed)}")
    if certificate.level > issuer.certificate.level:
        raise TrustError(Refusal.CHAIN, f"{certificate.holder} outranks its issuer")
    if certificate.epoch > issuer.certificate.epoch + EPOCH_LEAD:
        # else whoever may issue could reach the last epoch, which no cure comes after
        raise TrustError(Refusal.CHAIN, f"{certificate.holder}'s epoch leads its issuer's too far")
    if certificate.is_online and certificate.expires > issuer.certificate.expires:
        # a board that does not know the time cannot refuse one that begins years ahead, and takes
        # the time that it tells
        raise TrustError(Refusal.CHAIN, f"{certificate.holder}'s certificate outlives its issuer")


def _check_dates(resolved: Resolved, now: Now) -> None:
    certificate = resolved.certificate
    assert certificate is not None  # root keys are never checked here
    if now.unix_s >= certificate.expires:
        raise TrustError(
            Refusal.EXPIRED, f"{resolved.holder}'s certificate at {certificate.expires}"
        )
    if now.is_known and now.unix_s < certificate.not_before:
        raise TrustError(Refusal.NOT_YET, f"{resolved.holder}'s certificate")
