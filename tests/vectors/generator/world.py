"""A small province whose every key follows from a name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from loa_protocol.envelope import Bundle, Kind, sign_bundle
from loa_protocol.keys import Algorithm, SoftSigner
from loa_protocol.objects.authority import (
    ONLINE_LIFE_S,
    Certificate,
    Level,
    Role,
    Root,
    RootKey,
)
from loa_protocol.record import ClockTrust
from loa_protocol.schema import Wire
from loa_protocol.trust import Now, Trusted

START: Final = 1_800_000_000  # 2027-01-15 08:00 UTC
DAY: Final = 86_400
YEAR: Final = 365 * DAY
NOW: Final = Now(START + 3600, ClockTrust.T3)
SCOPE: Final = "vn/ls"
STATION: Final = "vn/ls/st0137"
CLUSTER: Final = "vn/ls/st0137/c04"
_ORDER_P256: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_RFC6979: Final = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)


class FixedSigner(SoftSigner):
    """A signer that gives the same signature each time (Ed25519; ECDSA as in RFC 6979)."""

    __slots__ = ()

    def sign(self, message: bytes) -> bytes:
        """Sign *message*."""
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(message)
        r, s = decode_dss_signature(self.key.sign(message, _RFC6979))
        return r.to_bytes(32) + s.to_bytes(32)


@dataclass(frozen=True)
class Person:
    """Somebody with a key and, below the root, the certificates that lead to it."""

    holder: str
    signer: FixedSigner
    chain: tuple[bytes, ...] = ()

    @property
    def kid(self) -> bytes:
        """The key's id."""
        return self.signer.public.kid


def person(name: str, *, p256: bool = False, holder: str = "") -> Person:
    """Return the person whose key follows from *name*; *holder* where another name is claimed."""
    seed = hashlib.sha256(f"loa vector key {name}".encode()).digest()
    if not p256:
        return Person(
            holder or name, FixedSigner(ed25519.Ed25519PrivateKey.from_private_bytes(seed))
        )
    number = int.from_bytes(seed) % (_ORDER_P256 - 1) + 1
    return Person(holder or name, FixedSigner(ec.derive_private_key(number, ec.SECP256R1())))


def certificate_of(subject: Person, **changes: Any) -> Certificate:
    """Return an editor's certificate of the station for *subject*, with *changes*.

    It holds for a year; for two weeks where it has an online role.
    """
    public = subject.signer.public
    is_online = any(not role.is_speaking for role in changes.get("roles", ()))
    facts: dict[str, Any] = {
        "algorithm": public.algorithm,
        "raw": public.raw,
        "holder": subject.holder,
        "scopes": (STATION,),
        "roles": (Role.EDITOR,),
        "may_issue": (),
        "level": Level.COMMUNE,
        "epoch": 1,
        "serial": 1,
        "not_before": START if is_online else START - DAY,
        "expires": START + (ONLINE_LIFE_S if is_online else YEAR),
    }
    return Certificate(**{**facts, **changes})


def certify(subject: Person, issuers: Sequence[Person], **changes: Any) -> Person:
    """Return *subject* with a certificate by *issuers*, and the issuers' own below it."""
    return with_chain(
        subject,
        sign_bundle(
            Kind.CERTIFICATE,
            certificate_of(subject, **changes).to_bytes(),
            [issuer.signer for issuer in issuers],
        ),
        issuers,
    )


def with_chain(subject: Person, own: bytes, issuers: Iterable[Person]) -> Person:
    """Return *subject* with the certificate *own*, after those of *issuers*."""
    above = dict.fromkeys(each for issuer in issuers for each in issuer.chain)
    return replace(subject, chain=(*above, own))


def sign(kind: Kind, body: Wire, *people: Person) -> bytes:
    """Return a bundle of *body* sealed by *people*, with their certificates."""
    return sign_bytes(kind, body.to_bytes(), *people)


def sign_bytes(kind: Kind, payload: bytes, *people: Person) -> bytes:
    """Return a bundle of *payload*, whatever that is, sealed by *people*."""
    chain = [each for one in people for each in one.chain]
    return sign_bundle(kind, payload, [one.signer for one in people], certificates=chain)


def root_key(who: Person, holder: str = "") -> RootKey:
    """Return *who* as one of a root's keys."""
    public = who.signer.public
    return RootKey(algorithm=public.algorithm, raw=public.raw, holder=holder or who.holder)


def root_of(people: Sequence[Person], **changes: Any) -> Root:
    """Return version 1 of the root that *people* hold, with *changes*."""
    facts: dict[str, Any] = {
        "scope": SCOPE,
        "version": 1,
        "test": True,
        "created": START - YEAR,
        "keys": tuple(root_key(each) for each in people),
        "threshold": 3,
        "algorithms": (Algorithm.EDDSA, Algorithm.ES256),
        "formats": {},
        "floors": {Kind.PLAYLIST: 2, Kind.POLICY: 2, Kind.ALERT: 2},
        "recovery_keys": 3,
    }
    return Root(**{**facts, **changes})


ROOTS: Final = [person(f"root-{n}", p256=n == 3) for n in range(1, 6)]
ROOT: Final = root_of(ROOTS)
ROOT_BUNDLE: Final = sign(Kind.ROOT, ROOT, *ROOTS[:3])
ROOT_DIGEST: Final = Bundle.from_bytes(ROOT_BUNDLE).digest
OFFICERS: Final = [
    certify(
        person(f"officer-{n}"),
        ROOTS[:2],
        scopes=(SCOPE,),
        roles=(Role.POLICY, Role.OPERATE, Role.REVOKE),
        may_issue=tuple(Role),
        level=Level.PROVINCE,
    )
    for n in (1, 2)
]
EDITOR: Final = certify(person("editor"), OFFICERS)
APPROVER: Final = certify(person("approver", p256=True), OFFICERS, roles=(Role.APPROVER,))
_WARDEN: Final = (Role.ALERT, Role.LIVE, Role.OPERATE)
WARDENS: Final = [certify(person(f"warden-{n}"), OFFICERS, roles=_WARDEN) for n in (1, 2)]
DUTY: Final = [
    certify(
        person(f"duty-{n}"),
        OFFICERS,
        scopes=(SCOPE,),
        roles=(*_WARDEN, Role.BULLETIN),
        level=Level.PROVINCE,
    )
    for n in (1, 2, 3)
]
ONLINE: Final = certify(
    person("server"),
    OFFICERS[:1],
    scopes=(SCOPE,),
    roles=(Role.HEAD, Role.TIME, Role.INGEST),
    level=Level.PROVINCE,
)
DEVICE: Final = person("device", p256=True)
SESSION: Final = person("live session")


def trusted(**changes: Any) -> Trusted:
    """Return what a board of cluster c04 trusts before anything else came."""
    facts: dict[str, Any] = {
        "root": ROOT,
        "root_digest": ROOT_DIGEST,
        "scope": CLUSTER,
        "fingerprint": DEVICE.signer.public.fingerprint,
    }
    return Trusted(**{**facts, **changes})
